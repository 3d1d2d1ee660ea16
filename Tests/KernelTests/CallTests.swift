import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Calls of functions on other CPUs: how each release queues them, how each mode sends, and where
/// the time of each went.
@Suite struct CallTests {
  private static func boot(
    cpus: Int, nodes: Int = 1, _ release: String, _ platform: Platform = Platform()
  ) throws -> Boot {
    Boot(
      machine: .plain(cpus: cpus, nodes: nodes),
      version: try #require(KernelVersion(named: release)),
      costs: try CostFile.named("generic-x86"), platform: platform)
  }

  /// A machine whose `initiators` flush all at once, run to its end.
  private static func flush(
    _ boot: Boot, from initiators: [Int] = [0], busy: [(cpu: Int, until: UInt64)] = [],
    runsAhead: Bool = true, isTraced: Bool = true
  ) -> Machine {
    var machine = Machine(boot, runsAhead: runsAhead)
    if isTraced {
      machine.world.probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
    }
    var used = 0
    for (cpu, until) in busy {
      let steps: [Step] = [.disable(.irqs), .run(.nanoseconds(until)), .enable(.irqs)]
      for step in steps {
        machine.world.scripts[used] = step
        used += 1
      }
      machine.start(.script(Script(from: used - 3, to: used)), on: CPUID(cpu), at: .zero)
    }
    for cpu in initiators {
      machine.start(
        .onEachCPU(.start(.flushTLBAll)), on: CPUID(cpu), at: Instant(picoseconds: 5_000_000))
    }
    let halt = machine.run()
    #expect(halt == .nothingLeft)
    return machine
  }

  private static func times(
    _ machine: borrowing Machine, of event: TraceEvent, on cpu: Int
  ) -> [UInt64] {
    var all: [UInt64] = []
    for index in 0..<machine.world.probe.count {
      let record = machine.world.probe[index]
      if record.event == event.rawValue, record.cpu == Int32(cpu) {
        all.append(record.time.picoseconds / 1000)
      }
    }
    return all
  }

  private static func platform(_ apic: Platform.APIC) -> Platform {
    var platform = Platform()
    platform.apic = apic
    return platform
  }

  /// 128 CPUs, empty queues, CPU 0 asks: writes of the interrupt register by release and mode.
  @Test(
    "one write tells all but self from 5.4 on, and one a cluster, or a CPU, before",
    arguments: [
      ("2.6.24", Platform.APIC.x2apicCluster, 127), ("4.19", .x2apicCluster, 8),
      ("4.19", .x2apicPhysical, 127), ("5.2", .x2apicCluster, 8), ("5.4", .x2apicCluster, 1),
      ("6.12", .x2apicCluster, 1), ("6.12", .x2apicPhysical, 1), ("5.2", .xapicPhysflat, 127),
    ])
  func writes(release: String, apic: Platform.APIC, wanted: Int) throws {
    let machine = Self.flush(try Self.boot(cpus: 128, release, Self.platform(apic)))
    let counters = (
      machine.world.counters[.ipiWrites], machine.world.counters[.ipisSent],
      machine.world.counters[.ipisReceived], machine.world.vmalloc.statistics.flushAllCPUs
    )
    #expect(counters == (UInt64(wanted), 127, 127, 128))
  }

  @Test func flatReachesEightCPUsByOneWrite() throws {
    let machine = Self.flush(try Self.boot(cpus: 8, "2.6.24"))
    #expect(machine.world.counters[.ipiWrites] == 1)
  }

  /// T8: a guest of 300 vCPUs. From 5.4 on the shorthand comes first (arch/x86/kernel/apic/ipi.c,
  /// 5.4: the hypercall has taken the place of `send_IPI_mask` alone).
  @Test(
    "a guest asks for 128 interrupts a hypercall",
    arguments: [("4.9", 19), ("4.19", 3), ("5.4", 1), ("6.12", 1)])
  func hypercalls(release: String, wanted: Int) throws {
    var platform = Platform()
    platform.guest = .kvm
    let machine = Self.flush(try Self.boot(cpus: 300, release, platform))
    #expect(machine.world.counters[.ipiWrites] == UInt64(wanted))
    #expect(machine.world.counters[.ipisReceived] == 299)
  }

  /// T2: from 5.13 on the own part runs before the wait; before, after the last answer.
  @Test(
    "the own part overlaps from 5.13 on",
    arguments: ["2.6.24", "3.2", "3.10", "4.9", "5.12", "5.13", "6.12"])
  func ownPart(release: String) throws {
    let machine = Self.flush(try Self.boot(cpus: 16, release))
    let name = TraceNames.index(of: .do_flush_tlb_all)
    var own: UInt64 = 0
    for index in 0..<machine.world.probe.count {
      let record = machine.world.probe[index]
      if record.event == TraceEvent.pathBegin.rawValue, record.cpu == 0,
        record.a & 0xFFFF_FFFF == name
      {
        own = record.time.picoseconds / 1000
      }
    }
    let last = (1..<16).compactMap { Self.times(machine, of: .callDone, on: $0).last }.max() ?? 0
    #expect(own > 0 && last > 0)
    #expect((own < last) == ["5.13", "6.12"].contains(release))
  }

  /// T3: CPU 77 has a request that it cannot take; the others' masks lack it, and the cluster loop
  /// runs. It does both in one interrupt.
  @Test func aPendingTargetIsInterruptedOnce() throws {
    let machine = Self.flush(
      try Self.boot(cpus: 128, "6.12"), from: [0, 1], busy: [(77, 400_000)])
    #expect(Self.times(machine, of: .callFunctionEntry, on: 77).count == 1)
    #expect(Self.times(machine, of: .callEntered, on: 77).count == 2)
    #expect(machine.world.shootdowns.count == 2)
    #expect(machine.world.shootdowns.slowest == 77)
  }

  /// Up to 4.12 everybody is interrupted each time.
  @Test(arguments: [("4.12", 2 * 15), ("4.13", 16)])
  func interruptsForPendingTargets(release: String, atMost: Int) throws {
    let machine = Self.flush(
      try Self.boot(cpus: 16, release), from: [0, 1],
      busy: (2..<16).map { ($0, 60_000) })
    let sent = machine.world.counters[.ipisSent]
    #expect(release == "4.12" ? sent == UInt64(atMost) : sent <= UInt64(atMost))
  }

  /// T4, in every epoch: many ask at once, each answers while it waits, and all come to an end.
  @Test(
    "initiators answer each other",
    arguments: ["2.6.24", "2.6.27", "3.2", "3.9", "3.14", "4.13", "5.12", "5.13", "7.2"],
    [2, 3, 9, 40])
  func everybodyAsks(release: String, cpus: Int) throws {
    let boot = try Self.boot(cpus: cpus, nodes: cpus > 8 ? 2 : 1, release)
    let machine = Self.flush(boot, from: Array(0..<cpus), isTraced: false)
    #expect(machine.world.shootdowns.count == UInt64(cpus))
    #expect(machine.world.vmalloc.statistics.flushAllCPUs == UInt64(cpus * cpus))
    #expect(machine.world.complaints.violationCount == 0)
    let other = Self.flush(
      boot, from: Array(0..<cpus), runsAhead: false, isTraced: false)
    #expect(other.fingerprint == machine.fingerprint)
    #expect(other.now == machine.now)
  }

  /// T5: interrupts off for 50 us; the others answer at their normal time, and the breakdown says
  /// whom it waited for and why.
  @Test func aMaskedTargetIsNamed() throws {
    let machine = Self.flush(try Self.boot(cpus: 16, "6.12"), busy: [(5, 50_000)])
    let slow = machine.world.calls.slow[0]
    #expect(slow.slowest.cpu == CPUID(5) && slow.slowest.cause == .irqsOff)
    let masked = slow.parts[2]
    #expect(masked > .nanoseconds(40_000) && slow.length < .nanoseconds(50_000))
    #expect(slow.length == machine.world.shootdowns.most)
    let others = (1..<16).filter { $0 != 5 }.compactMap {
      Self.times(machine, of: .callDone, on: $0).last
    }
    #expect(others.count == 14 && others.allSatisfy { $0 < 20_000 })
  }

  /// T6: who waits for a lock with interrupts off answers when it has had the lock, and the lock is
  /// named.
  @Test func waitingForALockWithInterruptsOffDelaysTheAnswer() throws {
    var machine = Machine(try Self.boot(cpus: 4, "6.12"))
    let lock = machine.world.locks.make(.workload, name: "L", lines: &machine.world.lines)
    let steps: [Step] = [
      .acquire(lock, irqs: .off), .run(.nanoseconds(20_000)), .release(lock, irqs: .off),
    ]
    for (place, step) in steps.enumerated() { machine.world.scripts[place] = step }
    for cpu in 1...3 {
      machine.start(.script(Script(from: 0, to: 3)), on: CPUID(cpu), at: .zero)
    }
    machine.start(
      .onEachCPU(.start(.flushTLBAll)), on: CPUID(0), at: Instant(picoseconds: 5_000_000))
    #expect(machine.run() == .nothingLeft)
    let slow = machine.world.calls.slow[0]
    #expect(slow.slowest.cause == .irqsOff && slow.slowest.lock == lock)
    #expect(slow.length > .nanoseconds(50_000) && slow.parts[2] > .nanoseconds(50_000))
  }

  @Test(
    "an idle CPU wakes up first, and no interrupt is needed for one that polls",
    arguments: [Platform.Idle.none, .poll, .c1, .c6])
  func idle(_ idle: Platform.Idle) throws {
    var platform = Platform()
    platform.idle = idle
    let two = Self.flush(try Self.boot(cpus: 2, "6.12", platform))
    #expect(two.world.counters[.ipisSent] == (idle == .none ? 1 : 0))
    #expect(two.world.vmalloc.statistics.flushAllCPUs == 2)
    let many = Self.flush(try Self.boot(cpus: 8, "6.12", platform))
    #expect(many.world.counters[.ipisSent] == 7)
    let least: [Platform.Idle: UInt64] = [.none: 0, .poll: 0, .c1: 1500, .c6: 90_000]
    #expect(many.world.shootdowns.most > .nanoseconds(least[idle] ?? 0))
    #expect(many.world.calls.slow[0].slowest.cause == (idle == .none ? .none : .idle))
  }

  /// What a target costs the host: its two on the initiator, arrival, entry, queue and answer.
  @Test func aTargetIsSixEvents() throws {
    let machine = Self.flush(try Self.boot(cpus: 512, "6.12"), isTraced: false)
    #expect(machine.events <= 6 * 511 + 32, "\(machine.events)")
  }

  /// One call of the whole machine at a time is slower than any queue.
  @Test func oneCallAtATimeIsSlowest() throws {
    let length = try ["2.6.24", "3.2", "3.10", "5.12", "6.12"].map { release in
      let boot = try Self.boot(cpus: 32, release)
      return Self.flush(boot, from: Array(0..<32), isTraced: false).now.picoseconds
    }
    #expect(length[1...].allSatisfy { $0 < length[0] }, "\(length)")
  }
}
