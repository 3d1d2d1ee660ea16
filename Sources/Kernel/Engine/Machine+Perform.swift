import Hardware
import Simulation

/// Each step, performed. A function here either schedules the CPU or answers at once.
extension Machine {
  /// Performs `step`. Returns: the answer, or `nil` when it takes time or must wait.
  @inline(__always)
  mutating func perform(_ step: Step, on cpu: CPUID) -> Reply? {
    switch step {
    case .ahead(let work, let times):
      return runAhead(price(work, times), as: category(of: work, cpu), on: cpu)
    case .elapse(let length): return runAhead(length, as: .cacheLines, on: cpu)
    case .call(let frame): return call(frame, on: cpu)
    case .return(let reply): return leaveFrame(reply, on: cpu)
    case .work(let work, let times): compute(price(work, times), category(of: work, cpu), on: cpu)
    case .run(let length): runOwnCode(length, on: cpu)
    case .touch(let line): touch(line, on: cpu)
    case .sync: return Reply.none
    case .acquire(let lock, let irqs): return acquire(lock, irqs, on: cpu)
    case .release(let lock, let irqs): return release(lock, irqs, on: cpu)
    default:
      let answer = performRare(step, on: cpu)
      world.runAhead.horizon = horizon(of: cpu)
      return answer
    }
    return nil
  }

  /// The steps of which a run has few.
  @inline(never)
  private mutating func performRare(_ step: Step, on cpu: CPUID) -> Reply? {
    switch step {
    case .read(let line):
      let here = world.lines.read(line, by: cpu.index, at: now, world.layout)
      mix(cpu, here, 2)
      schedule(cpu, at: here, .indivisible, as: .cacheLines)
    case .tryAcquire(let lock, let irqs): return tryAcquire(lock, irqs, on: cpu)
    case .acquireShared(let lock, let irqs): return acquireShared(lock, irqs, on: cpu)
    case .releaseShared(let lock, let irqs): return releaseShared(lock, irqs, on: cpu)
    case .disable(let mask): return disable(mask, on: cpu)
    case .enable(let mask): return enable(mask, on: cpu)
    case .sendCalls: return sendCalls(on: cpu)
    case .awaitSignal: schedule(cpu, at: .never, .awaitingSignal, as: .crossCPUWait)
    case .signal(let target): return signal(target, from: cpu)
    case .raise(let softirq): return raise(softirq, on: cpu)
    case .queueWork(let item, let target): return queueWork(item, on: target, from: cpu)
    case .block: return block(on: cpu)
    case .sleep(let length): return sleep(length, on: cpu)
    case .wake(let task): return wake(task, from: cpu)
    case .condResched: return condResched(on: cpu)
    case .alarm(let time):
      setAlarm(time)
      return Reply.none
    default: preconditionFailure("perform does it")
    }
    return nil
  }

  /// In a kernel without preemption it is a quiescent state, too. Kernel: `rcu_all_qs()`.
  private mutating func condResched(on cpu: CPUID) -> Reply {
    if world.config.preemption.yieldsOnRequest, world.cpus[cpu].maySleep {
      world.rcu.noteSwitch(cpu)
      world.ticks.noteYield(cpu, at: now)
    }
    return .none
  }

  @inline(__always) private func price(_ work: Work, _ times: Int32) -> Duration {
    world.runAhead.price(work, times)
  }

  /// What work in the running context is booked as: interrupts own what they do.
  @inline(__always)
  private func category(of work: Work, _ cpu: CPUID) -> TimeCategory {
    world.cpus[cpu].depth == 0 ? work.category : base(cpu)
  }

  @inline(__always)
  func base(_ cpu: CPUID) -> TimeCategory {
    guard world.cpus[cpu].depth > 0 else { return .workload }
    return contexts[cpu.context(world.cpus[cpu].depth)].level == .softirq ? .softirq : .interrupt
  }

  /// The time of a workload's own code, after which a thread begins its next turn.
  @inline(__always)
  private mutating func runOwnCode(_ length: Duration, on cpu: CPUID) {
    compute(length, base(cpu), on: cpu)
    guard world.cpus[cpu].depth == 0, let turn = frames[Int(world.cpus[cpu].top)].turn else {
      return
    }
    world.cpus[cpu].activity = .inTurn
    world.cpus[cpu].turn = turn
  }

  @inline(__always)
  private mutating func compute(_ length: Duration, _ category: TimeCategory, on cpu: CPUID) {
    let end = world.now + length
    mix(cpu, end, 1)
    schedule(cpu, at: end, .computing, as: category)
  }

  @inline(__always)
  private mutating func touch(_ line: LineID, on cpu: CPUID) {
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    mix(cpu, here, 3)
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  @inline(__always)
  private mutating func call(_ frame: Frame, on cpu: CPUID) -> Reply? {
    push(frame, on: cpu)
    if world.probe.isOn { world.traceCall(of: frame, on: cpu) }
    return Reply.none
  }

  @inline(__always)
  private mutating func leaveFrame(_ reply: Reply, on cpu: CPUID) -> Reply? {
    let held = world.locks.count(heldBy: cpu.context(world.cpus[cpu].depth))
    precondition(
      Int(truncatingIfNeeded: world.cpus[cpu].heldAtCalls & 15) == held,
      "a path returned without releasing what it acquired")
    world.cpus[cpu].heldAtCalls &>>= 4
    if world.probe.isOn {
      world.traceReturn(from: frames[Int(world.cpus[cpu].top)].name, reply, on: cpu)
    }
    world.cpus[cpu].top &-= 1
    if world.cpus[cpu].top != world.cpus[cpu].base { return reply }
    leaveContext(on: cpu)
    return nil
  }

  private mutating func disable(_ mask: Mask, on cpu: CPUID) -> Reply {
    switch mask {
    case .irqs:
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffBegin, on: cpu) }
      world.cpus[cpu].irqsOff += 1
    case .bottomHalves: disableBottomHalves(on: cpu)
    case .migration where world.config.preemption == .rt: break
    case .preemption, .migration: world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
    }
    return .none
  }

  private mutating func enable(_ mask: Mask, on cpu: CPUID) -> Reply? {
    switch mask {
    case .irqs:
      world.cpus[cpu].irqsOff -= 1
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffEnd, on: cpu) }
    case .migration where world.config.preemption == .rt: break
    case .preemption, .migration:
      world.cpus[cpu].preemptCount.subtract(PreemptCount.preemption)
    case .bottomHalves: if enableBottomHalves(on: cpu, readyAt: now) { return nil }
    }
    return Reply.none
  }

  /// Ends a section without bottom halves. What is pending runs here, above the context, which goes
  /// on after it, not before `ready`. Returns: whether that is so. Kernel: `__local_bh_enable_ip()`.
  mutating func enableBottomHalves(on cpu: CPUID, readyAt ready: Instant) -> Bool {
    guard world.config.preemption != .rt else {
      if world.cpus[cpu].softirqs != 0 { makeReady(world.ksoftirqd(of: cpu), at: now) }
      return false
    }
    world.cpus[cpu].preemptCount.subtract(PreemptCount.bottomHalvesOff)
    guard !world.cpus[cpu].preemptCount.inInterrupt, world.runsSoftIRQs(on: cpu) else {
      return false
    }
    contexts[cpu.context(world.cpus[cpu].depth)].pause = .ready(at: ready)
    pauseAccounting(cpu)
    enterSoftIRQ(on: cpu)
    return true
  }

  /// Where softirqs are threads' no count says so: the task may sleep.
  mutating func disableBottomHalves(on cpu: CPUID) {
    guard world.config.preemption != .rt else { return }
    world.cpus[cpu].preemptCount.add(PreemptCount.bottomHalvesOff)
  }
}
