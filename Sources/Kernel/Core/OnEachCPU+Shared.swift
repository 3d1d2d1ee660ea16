import Hardware

/// Calls that stand in one place for all their targets: to 3.8 in a queue of the whole machine, to
/// 2.6.26 as the only call there is.
///
/// Kernel: `smp_call_function_many()` (kernel/smp.c, 3.0), `native_smp_call_function_mask()`
/// (arch/x86/kernel/smp_32.c, 2.6.24).
extension OnEachCPU {
  mutating func startSharing(_ world: inout World, _ cpu: CPUID) -> Step {
    guard let first = world.nextTarget(of: cpu, from: 0) else {
      return ask(.sendCalls, then: .sent)
    }
    if world.version.calls.queue == .oneCall {
      return ask(.acquire(world.calls.globalLock), then: .callLockTaken)
    }
    // A single target has a queue of its own. Kernel: `smp_call_function_single()` (3.0).
    guard world.nextTarget(of: cpu, from: first + 1) != nil else { return fill(0, &world, cpu) }
    return ask(.touch(world.calls.dataLine(of: cpu)), then: .dataHere)
  }

  mutating func share(_ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .callLockTaken:
      return ask(.touch(world.calls.dataLine(of: cpu)), then: .dataHere)
    case .dataHere where world.version.calls.queue == .oneCall:
      world.calls.current = cpu
      shareWithAll(&world, cpu)
      return ask(.work(.callQueued), then: .globalUnlocked)
    case .dataHere:
      return ask(.acquire(world.calls.globalLock, irqs: .off), then: .globalLocked)
    case .globalLocked:
      shareWithAll(&world, cpu)
      // Slabs of a CPU may be gone since it was counted.
      if world.calls.requests[cpu.index].asked > 0 { world.calls.link(cpu) }
      return ask(.release(world.calls.globalLock, irqs: .off), then: .globalUnlocked)
    default: return ask(.sendCalls, then: .sent)
    }
  }

  private func shareWithAll(_ world: inout World, _ cpu: CPUID) {
    var target = world.nextTarget(of: cpu, from: 0)
    while let next = target {
      world.calls.share(from: cpu, to: CPUID(next))
      world.traceQueued(Int32(next), true, on: cpu)
      target = world.nextTarget(of: cpu, from: next + 1)
    }
  }
}

/// What an interrupt does that was sent for calls, where they stand in one place for all.
///
/// A target walks the whole global queue, reads each call's line, runs what it owes and counts
/// itself out there; the last one takes the call out, under the lock.
/// Kernel: `generic_smp_call_function_interrupt()` (kernel/smp.c, 3.0),
/// `smp_call_function_interrupt()` (arch/x86/kernel/smp_32.c, 2.6.24).
package enum SharedCallInterrupt: Path {
  case start
  case at(CPUID)
  case seen(CPUID)
  case entered(CPUID)
  case ran(CPUID)
  case counted(CPUID)
  case locked(CPUID)
  case unlocked(CPUID)
  case signalled(CPUID)

  package static var name: PathName { .generic_smp_call_function_interrupt }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      guard world.version.calls.queue == .global else { return began(&world, cpu) }
      return look(world.calls.globalFirst, &world)
    case .at(let initiator): return look(initiator, &world)
    case .seen(let initiator):
      guard world.calls.owes(cpu, to: initiator) else {
        return look(world.calls.requests[initiator.index].next, &world)
      }
      world.traceEntered(initiator, on: cpu)
      return ask(.work(.callFunctionEntry), then: .entered(initiator))
    case .entered(let initiator):
      let frame = world.calls.requests[initiator.index].function.frame
      return ask(.call(frame), then: .ran(initiator))
    case .ran(let initiator):
      return ask(.touch(world.calls.dataLine(of: initiator)), then: .counted(initiator))
    case .counted(let initiator):
      world.trace(.callDone, on: cpu)
      guard world.calls.completeShared(of: initiator, on: cpu, at: world.now) else {
        return goOn(initiator, &world)
      }
      guard world.version.calls.queue == .global else {
        return ask(.signal(initiator), then: .signalled(initiator))
      }
      world.calls.requests[initiator.index].outstanding += 1
      return ask(.acquire(world.calls.globalLock), then: .locked(initiator))
    case .locked(let initiator):
      world.calls.unlink(initiator)
      return ask(.release(world.calls.globalLock), then: .unlocked(initiator))
    case .unlocked(let initiator):
      // Only now may it go on: its place in the queue is free.
      _ = world.calls.completeShared(of: initiator, on: cpu, at: world.now)
      return ask(.signal(initiator), then: .signalled(initiator))
    case .signalled(let initiator): return goOn(initiator, &world)
    }
  }

  /// Reads the call of `initiator`, or has come to the end of the queue.
  private mutating func look(_ initiator: CPUID, _ world: inout World) -> Step {
    guard !initiator.isNone else { return .return() }
    return ask(.read(world.calls.dataLine(of: initiator)), then: .seen(initiator))
  }

  private mutating func goOn(_ initiator: CPUID, _ world: inout World) -> Step {
    guard world.version.calls.queue == .global else { return .return() }
    return look(world.calls.requests[initiator.index].next, &world)
  }

  /// To 2.6.26: says that it has read the only call there is.
  private mutating func began(_ world: inout World, _ cpu: CPUID) -> Step {
    let initiator = world.calls.current
    guard !initiator.isNone, world.calls.owes(cpu, to: initiator) else { return .return() }
    return ask(.touch(world.calls.dataLine(of: initiator)), then: .seen(initiator))
  }
}
