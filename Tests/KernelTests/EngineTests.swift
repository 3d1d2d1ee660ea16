import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Ten nanoseconds, the unit of the diagrams.
private func tens(_ count: UInt64) -> Duration { .nanoseconds(10 * count) }
private func at(_ ns: UInt64) -> Instant { Instant(picoseconds: ns * 1000) }

extension MachineDescription {
  /// `nodes` packages of one node each, `cpus` cores spread evenly, 1 GiB a node.
  static func plain(cpus: Int, nodes: Int = 1) -> MachineDescription {
    let all = (0..<cpus).map { cpu in
      let node = cpu * nodes / cpus
      return CPU(
        osNumber: cpu, core: cpu, llc: node, die: node, package: node, node: node, thread: 0)
    }
    return MachineDescription(
      source: "test", cpus: all,
      nodes: (0..<nodes).map { Node(osNumber: $0, memoryBytes: 1 << 30, hasCPUs: true) },
      distances: (0..<nodes).map { a in (0..<nodes).map { a == $0 ? 10 : 20 } }, caches: [],
      defaultsUsed: [])
  }
}

/// Costs where everything but what a diagram shows is free, and a line costs ten nanoseconds.
private func plainCosts() throws -> Costs {
  var text = ""
  for kind in Work.allCases { text += "\(kind.key) = 0 ns # test\n" }
  for kind in Primitive.allCases {
    let key = kind.key
    let lines = ["line_same_core", "line_same_llc", "line_same_socket", "line_other_socket"]
    let tens = lines + ["atomic_hit", "memory_local", "memory_remote"]
    let value =
      tens.contains(key) ? 10 : ["interrupt_entry", "interrupt_exit"].contains(key) ? 50 : 0
    text += "\(key) = \(value) ns # test\n"
  }
  return try CostFile.parse(text, name: "plain")
}

private func plainMachine(cpus: Int, nodes: Int = 1) throws -> Machine {
  let boot = Boot(machine: .plain(cpus: cpus, nodes: nodes), costs: try plainCosts())
  var machine = Machine(boot)
  machine.world.probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
  return machine
}

extension Machine {
  /// A frame that performs `steps`, the scripts being laid one behind the other.
  fileprivate mutating func script(_ steps: [Step], after used: inout Int) -> Frame {
    for (place, step) in steps.enumerated() { world.scripts[used + place] = step }
    defer { used += steps.count }
    return .script(Script(from: used, to: used + steps.count))
  }

  fileprivate func times(of event: TraceEvent, on cpu: Int) -> [UInt64] {
    (0..<world.probe.count).map { world.probe[$0] }
      .filter { $0.event == event.rawValue && $0.cpu == Int32(cpu) }
      .map { $0.time.picoseconds / 1000 }
  }
}

@Suite struct EngineTests {
  /// Goal: waiters own the lock in the order of asking, each one line transfer after a release.
  /// The first 64 bytes are what every step reads: a record of another size would straddle lines.
  @Test func aCPUIsTwoLinesOfTheHost() { #expect(MemoryLayout<Kernel.CPU>.stride == 128) }

  @Test func queuedLockIsFirstInFirstOut() throws {
    var machine = try plainMachine(cpus: 3)
    let lock = machine.world.locks.make(.workload, name: "L", lines: &machine.world.lines)
    var used = 0
    let take: [Step] = [.acquire(lock), .run(tens(4)), .release(lock)]
    let task = machine.script(take, after: &used)
    for (cpu, start) in [(0, 0), (2, 20), (1, 30)] as [(Int, UInt64)] {
      machine.start(task, on: CPUID(cpu), at: at(start))
    }
    #expect(machine.run() == .nothingLeft)
    #expect(machine.times(of: .lockHoldBegin, on: 0) == [10])
    #expect(machine.times(of: .lockHoldEnd, on: 0) == [50])
    #expect(machine.times(of: .lockHoldBegin, on: 2) == [60])
    #expect(machine.times(of: .lockHoldEnd, on: 2) == [100])
    #expect(machine.times(of: .lockHoldBegin, on: 1) == [110])
    #expect(machine.times(of: .lockHoldEnd, on: 1) == [150])
    #expect(machine.world.locks.locks[lock].acquisitions == 3)
    #expect(machine.world.locks.locks[lock].contended == 2)
  }

  /// Goal: a section with interrupts off delays a call from elsewhere to the end of the section.
  @Test func irqsOffDelaysARemoteCall() throws {
    var machine = try plainMachine(cpus: 4)
    let lock = machine.world.locks.make(.workload, name: "L", lines: &machine.world.lines)
    var used = 0
    let section = machine.script(
      [.acquire(lock, irqs: .off), .run(tens(500)), .release(lock, irqs: .off)], after: &used)
    machine.start(section, on: CPUID(3), at: at(0))
    machine.start(.onEachCPU(.start(.nothing)), on: CPUID(0), at: at(100))
    #expect(machine.run() == .nothingLeft)
    #expect(machine.world.shootdowns.count == 1)
    #expect(machine.world.shootdowns.slowest == 3)
    #expect(machine.times(of: .callFunctionEntry, on: 3) == [5010 + 50])
    #expect(machine.times(of: .callFunctionEntry, on: 1).first! < 500)
    #expect(machine.world.counters[.ipisSent] == 3)
    #expect(machine.world.counters[.ipisReceived] == 3)
  }

  /// Goal: all time of all CPUs is booked, once.
  @Test func timeAddsUp() throws {
    var machine = try plainMachine(cpus: 4)
    var used = 0
    let task = machine.script([.run(tens(30)), .condResched, .run(tens(5))], after: &used)
    machine.start(task, on: CPUID(2), at: at(100))
    machine.start(.onEachCPU(.start(.nothing)), on: CPUID(0), at: at(150))
    _ = machine.run(until: at(2000))
    machine.settle(at: at(2000))
    let total = TimeCategory.allCases.reduce(Duration.zero) {
      $0 + machine.accounting.spent(in: $1)
    }
    #expect(total == .nanoseconds(4 * 2000))
    #expect(machine.accounting.spent(in: .workload) == tens(35))
  }

  /// Goal: a work item runs in its CPU's kworker as soon as the running task gives way, and is
  /// waited for.
  @Test func workRunsInAKworker() throws {
    var machine = try plainMachine(cpus: 2)
    var used = 0
    let busy = machine.script([.run(tens(100)), .run(tens(100))], after: &used)
    let asks = machine.script(
      [.queueWork(.nothing, on: CPUID(1)), .call(.flushWork(.start(.nothing, on: CPUID(1))))],
      after: &used)
    machine.start(busy, on: CPUID(1), at: at(0))
    machine.start(asks, on: CPUID(0), at: at(500))
    #expect(machine.run() == .nothingLeft)
    #expect(machine.world.counters[.workItems] == 1)
    let isBusy = machine.world.work.isBusy(.nothing, on: CPUID(1))
    #expect(!isBusy)
    #expect(machine.times(of: .schedSwitch, on: 1) == [0, 2100, 2100])
  }

  /// Goal: a fork and its origin go the same way, and the same as a run that was never forked.
  @Test func forkRunsTheSame() throws {
    func storm() throws -> Machine {
      var machine = try plainMachine(cpus: 9)
      for cpu in 0..<9 {
        machine.start(.onEachCPU(.start(.nothing)), on: CPUID(cpu), at: at(UInt64(cpu) * 7))
      }
      return machine
    }
    var whole = try storm()
    _ = whole.run()
    var origin = try storm()
    _ = origin.run(events: 60)
    var fork = origin.clone()
    _ = origin.run()
    _ = fork.run()
    #expect(origin.fingerprint == whole.fingerprint)
    #expect(fork.fingerprint == whole.fingerprint)
    #expect(whole.world.shootdowns.count == 9)
  }

  @Test func recordsStaySmall() {
    #expect(MemoryLayout<Frame>.size <= 16)
    #expect(MemoryLayout<Op>.size <= 16)
    #expect(MemoryLayout<Step>.size <= 24)
    #expect(MemoryLayout<CPU>.stride <= 128)
  }
}
