import Hardware

/// A target runs what waits in its queue, with interrupts off.
///
/// Kernel: `generic_smp_call_function_single_interrupt()` → `__flush_smp_call_function_queue()`
/// (kernel/smp.c, 6.12). Nothing cuts in, and what a function does here is its CPU's own, so that all
/// from a call's entry to its csd may run ahead of the queue.
package enum FlushCallQueue: Path {
  case start
  case queueHere
  case queueLocked
  case queueUnlocked(CallID)
  case entered(CallID)
  case ran(CallID)
  case unlocking(CallID)
  case unlocked(CallID)
  case signalled(next: CallID)
  case done

  package static var name: PathName { .__flush_smp_call_function_queue }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return start(&world, cpu)
    case .queueHere: return run(world.calls.takeAll(of: cpu), &world, cpu)
    case .queueLocked:
      let first = world.calls.takeAll(of: cpu)
      return ask(.release(world.calls.lock(of: cpu)), then: .queueUnlocked(first))
    case .queueUnlocked(let call): return run(call, &world, cpu)
    case .entered(let call):
      let initiator = world.calls.calls[call].initiator
      let function = world.calls.requests[initiator.index].function
      return ask(.call(function.frame), then: .ran(call))
    case .ran(let call):
      let transfer = world.csdTransfer(world.calls.calls[call].initiator, cpu)
      return ask(.elapse(transfer), then: .unlocking(call))
    case .unlocking(let call): return ask(.sync, then: .unlocked(call))
    case .unlocked(let call):
      world.trace(.callDone, on: cpu)
      let (next, finished) = world.calls.complete(call, on: cpu, at: world.now)
      guard let finished else { return run(next, &world, cpu) }
      return ask(.signal(finished), then: .signalled(next: next))
    case .signalled(let next): return run(next, &world, cpu)
    case .done: return .return()
    }
  }

  private mutating func start(_ world: inout World, _ cpu: CPUID) -> Step {
    if !world.calls.answers[cpu.index].isPolled { world.counters.add(.ipisReceived, 1) }
    world.calls.answers[cpu.index].isPolled = false
    switch world.version.calls.queue {
    case .lockless: return ask(.touch(world.calls.line(of: cpu)), then: .queueHere)
    case .global where world.calls.hasOwn(cpu), .locked:
      return ask(.acquire(world.calls.lock(of: cpu)), then: .queueLocked)
    case .global, .oneCall: return ask(.call(.sharedCallInterrupt(.start)), then: .done)
    }
  }

  private mutating func run(_ call: CallID, _ world: inout World, _ cpu: CPUID) -> Step {
    guard !call.isNone else {
      return world.version.calls.queue == .global
        ? ask(.call(.sharedCallInterrupt(.start)), then: .done) : .return()
    }
    world.traceEntered(world.calls.calls[call].initiator, on: cpu)
    return ask(.ahead(.callFunctionEntry), then: .entered(call))
  }
}

extension World {
  mutating func traceEntered(_ initiator: CPUID, on cpu: CPUID) {
    guard probe.isOn else { return }
    assert(!isAhead, "an arrow arrived ahead of the queue")
    let request = calls.requests[initiator.index]
    trace(
      .callEntered, on: cpu, a: request.arrows + UInt64(cpu.index),
      b: TraceNames.index(of: request.function.frame.name) | UInt64(initiator.index) << 32)
  }
}
