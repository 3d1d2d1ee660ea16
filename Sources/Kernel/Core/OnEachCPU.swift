import Hardware
import Simulation

/// Runs a function on every CPU, or every one that it concerns, and waits for all.
///
/// Kernel: `on_each_cpu()` → `smp_call_function_many_cond()` (kernel/smp.c, 6.12): queue to all,
/// interrupt those whose queue was empty (one write when that is all others, else one a cluster),
/// run the own part with interrupts off, then spin with interrupts on.
package enum OnEachCPU: Path {
  case start(CallFunction)
  case preemptionOff
  case filled(CallID, target: Int32)
  case queueHere(CallID, target: Int32)
  case queued(target: Int32)
  case sent(cluster: Int32)
  case irqsOff
  case ranHere
  case waiting
  case done

  package static var name: PathName { .smp_call_function_many_cond }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let function): return begin(function, &world, cpu)
    case .preemptionOff: return fill(0, &world, cpu)
    case .filled(let call, let target):
      let line = world.calls.line(of: CPUID(Int(target)))
      return ask(.touch(line), then: .queueHere(call, target: target))
    case .queueHere(let call, let target):
      let isFirst = world.calls.push(call, from: cpu, to: CPUID(Int(target)))
      assert(!world.isAhead, "an arrow left ahead of the queue")
      world.trace(
        .callQueued, on: cpu, a: world.calls.calls[call].arrow,
        b: UInt64(UInt32(target)) | (isFirst ? 1 << 32 : 0))
      // The next call comes from what all CPUs share, so this is no `.ahead`.
      return ask(.work(.callQueued), then: .queued(target: target))
    case .queued(let target): return fill(target + 1, &world, cpu)
    case .sent(let cluster): return send(cluster + 1, &world, cpu)
    case .irqsOff:
      return ask(.call(world.calls.requests[cpu.index].function.frame), then: .ranHere)
    case .ranHere:
      world.trace(.callWaitBegin, on: cpu)
      return ask(.enable(.irqs), then: .waiting)
    case .waiting:
      guard world.calls.isDone(cpu) else { return .awaitSignal }
      world.trace(.callWaitEnd, on: cpu)
      world.noteShootdown(on: cpu)
      return ask(.enable(.preemption), then: .done)
    case .done: return .return()
    }
  }

  private mutating func begin(
    _ function: CallFunction, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    if world.cpus[cpu].irqsOff > 0 || world.cpus[cpu].preemptCount.inInterrupt {
      world.complain(
        .ipiIRQsOff, "smp_call_function_many_cond with interrupts off may deadlock", on: cpu)
    }
    world.calls.requests[cpu.index] = CallQueues.Request(function: function, since: world.now)
    world.traceShootdown(function, on: cpu)
    return ask(.disable(.preemption), then: .preemptionOff)
  }

  /// Fills the call for `target`, or for the next that is not this CPU.
  private mutating func fill(_ target: Int32, _ world: inout World, _ cpu: CPUID) -> Step {
    let function = world.calls.requests[cpu.index].function
    var target = target
    while target < world.layout.cpuCount,
      Int(target) == cpu.index || !world.concerns(function, CPUID(Int(target)))
    { target += 1 }
    guard target < world.layout.cpuCount else { return startSending(&world, cpu) }
    let call = world.calls.reserve(&world.lines)
    return ask(.touch(world.calls.calls[call].line), then: .filled(call, target: target))
  }

  private mutating func startSending(_ world: inout World, _ cpu: CPUID) -> Step {
    let interrupts = Int(world.calls.requests[cpu.index].interrupts)
    world.counters.add(.ipisSent, UInt64(interrupts))
    guard interrupts > 1, interrupts == world.layout.cpuCount - 1 else {
      return send(0, &world, cpu)
    }
    world.calls.clearMasks(cpu)
    return ask(
      .sendAllButSelf(.callFunction), then: .sent(cluster: Int32(world.calls.clusterCount)))
  }

  /// Writes the ICR for `cluster`, or for the next that needs it; then does the own part.
  private mutating func send(_ cluster: Int32, _ world: inout World, _ cpu: CPUID) -> Step {
    for cluster in min(Int(cluster), world.calls.clusterCount)..<world.calls.clusterCount {
      let mask = world.calls.takeMask(cpu, cluster: cluster)
      guard mask != 0 else { continue }
      let cluster = Int32(cluster)
      return ask(.send(.callFunction, cluster: cluster, mask: mask), then: .sent(cluster: cluster))
    }
    guard world.concerns(world.calls.requests[cpu.index].function, cpu) else {
      world.trace(.callWaitBegin, on: cpu)
      return ask(.sync, then: .waiting)
    }
    return ask(.disable(.irqs), then: .irqsOff)
  }
}

/// Kernel: `generic_smp_call_function_single_interrupt()` → `__flush_smp_call_function_queue()`
/// (kernel/smp.c, 6.12).
package enum FlushCallQueue: Path {
  case start
  case queueHere
  case entered(CallID)
  case ran(CallID)
  case unlocking(CallID)
  case signalled(next: CallID)

  package static var name: PathName { .__flush_smp_call_function_queue }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.counters.add(.ipisReceived, 1)
      return ask(.touch(world.calls.line(of: cpu)), then: .queueHere)
    case .queueHere: return run(world.calls.takeAll(of: cpu), &world, cpu)
    case .entered(let call):
      let initiator = world.calls.calls[call].initiator
      let function = world.calls.requests[initiator.index].function
      return ask(.call(function.frame), then: .ran(call))
    case .ran(let call):
      return ask(.touch(world.calls.calls[call].line), then: .unlocking(call))
    case .unlocking(let call):
      world.trace(.callDone, on: cpu)
      let (next, finished) = world.calls.complete(call, on: cpu)
      guard let finished else { return run(next, &world, cpu) }
      return ask(.signal(finished), then: .signalled(next: next))
    case .signalled(let next): return run(next, &world, cpu)
    }
  }

  private mutating func run(_ call: CallID, _ world: inout World, _ cpu: CPUID) -> Step {
    guard !call.isNone else { return .return() }
    world.traceCallEntered(call, on: cpu)
    return ask(.work(.callFunctionEntry), then: .entered(call))
  }
}

extension World {
  fileprivate mutating func traceShootdown(_ function: CallFunction, on cpu: CPUID) {
    guard probe.isOn else { return }
    let what = TraceNames.index(of: function.frame.name) | UInt64(layout.cpuCount - 1) << 32
    guard case .flushTLBRange(let start, let pages) = function else {
      return trace(.shootdownBegin, on: cpu, a: what)
    }
    trace(.shootdownBeginRange, on: cpu, a: what, b: start.raw, c: UInt64(pages))
  }

  fileprivate mutating func traceCallEntered(_ call: CallID, on cpu: CPUID) {
    guard probe.isOn else { return }
    assert(!isAhead, "an arrow arrived ahead of the queue")
    let initiator = calls.calls[call].initiator
    trace(
      .callEntered, on: cpu, a: calls.calls[call].arrow,
      b: TraceNames.index(of: calls.requests[initiator.index].function.frame.name)
        | UInt64(initiator.index) << 32)
  }
}
