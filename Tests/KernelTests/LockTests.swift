import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Locks of every kind and release: who gets one next, who waits how, and what waiting holds up.
@Suite struct LockTests {
  private func makeMachine(_ release: String, cpus: Int = 6, nodes: Int = 2) throws -> Machine {
    let version = try #require(KernelVersion(named: release))
    return Machine(
      Boot(
        machine: .plain(cpus: cpus, nodes: nodes), version: version,
        costs: try CostFile.named("generic-x86")))
  }

  private func ns(_ count: Int) -> Duration { .nanoseconds(UInt64(count)) }
  private func at(_ ns: Int) -> Instant { Instant(picoseconds: UInt64(ns) * 1000) }

  /// A lock of the workload's.
  private func makeLock(_ kind: LockKind, in machine: inout Machine) -> LockID {
    machine.world.locks.make(.workload, name: "L", lines: &machine.world.lines, kind: kind)
  }

  /// A task of these steps, on `cpu` from `start` on. Scripts are laid one behind the other.
  private func start(
    _ steps: [Step], on cpu: Int, at start: Int, _ used: inout Int, in machine: inout Machine
  ) {
    if machine.world.scripts.count < used + steps.count {
      machine.world.scripts.grow(to: 2 * (used + steps.count), .return())
    }
    for (place, step) in steps.enumerated() { machine.world.scripts[used + place] = step }
    let frame = Frame.script(Script(from: used, to: used + steps.count))
    used += steps.count
    machine.start(frame, on: CPUID(cpu), at: at(start))
  }

  /// Who has the lock, one after the other.
  private func owners(of lock: LockID, _ machine: inout Machine) -> [Int] {
    var all: [Int] = []
    while machine.run(events: 1) == .budget {
      let holder = machine.world.locks.locks[lock].holder
      if !holder.isNone, all.last != holder.cpu.index { all.append(holder.cpu.index) }
    }
    return all
  }

  /// Golden traces L1 and L2: in the order of asking, and a newcomer passes nobody.
  @Test(arguments: ["2.6.32", "3.10", "4.19", "6.12"])
  func ownersComeInTheOrderOfAsking(release: String) throws {
    var machine = try makeMachine(release)
    let lock = makeLock(.spinlock, in: &machine)
    var used = 0
    let take: [Step] = [.acquire(lock), .run(ns(2000)), .release(lock)]
    for (cpu, start) in [(0, 0), (3, 300), (1, 600), (5, 900), (2, 4500)] {
      self.start(take, on: cpu, at: start, &used, in: &machine)
    }
    #expect(owners(of: lock, &machine) == [0, 3, 1, 5, 2])
    let record = machine.world.locks.locks[lock]
    #expect(record.acquisitions == 5 && record.contended == 4 && record.depthMax == 3)
    #expect(record.crossNode > 0 && record.depth == 0)
  }

  /// The second spins on the word with no node; the third is the head of the queue.
  @Test func theSecondHasThePendingBit() throws {
    var machine = try makeMachine("6.12")
    let lock = makeLock(.spinlock, in: &machine)
    var used = 0
    let take: [Step] = [.acquire(lock), .run(ns(5000)), .release(lock)]
    for (cpu, start) in [(0, 0), (1, 2000), (2, 3000)] {
      self.start(take, on: cpu, at: start, &used, in: &machine)
    }
    _ = machine.run(until: at(4000))
    #expect(machine.world.locks.locks[lock].hasPending)
    _ = machine.run(until: at(9000))
    #expect(machine.world.locks.locks[lock].holder == CPUID(1).context(0))
    #expect(!machine.world.locks.locks[lock].hasPending)
    #expect(machine.run() == .nothingLeft)
  }

  /// Nothing orders those who wait for a test-and-set lock, and all of them get it.
  @Test func testAndSetHasNoOrder() throws {
    var orders: Set<[Int]> = []
    for seed in 1...6 as ClosedRange<UInt64> {
      let version = try #require(KernelVersion(named: "2.6.24"))
      var machine = Machine(
        Boot(
          machine: .plain(cpus: 6, nodes: 2), version: version,
          costs: try CostFile.named("generic-x86"), seed: seed))
      let lock = makeLock(.spinlock, in: &machine)
      var used = 0
      let take: [Step] = [.acquire(lock), .run(ns(3000)), .release(lock)]
      for cpu in 0..<6 { start(take, on: cpu, at: 100 * cpu, &used, in: &machine) }
      let order = owners(of: lock, &machine)
      #expect(order.sorted() == [0, 1, 2, 3, 4, 5])
      orders.insert(order)
    }
    #expect(orders.count > 1)
  }

  /// The time a hand-over takes: hold after hold of one lock that so many CPUs want.
  private func handOver(_ release: String, waiters: Int) throws -> Double {
    var machine = try makeMachine(release, cpus: 64, nodes: 2)
    let lock = makeLock(.spinlock, in: &machine)
    var used = 0
    let turn: [Step] = [.acquire(lock), .run(ns(50)), .release(lock), .run(ns(20))]
    let turns = 8
    for cpu in 0...waiters {
      let spread = cpu % 2 * 32 + cpu / 2
      let steps = Array(repeating: turn, count: turns).flatMap { $0 }
      start(steps, on: spread, at: 0, &used, in: &machine)
    }
    #expect(machine.run() == .nothingLeft)
    return Double(machine.latest.picoseconds) / 1000 / Double((waiters + 1) * turns)
  }

  /// A ticket lock's hand-over grows with those who wait; a queued one's does not.
  @Test func ticketsCollapseAndQueuesDoNot() throws {
    let tickets = try [4, 16, 60].map { try handOver("3.10", waiters: $0) }
    let queued = try [4, 16, 60].map { try handOver("4.19", waiters: $0) }
    #expect(tickets[0] < tickets[1] && tickets[1] < tickets[2])
    #expect(tickets[2] > 2 * tickets[0], "\(tickets)")
    #expect(queued[2] < 1.25 * queued[0], "\(queued)")
    #expect(tickets[2] > 1.5 * queued[2], "\(tickets) \(queued)")
  }

  /// Golden trace L3: with interrupts off the wait delays a call from elsewhere, with them on not.
  @Test(arguments: [false, true])
  func waitingWithInterruptsOffDelaysCalls(isOff: Bool) throws {
    let irqs: IRQs = isOff ? .off : .kept
    var machine = try makeMachine("6.12", cpus: 4)
    let lock = makeLock(.spinlock, in: &machine)
    var used = 0
    start([.acquire(lock), .run(ns(20_000)), .release(lock)], on: 0, at: 0, &used, in: &machine)
    start(
      [.acquire(lock, irqs: irqs), .release(lock, irqs: irqs)], on: 1, at: 3000, &used,
      in: &machine)
    machine.start(.onEachCPU(.start(.nothing)), on: CPUID(3), at: at(6000))
    #expect(machine.run() == .nothingLeft)
    let wait = machine.world.shootdowns.most.nanoseconds
    #expect(machine.world.shootdowns.count == 1)
    #expect(isOff ? wait > 12_000 : wait < 12_000, "\(wait)")
  }

  /// Golden trace L4, first half: while its owner runs a mutex is spun for, while it sleeps it is not.
  @Test(arguments: [("2.6.24", true), ("2.6.24", false), ("6.12", true), ("6.12", false)])
  func mutexesSpinOnARunningOwner(release: String, sleeps: Bool) throws {
    var machine = try makeMachine(release, cpus: 4)
    let lock = makeLock(.mutex, in: &machine)
    var used = 0
    let inside = sleeps ? Step.sleep(ns(30_000)) : .run(ns(30_000))
    start([.acquire(lock), inside, .release(lock)], on: 0, at: 0, &used, in: &machine)
    start([.acquire(lock), .release(lock)], on: 2, at: 10_000, &used, in: &machine)
    _ = machine.run(until: at(20_000))
    let isSpinning = machine.world.cpus[CPUID(2)].activity == .queuedForLock
    #expect(isSpinning == (release == "6.12" && !sleeps))
    #expect(machine.run() == .nothingLeft)
    let record = machine.world.locks.locks[lock]
    #expect(record.acquisitions == 2 && record.contended == 1)
    #expect(record.holder.isNone && record.depth == 0)
  }

  /// Readers are together, writers alone; in a queued rwlock a reader waits behind a waiting writer,
  /// in one that counts it does not.
  @Test(arguments: ["3.10", "6.12"])
  func readersShare(release: String) throws {
    var machine = try makeMachine(release)
    let lock = makeLock(.rwlock, in: &machine)
    var used = 0
    func read(_ cpu: Int, _ start: Int) {
      self.start(
        [.acquireShared(lock), .run(ns(4000)), .releaseShared(lock)], on: cpu, at: start, &used,
        in: &machine)
    }
    read(0, 0)
    read(1, 500)
    start([.acquire(lock), .run(ns(1000)), .release(lock)], on: 2, at: 1000, &used, in: &machine)
    read(3, 2500)
    _ = machine.run(until: at(4000))
    #expect(machine.world.locks.locks[lock].sharers == (release == "6.12" ? 2 : 3))
    #expect(machine.run() == .nothingLeft)
    let record = machine.world.locks.locks[lock]
    #expect(record.acquisitions == 4 && record.sharers == 0 && record.holder.isNone)
  }

  /// Two tasks that take two mutexes in opposite orders end the run, and it is said who waits.
  @Test func mutexesInARingEndTheRun() throws {
    var machine = try makeMachine("6.12", cpus: 2)
    let (a, b) = (makeLock(.mutex, in: &machine), makeLock(.mutex, in: &machine))
    var used = 0
    for (cpu, first, second) in [(0, a, b), (1, b, a)] {
      start(
        [
          .acquire(first), .run(ns(20_000)), .acquire(second), .release(second), .release(first),
        ], on: cpu, at: 0, &used, in: &machine)
    }
    #expect(machine.run() == .deadlock)
    #expect(machine.world.complaints.countByKind[.deadlock] == 1)
    let message = machine.world.complaints.violations.last?.message
    #expect(message?.contains("waits for L, which test/") == true)
  }

  /// A CPU's own lock cannot be wanted by others, and is tried for in vain only by who has it.
  @Test func localLocksAreTheirCPUs() throws {
    var machine = try makeMachine("6.15")
    let lock = makeLock(.localLock, in: &machine)
    var used = 0
    start(
      [
        .acquire(lock), .tryAcquire(lock), .run(ns(100)), .release(lock), .tryAcquire(lock),
        .release(lock),
      ], on: 0, at: 0, &used, in: &machine)
    #expect(machine.run() == .nothingLeft)
    #expect(machine.world.locks.locks[lock].acquisitions == 2)
    #expect(machine.world.cpus[CPUID(0)].preemptCount == PreemptCount())
  }

  /// What any release promises of any lock, whatever comes: one writer or readers, all get it, and
  /// what the structures say holds at every event.
  @Test(arguments: LockKind.allCases.filter { $0 != .localLock }, 1...4)
  func anyOrderOfStepsIsServed(kind: LockKind, seed: Int) throws {
    for release in ["2.6.24", "2.6.32", "3.10", "3.17", "4.19", "6.12"] {
      var random = RandomStream(seed: UInt64(seed), name: release, index: 0)
      var machine = try makeMachine(release)
      let lock = makeLock(kind, in: &machine)
      var (used, expected) = (0, 0)
      for task in 0..<(kind.maySleep ? 12 : 6) {
        var steps: [Step] = []
        for _ in 0..<12 {
          steps += round(lock, kind, &random)
          expected += 1
        }
        start(steps, on: task % 6, at: random.below(2000), &used, in: &machine)
      }
      var events = 0
      while machine.run(events: 1) == .budget {
        let record = machine.world.locks.locks[lock]
        #expect(record.holder.isNone || record.sharers == 0)
        events += 1
        if events % 64 == 0, let fault = machine.checkInvariants() {
          Issue.record("\(release): \(fault)")
        }
        try #require(events < 100_000)
      }
      let record = machine.world.locks.locks[lock]
      #expect(record.acquisitions == UInt64(expected), "\(release)")
      #expect(record.holder.isNone && record.sharers == 0 && record.depth == 0, "\(release)")
      #expect(machine.world.complaints.violationCount == 0)
    }
  }

  /// Some time without the lock, and some with it.
  private func round(_ lock: LockID, _ kind: LockKind, _ random: inout RandomStream) -> [Step] {
    let pause = Step.run(ns(random.below(1500)))
    var inside = Step.run(ns(10 + random.below(400)))
    if kind.maySleep, random.below(3) == 0 { inside = .sleep(ns(500 + random.below(9000))) }
    if kind.spinsAlone {
      let irqs = [IRQs.kept, .off, .bottomHalvesOff][random.below(3)]
      return [pause, .acquire(lock, irqs: irqs), inside, .release(lock, irqs: irqs)]
    }
    if kind != .mutex, random.below(3) != 0 {
      return [pause, .acquireShared(lock), inside, .releaseShared(lock)]
    }
    return [pause, .acquire(lock), inside, .release(lock)]
  }

  /// Waits of those that spin are what CPUs are booked for it; a lock is not held longer than the run.
  @Test(arguments: ["2.6.24", "3.10", "6.12"])
  func statisticsAddUp(release: String) throws {
    var machine = try makeMachine(release)
    let lock = makeLock(.spinlock, in: &machine)
    var used = 0
    let turn: [Step] = [.acquire(lock), .run(ns(70)), .release(lock), .run(ns(110))]
    let steps = Array(repeating: turn, count: 40).flatMap { $0 }
    for cpu in 0..<6 { start(steps, on: cpu, at: 10 * cpu, &used, in: &machine) }
    for (from, end) in [(0, 9000), (9000, 17_777)] {
      _ = machine.run(until: at(end))
      machine.settle(at: at(end))
      let record = machine.world.locks.locks[lock]
      #expect(record.waitTotal == machine.accounting.spent(in: .lockWait))
      #expect(record.waitTotal > .zero)
      #expect(record.holdTotal.nanoseconds <= Double(end - from))
      #expect(record.contended <= record.acquisitions + 6)
      machine.beginMeasuring()
    }
  }
}
