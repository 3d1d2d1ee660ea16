import Hardware
import Simulation

/// Contexts: how an interrupt gets in, what it does to what it covers, and how it gets out.
extension Machine {
  /// An IPI reaches `cpu`: it is taken now if it may cut in, at a step boundary if not.
  mutating func interruptArrives(on cpu: CPUID) {
    for vector in 0..<2 where world.cpus[cpu].arrivals[vector] <= now {
      world.cpus[cpu].arrivals[vector] = .never
      world.cpus[cpu].latched |= 1 << UInt8(vector)
      if vector == Int(IRQVector.reschedule.rawValue) {
        noteReschedule(on: cpu)
      } else {
        (world.now, world.queueTime) = (now, now)
        world.noteCallArrival(on: cpu)
      }
    }
    queue.set(cpu.interruptLeaf, world.cpus[cpu].nextArrival)
    takeIfPossible(on: cpu)
  }

  /// A device's interrupt reaches `cpu`.
  mutating func deviceInterrupts(_ cpu: CPUID, source: Int) {
    world.cpus[cpu].deviceSources |= 1 << UInt32(source)
    let vector = world.isNMI(source) ? IRQVector.nmi : .device
    world.cpus[cpu].latched |= 1 << vector.rawValue
    takeIfPossible(on: cpu)
  }

  /// The CPU's own timer reaches it.
  mutating func interrupt(_ cpu: CPUID, by vector: IRQVector) {
    world.cpus[cpu].latched |= 1 << vector.rawValue
    takeIfPossible(on: cpu)
  }

  private mutating func takeIfPossible(on cpu: CPUID) {
    world.cpus[cpu].attention |= CPU.wantsInterrupt
    guard world.cpus[cpu].mustTakeInterrupt else { return }
    switch world.cpus[cpu].activity {
    case .indivisible, .asking, .switching: return
    case .computing, .inTurn:
      book(cpu, until: now)
      takeInterrupt(
        on: cpu, pausing: .computing(left: queue.time(of: cpu.programLeaf) - now))
    case .idle:
      book(cpu, until: now)
      world.ticks.touch(cpu, at: now)
      takeInterrupt(on: cpu, pausing: .idle, after: wakeFromIdle(cpu))
    case let parked:
      book(cpu, until: now)
      takeInterrupt(on: cpu, pausing: .parked(parked))
    }
  }

  /// Pauses what `cpu` is at and enters the handler of the first latched vector.
  @inline(never)
  mutating func takeInterrupt(
    on cpu: CPUID, pausing pause: Context.Pause, after delay: Duration = .zero
  ) {
    (world.now, world.queueTime) = (now, now)
    contexts[cpu.context(world.cpus[cpu].depth)].pause = pause
    pauseAccounting(cpu)
    enterHandler(on: cpu, after: delay)
  }

  /// Keeps what the running context is booked as, for when it goes on.
  mutating func pauseAccounting(_ cpu: CPUID) {
    let context = cpu.context(world.cpus[cpu].depth)
    contexts[context].category = world.cpus[cpu].category
    contexts[context].path = world.cpus[cpu].path
    contexts[context].top = world.cpus[cpu].top
    contexts[context].heldAtCalls = world.cpus[cpu].heldAtCalls
  }

  private mutating func enterHandler(on cpu: CPUID, after delay: Duration = .zero) {
    let vector = world.cpus[cpu].takeVector()
    if world.cpus[cpu].latched == 0 { world.cpus[cpu].attention &= ~CPU.wantsInterrupt }
    world.cpus[cpu].irqsOff += 1
    world.cpus[cpu].preemptCount.add(PreemptCount.hardirq)
    if vector == .nmi { world.cpus[cpu].preemptCount.add(PreemptCount.nmi) }
    var delay = delay + costs[.interruptEntry]
    if vector == .callFunction { delay = noteCallTaken(on: cpu, after: delay) }
    open(vector == .nmi ? .nmi : .hardirq, .handleIRQ(.start(vector)), on: cpu, after: delay)
  }

  mutating func enterSoftIRQ(on cpu: CPUID) {
    world.cpus[cpu].preemptCount.add(PreemptCount.softirq)
    open(.softirq, .doSoftIRQ(.start), on: cpu, after: .zero)
  }

  private mutating func open(
    _ level: Context.Level, _ frame: Frame, on cpu: CPUID, after delay: Duration
  ) {
    let below = world.cpus[cpu].depth
    precondition(Int(below) + 1 < CPU.contextsMax, "more contexts than a CPU can stack")
    world.cpus[cpu].depth += 1
    let context = cpu.context(below + 1)
    // Above a task begins the CPU's own interrupt stack.
    let base = below == 0 ? Int32(cpu.index * CPU.framesMax - 1) : world.cpus[cpu].top
    contexts[context].level = level
    (contexts[context].polls, contexts[context].saidAwake) = (false, false)
    contexts[context].base = base
    (world.cpus[cpu].top, world.cpus[cpu].base) = (base, base)
    world.cpus[cpu].heldAtCalls = 0
    push(frame, on: cpu)
    mix(cpu, now, 8)
    world.cpus[cpu].path = frame.name
    schedule(
      cpu, at: now + delay, .indivisible, as: level == .softirq ? .softirq : .interrupt)
  }

  /// The bottom frame of a context returned: run what is pending, else what lies below.
  @inline(never)
  mutating func leaveContext(on cpu: CPUID) {
    guard world.cpus[cpu].depth > 0 else { return endTask(on: cpu) }
    let context = cpu.context(world.cpus[cpu].depth)
    var delay = Duration.zero
    if contexts[context].level != .softirq {
      world.cpus[cpu].irqsOff -= 1
      world.cpus[cpu].preemptCount.subtract(PreemptCount.hardirq)
      if contexts[context].level == .nmi {
        world.cpus[cpu].preemptCount.subtract(PreemptCount.nmi)
      }
      delay = costs[.interruptExit]
    } else {
      world.cpus[cpu].preemptCount.subtract(PreemptCount.softirq)
    }
    world.cpus[cpu].depth -= 1
    let below = cpu.context(world.cpus[cpu].depth)
    world.cpus[cpu].top = contexts[below].top
    world.cpus[cpu].base = contexts[below].base
    world.cpus[cpu].heldAtCalls = contexts[below].heldAtCalls
    if world.cpus[cpu].mustTakeInterrupt { return enterHandler(on: cpu) }
    if world.cpus[cpu].softirqs != 0, !world.cpus[cpu].preemptCount.inInterrupt,
      contexts[context].level == .hardirq, world.runsSoftIRQs(on: cpu)
    {
      guard world.config.preemption == .rt else { return enterSoftIRQ(on: cpu) }
      makeReady(world.ksoftirqd(of: cpu), at: now)
    }
    resume(below, on: cpu, at: now + delay)
  }

  /// Goes on with a paused context: its end moves back by the time it was covered.
  mutating func resume(_ context: ContextID, on cpu: CPUID, at time: Instant) {
    let category = contexts[context].category
    book(cpu, until: now)
    if time > now {  // the way out of the interrupt
      world.accounting.book(time - now, .interrupt, .handle_irq)
      world.cpus[cpu].since = time
    }
    world.cpus[cpu].path = contexts[context].path
    if world.cpus[cpu].mustSwitch, !world.cpus[cpu].current.isNone {
      // Back in a task that should yield: what it was at waits in its record.
      return switchAway(from: cpu, pausing: contexts[context].pause, nextState: .ready)
    }
    switch contexts[context].pause {
    case .computing(let left): schedule(cpu, at: time + left, .computing, as: category)
    case .parked(let activity):
      schedule(cpu, at: .never, activity, as: category)
      if activity == .queuedForLock, world.cpus[cpu].wantsSwitch { yieldSpinning(on: cpu) }
    case .ready(let ready): schedule(cpu, at: max(time, ready), .indivisible, as: category)
    case .asking: schedule(cpu, at: time, .asking, as: category)
    case .idle: goIdle(cpu)
    }
  }

  mutating func goIdle(_ cpu: CPUID) {
    world.cpus[cpu].path = .idle
    world.rcu.noteIdle(cpu)
    schedule(cpu, at: .never, .idle, as: .idle)
    if !world.cpus[cpu].runFirst.isNone { switchFromIdle(cpu) }
  }

  mutating func signal(_ target: CPUID, from cpu: CPUID) -> Reply {
    let task = target.context(0)
    let waits =
      if world.cpus[target].depth == 0 {
        world.cpus[target].activity == .awaitingSignal
      } else if case .parked(.awaitingSignal) = contexts[task].pause { true } else { false }
    if isAboutToWait(target) { contexts[task].held = .sync }
    if waits {
      endWait(of: task, at: now + world.layout.linePrice(from: cpu.index, to: target.index))
    }
    return .none
  }

  /// Whether the task of `cpu` has looked and is to wait, but an interrupt came first: it has to look
  /// again.
  private func isAboutToWait(_ cpu: CPUID) -> Bool {
    let task = cpu.context(0)
    guard case .awaitSignal = contexts[task].held else { return false }
    if world.cpus[cpu].depth == 0 { return world.cpus[cpu].activity == .asking }
    if case .asking = contexts[task].pause { return true } else { return false }
  }

  /// Outside interrupts nothing would run it soon, so ksoftirqd does. Kernel: `raise_softirq_irqoff()`.
  mutating func raise(_ softirq: SoftIRQ, on cpu: CPUID) -> Reply? {
    world.trace(.softirqRaise, on: cpu, a: UInt64(softirq.rawValue))
    world.cpus[cpu].softirqs |= 1 << UInt16(softirq.rawValue)
    guard !world.cpus[cpu].preemptCount.inInterrupt else { return Reply.none }
    return wake(world.ksoftirqd(of: cpu), from: cpu)
  }
}
