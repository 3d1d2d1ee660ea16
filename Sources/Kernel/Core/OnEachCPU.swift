import Hardware
import Simulation

/// Runs a function on every CPU, or every one that it concerns, and waits for all.
///
/// Kernel: `on_each_cpu()` → `smp_call_function_many_cond()` (kernel/smp.c, 6.12): queue to all,
/// interrupt those whose queue was empty (one write when that is all others), run the own part with
/// interrupts off, then spin with interrupts on. Up to 5.12 the own part comes after the last
/// answer; how calls are queued before 3.14, `CallRules.Queue` says.
package enum OnEachCPU: Path {
  case start(CallFunction)
  case preemptionOff
  // One queue a target.
  case fill(Int32)
  case filled(target: Int32)
  case queueHere(target: Int32)
  case queueLocked(target: Int32)
  case queueUnlocked(target: Int32)
  // One queue, or one call, for all targets: OnEachCPU+Shared.swift.
  case callLockTaken
  case dataHere
  case globalLocked
  case globalUnlocked
  // Then the interrupts, the own part and the wait, the last two in the release's order.
  case sent
  case irqsOff(waits: Bool)
  case ranHere(waits: Bool)
  case waiting(hasRun: Bool)
  case callLockGiven
  case ended
  case done

  package static var name: PathName { .smp_call_function_many_cond }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let function): return begin(function, &world, cpu)
    case .preemptionOff: return startQueueing(&world, cpu)
    case .fill(let target): return fill(target, &world, cpu)
    case .filled(let target): return queue(target, &world, cpu)
    case .queueHere(let target):
      push(target, &world, cpu)
      return ask(.ahead(.callQueued), then: .fill(target + 1))
    case .queueLocked(let target):
      push(target, &world, cpu)
      return ask(.work(.callQueued), then: .queueUnlocked(target: target))
    case .queueUnlocked(let target):
      let lock = world.calls.lock(of: CPUID(Int(target)))
      return ask(.release(lock, irqs: .off), then: .fill(target + 1))
    case .callLockTaken, .dataHere, .globalLocked, .globalUnlocked:
      return share(&world, cpu)
    case .sent:
      return world.version.calls.ownPartOverlaps
        ? runOwnPart(waits: true, &world, cpu) : wait(hasRun: false, &world, cpu)
    case .irqsOff(let waits):
      let frame = world.calls.requests[cpu.index].function.frame
      return ask(.call(frame), then: .ranHere(waits: waits))
    case .ranHere(let waits):
      guard waits else { return ask(.enable(.irqs), then: .ended) }
      world.trace(.callWaitBegin, on: cpu)
      return ask(.enable(.irqs), then: .waiting(hasRun: true))
    case .waiting(let hasRun):
      guard world.calls.isDone(cpu) else { return .awaitSignal }
      world.trace(.callWaitEnd, on: cpu)
      if world.version.calls.queue == .oneCall, world.calls.requests[cpu.index].asked > 0 {
        world.calls.current = .none
        return ask(.release(world.calls.globalLock), then: .callLockGiven)
      }
      return hasRun ? end(&world, cpu) : runOwnPart(waits: false, &world, cpu)
    case .callLockGiven: return runOwnPart(waits: false, &world, cpu)
    case .ended: return end(&world, cpu)
    case .done: return .return()
    }
  }

  private mutating func begin(
    _ function: CallFunction, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let isAllowed = world.cpus[cpu].irqsOff == 0 && world.cpus[cpu].preemptCount.inTask
    if !isAllowed {
      world.complain(
        .ipiIRQsOff,
        "smp_call_function_many_cond with interrupts off, or in an interrupt, may deadlock", on: cpu
      )
    }
    world.calls.begin(function, of: cpu, at: world.now)
    world.traceShootdown(function, on: cpu)
    return ask(.disable(.preemption), then: .preemptionOff)
  }

  private mutating func startQueueing(_ world: inout World, _ cpu: CPUID) -> Step {
    let calls = world.version.calls.queue
    guard calls == .oneCall || calls == .global else { return fill(0, &world, cpu) }
    return startSharing(&world, cpu)
  }

  // MARK: Queueing

  /// Fills the csd for `target`, or for the next that is not this CPU: its line comes from there.
  mutating func fill(_ target: Int32, _ world: inout World, _ cpu: CPUID) -> Step {
    // Whom the call concerns is others' business to change.
    if world.isAhead, world.calls.requests[cpu.index].function.isSelective {
      return ask(.sync, then: .fill(target))
    }
    guard let target = world.nextTarget(of: cpu, from: Int(target)) else {
      return ask(.sendCalls, then: .sent)
    }
    let transfer = world.csdTransfer(cpu, CPUID(target))
    return ask(.elapse(transfer), then: .filled(target: Int32(target)))
  }

  private mutating func queue(_ target: Int32, _ world: inout World, _ cpu: CPUID) -> Step {
    let lock = world.calls.lock(of: CPUID(Int(target)))
    guard lock.isNone else {
      return ask(.acquire(lock, irqs: .off), then: .queueLocked(target: target))
    }
    let line = world.calls.line(of: CPUID(Int(target)))
    return ask(.touch(line), then: .queueHere(target: target))
  }

  private func push(_ target: Int32, _ world: inout World, _ cpu: CPUID) {
    let isInterrupted = world.calls.push(
      from: cpu, to: CPUID(Int(target)), sparesPending: world.version.calls.sparesPending)
    world.traceQueued(target, isInterrupted, on: cpu)
  }

  // MARK: The own part, and the end

  private mutating func runOwnPart(
    waits: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.concerns(world.calls.requests[cpu.index].function, cpu) else {
      return waits ? wait(hasRun: true, &world, cpu) : end(&world, cpu)
    }
    return ask(.disable(.irqs), then: .irqsOff(waits: waits))
  }

  private mutating func wait(hasRun: Bool, _ world: inout World, _ cpu: CPUID) -> Step {
    world.trace(.callWaitBegin, on: cpu)
    return ask(.sync, then: .waiting(hasRun: hasRun))
  }

  private mutating func end(_ world: inout World, _ cpu: CPUID) -> Step {
    world.noteShootdown(on: cpu)
    return ask(.enable(.preemption), then: .done)
  }
}

extension World {
  /// The first CPU from `first` on that `cpu` has to ask.
  func nextTarget(of cpu: CPUID, from first: Int) -> Int? {
    let function = calls.requests[cpu.index].function
    var target = first
    while target < layout.cpuCount,
      target == cpu.index || !concerns(function, CPUID(target))
    { target += 1 }
    return target < layout.cpuCount ? target : nil
  }

  /// What it costs to bring the csd of a pair of CPUs from one to the other.
  func csdTransfer(_ a: CPUID, _ b: CPUID) -> Duration {
    layout.linePrice(from: a.index, to: b.index)
  }

  fileprivate mutating func traceShootdown(_ function: CallFunction, on cpu: CPUID) {
    guard probe.isOn else { return }
    let what = TraceNames.index(of: function.frame.name) | UInt64(layout.cpuCount - 1) << 32
    guard case .flushTLBRange(let start, let pages) = function else {
      return trace(.shootdownBegin, on: cpu, a: what)
    }
    trace(.shootdownBeginRange, on: cpu, a: what, b: start.raw, c: UInt64(pages))
  }

  mutating func traceQueued(_ target: Int32, _ isInterrupted: Bool, on cpu: CPUID) {
    guard probe.isOn else { return }
    assert(!isAhead, "an arrow left ahead of the queue")
    trace(
      .callQueued, on: cpu, a: calls.requests[cpu.index].arrows + UInt64(target),
      b: UInt64(UInt32(target)) | (isInterrupted ? 1 << 32 : 0))
  }
}
