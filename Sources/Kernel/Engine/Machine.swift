import Hardware
import Simulation

/// A whole run: the emulated world, and the engine that prices and performs what its paths ask.
///
/// Steps happen in one global order of time. The one exception is `Step.ahead`: what follows it
/// reads nothing that another CPU may write, so a CPU may go on past its turn, up to the `horizon`:
/// the soonest time at which anything could reach it. `runsAhead` switches that off; figures stay.
///
/// All state is plain values in owned buffers, so `clone()` forks a run at any event.
package struct Machine: ~Copyable {
  package var world: World
  /// The time of the event that is being handled.
  package internal(set) var now: Instant
  /// Passes through the queue so far.
  package internal(set) var events: UInt64
  /// When measuring began: at the start, or at the end of the warm-up.
  package internal(set) var measuredFrom: Instant
  /// The end of the stretch that is being run: nobody runs ahead of it.
  var stretchEnd: Instant
  var queue: WinnerTree
  var loose: EventHeap
  var contexts: Buffer<Context>
  var frames: Buffer<Frame>
  let costs: Costs
  let delivery: IPIDelivery
  /// No message of one CPU reaches another sooner than this.
  let reach: Duration
  let cpuCount: Int

  package init(_ boot: borrowing Boot, runsAhead: Bool = true) {
    let count = boot.cpuCount
    world = World(boot, runsAhead: runsAhead)
    costs = boot.costs
    delivery = IPIDelivery(boot)
    reach = min(delivery.write, delivery.maskWrite) + boot.costs[.ipiSameSocket]
    cpuCount = count
    (now, events) = (.zero, 0)
    (measuredFrom, stretchEnd) = (.zero, .never)
    queue = WinnerTree(leafCount: 2 * count)
    loose = EventHeap()
    contexts = Buffer(count * CPU.contextsMax, Context())
    frames = Buffer(count * CPU.framesMax, .script(Script(from: 0, to: 0)))
    for cpu in 0..<count {
      world.cpus[cpu].top = Int32(cpu * CPU.framesMax - 1)
      world.cpus[cpu].base = world.cpus[cpu].top
      for level in 0..<CPU.contextsMax {
        contexts[cpu * CPU.contextsMax + level].base = Int32(cpu * CPU.framesMax - 1)
      }
    }
    if world.config.slab == .slab { startReapers() }
  }

  /// A second machine in the same state, independent of this one from here on.
  package func clone() -> Machine { Machine(cloning: self) }

  private init(cloning other: borrowing Machine) {
    world = other.world.clone()
    (now, events) = (other.now, other.events)
    (costs, reach, cpuCount) = (other.costs, other.reach, other.cpuCount)
    delivery = other.delivery
    (measuredFrom, stretchEnd) = (other.measuredFrom, other.stretchEnd)
    queue = other.queue.clone()
    loose = other.loose.clone()
    contexts = other.contexts.clone()
    frames = other.frames.clone()
  }

  /// All steps of all CPUs so far, hashed: equal runs have equal fingerprints, with shortcuts or
  /// without. Complexity: O(CPUs).
  package var fingerprint: UInt64 {
    var all = Fingerprint()
    for cpu in 0..<cpuCount { all.mix(world.cpus[cpu].fingerprint.value) }
    return all.value
  }

  /// Runs events until the time is past `end`, nothing is left, `budget` events have passed or the
  /// probe wants draining. Returns: why it stopped.
  ///
  /// - Parameter stretch: how far CPUs may run ahead: `end`, unless this is a halt on the way there
  ///   that must not show.
  package mutating func run(
    until end: Instant = .never, events budget: UInt64 = .max, stretch: Instant? = nil
  ) -> Halt {
    stretchEnd = stretch ?? end
    let sum = events.addingReportingOverflow(budget)
    let limit = sum.overflow ? UInt64.max : sum.partialValue
    let last = min(end, Instant(picoseconds: Instant.never.picoseconds - 1))
    while events < limit {
      let key = queue.first
      let time = Instant(picoseconds: key >> WinnerTree.leafBits)
      if loose.firstTime <= min(time, last) {
        if dropsStaleTick() { continue }
        now = loose.firstTime
        events &+= 1
        handleLoose()
        continue
      }
      guard time <= last else { return time < .never ? .end : .nothingLeft }
      now = time
      events &+= 1
      let leaf = Int(truncatingIfNeeded: key & (1 << WinnerTree.leafBits - 1))
      if leaf & 1 == 1 { advance(CPUID(leaf / 2)) } else { interruptArrives(on: CPUID(leaf / 2)) }
      if cpuCount >= Machine.prefetchFrom { prefetch(near: leaf) }
      if world.isStopped { return world.program.isDone ? .enough : .deadlock }
      if world.probe.wantsDraining { return .probeIsFull }
    }
    return .budget
  }

  /// CPUs from which on their records outgrow the host's inner caches.
  static let prefetchFrom = 512

  /// Asks the host for what the next events read: of the CPU that now leads its eighth of the queue
  /// the record, of that which leads its quarter what its turn begins with. By then its record,
  /// asked for when it came to lead its eighth, has come.
  @inline(__always)
  private func prefetch(near leaf: Int) {
    world.cpus.prefetch(queue.winner(near: leaf, rounds: 3) / 2)
    let soon = CPUID(queue.winner(near: leaf, rounds: 2) / 2)
    if soon.index < cpuCount, world.cpus[soon].activity == .inTurn { world.prefetchTurn(of: soon) }
  }

  package enum Halt: Equatable { case end, nothingLeft, enough, budget, probeIsFull, deadlock }

  /// Forgets what was measured so far; the state stays. For the end of a warm-up, after `settle`.
  package mutating func beginMeasuring() {
    world.accounting.reset()
    measuredFrom = now
    world.beginMeasuring()
  }

  /// Ends the run at the event in which so many operations have been measured.
  package mutating func stop(after operations: Int) {
    world.program.operationsLeft = operations
  }

  /// Where the time of all CPUs went.
  package var accounting: Accounting { _read { yield world.accounting } }

  /// The threads as exporters list them.
  package var threadsForTrace: [TraceTable.Thread] {
    (0..<world.tasks.all.highWater).map {
      let task = world.tasks.all[TaskID($0)]
      return TraceTable.Thread(pid: Int(task.pid), name: world.tasks.name(of: TaskID($0)))
    }
  }

  /// The thread on each CPU, by its number there; 0 for the idle task.
  package var runningForTrace: [Int] {
    (0..<cpuCount).map {
      let task = world.cpus[$0].current
      return task.isNone ? 0 : Int(world.tasks.all[task].pid)
    }
  }

  /// What the model keeps for each CPU, on average: stacks, contexts, queues, objects' slots.
  /// Unit: bytes of the host. Slabs and page records are the emulated memory's, not a CPU's.
  package var stateBytesPerCPU: Double {
    var bytes = frames.byteCount + contexts.byteCount
    bytes += 4 * 8 * cpuCount + world.stateBytes
    return Double(bytes) / Double(cpuCount)
  }

  /// Brings the clock to `end` and books what every CPU was at until then.
  ///
  /// No CPU may have run ahead past it: at the end of a stretch none has, elsewhere `latest` is
  /// such a time.
  package mutating func settle(at end: Instant) {
    (now, world.now, world.queueTime) = (end, end, end)
    for cpu in 0..<cpuCount {
      book(CPUID(cpu), until: end)
      // The way out of an interrupt is booked when it begins.
      let since = world.cpus[cpu].since
      guard since > end else { continue }
      world.accounting.unbook(since - end, .interrupt, .handle_irq)
      world.cpus[cpu].since = end
    }
    settleLocks(at: end)
  }

  /// How far the CPU has come that is furthest ahead. Complexity: O(CPUs).
  package var latest: Instant {
    (0..<cpuCount).reduce(now) { max($0, world.cpus[$1].since) }
  }

  /// Books the time since the last booking to what `cpu` was at.
  @inline(__always)
  mutating func book(_ cpu: CPUID, until time: Instant) {
    let since = world.cpus[cpu].since
    guard time > since else { return }
    world.cpus[cpu].since = time
    world.accounting.book(time - since, world.cpus[cpu].category, world.cpus[cpu].path)
  }

  /// The program of `cpu` goes on at `time`; until then it is at `activity`, booked as `category`.
  @inline(__always)
  mutating func schedule(
    _ cpu: CPUID, at time: Instant, _ activity: Activity, as category: TimeCategory
  ) {
    world.cpus[cpu].activity = activity
    world.cpus[cpu].category = category
    queue.set(cpu.programLeaf, time)
  }

  @inline(__always)
  mutating func mix(_ cpu: CPUID, _ time: Instant, _ kind: UInt64) {
    world.cpus[cpu].fingerprint.mix(time.picoseconds << 4 | kind)
  }

  @inline(__always)
  mutating func push(_ frame: Frame, on cpu: CPUID) {
    let top = world.cpus[cpu].top &+ 1
    precondition(Int(top) < frames.count, "call chain too deep")
    frames[Int(top)] = frame
    world.cpus[cpu].top = top
    let held = world.locks.count(heldBy: cpu.context(world.cpus[cpu].depth))
    world.cpus[cpu].heldAtCalls =
      world.cpus[cpu].heldAtCalls &<< 4 | UInt128(truncatingIfNeeded: held)
  }
}
