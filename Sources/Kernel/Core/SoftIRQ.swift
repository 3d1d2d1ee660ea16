import Hardware
import Simulation

/// A deferred handler that runs above tasks and below hardirqs. Kernel: include/linux/interrupt.h.
package enum SoftIRQ: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case hi, timer, netTX, netRX, block, irqPoll, tasklet, sched, hrtimer, rcu

  /// As /proc/softirqs and the tracepoints have it.
  package var text: String {
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"][
      Int(rawValue)]
  }
  /// As a scenario writes it.
  package var key: String {
    [
      "hi", "timer", "net-tx", "net-rx", "block", "irq-poll", "tasklet", "sched", "hrtimer", "rcu",
    ][Int(rawValue)]
  }
}

/// Runs the pending softirqs, low vector first, and again while new ones come.
///
/// Kernel: `handle_softirqs()` (kernel/softirq.c, 6.12): at most `MAX_SOFTIRQ_RESTART` (10) rounds
/// and, from 3.10, `MAX_SOFTIRQ_TIME` (2 ms, in whole ticks), and none when another task is due; what
/// is left then is ksoftirqd's.
package enum DoSoftIRQ: Path {
  static let restartsMax: UInt8 = 10
  static let timeMax = Duration.nanoseconds(2_000_000)

  case start
  case round(since: Instant, pending: UInt16, restarts: UInt8)
  case ran(since: Instant, pending: UInt16, restarts: UInt8)
  case woken

  package static var name: PathName { .__do_softirq }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return next(takePending(&world, cpu), 0, world.now, &world, cpu)
    case .round(let since, let pending, let restarts):
      let vector = SoftIRQ(rawValue: UInt8(pending.trailingZeroBitCount)) ?? .hi
      world.trace(.softirqEntry, on: cpu, a: UInt64(vector.rawValue))
      world.counters.add(.softirqs, 1)
      let place = DoSoftIRQ.ran(since: since, pending: pending, restarts: restarts)
      return ask(.call(world.softirqFrame(vector, on: cpu)), then: place)
    case .ran(let since, let pending, let restarts):
      world.trace(.softirqExit, on: cpu, a: UInt64(pending.trailingZeroBitCount))
      return next(pending & (pending &- 1), restarts, since, &world, cpu)
    case .woken: return .return()
    }
  }

  private func takePending(_ world: inout World, _ cpu: CPUID) -> UInt16 {
    defer { world.cpus[cpu].softirqs = 0 }
    return world.cpus[cpu].softirqs
  }

  private mutating func next(
    _ pending: UInt16, _ restarts: UInt8, _ since: Instant, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    if pending != 0 {
      let place = DoSoftIRQ.round(since: since, pending: pending, restarts: restarts)
      return ask(.work(.softirqEntry), then: place)
    }
    guard world.cpus[cpu].softirqs != 0 else { return .return() }
    if restarts + 1 < DoSoftIRQ.restartsMax, world.hasSoftIRQTime(since: since, on: cpu) {
      return next(takePending(&world, cpu), restarts + 1, since, &world, cpu)
    }
    world.counters.add(.ksoftirqdWakeups, 1)
    return ask(.wake(world.ksoftirqd(of: cpu)), then: .woken)
  }
}

extension World {
  /// Whether another round may begin.
  fileprivate func hasSoftIRQTime(since: Instant, on cpu: CPUID) -> Bool {
    guard version.scheduler.softirqsHaveTime else { return true }
    let most = DoSoftIRQ.timeMax.picoseconds
    let jiffies = (most + ticks.jiffy.picoseconds - 1) / ticks.jiffy.picoseconds
    return ticks.jiffies(at: now) < ticks.jiffies(at: since) + jiffies && !cpus[cpu].wantsSwitch
  }

  /// Whether pending softirqs of `cpu` run where an interrupt or a section without bottom halves
  /// ends; if not, ksoftirqd runs and will find them. Kernel: `ksoftirqd_running()`.
  func runsSoftIRQs(on cpu: CPUID) -> Bool {
    let pending = cpus[cpu].softirqs
    guard pending != 0 else { return false }
    let thread = tasks.ksoftirqds[cpu.index]
    guard version.scheduler.leftToKsoftirqd != .none, !thread.isNone else { return true }
    if version.scheduler.leftToKsoftirqd == .notHiAndTasklet,
      pending & (1 << UInt16(SoftIRQ.hi.rawValue) | 1 << UInt16(SoftIRQ.tasklet.rawValue)) != 0
    {
      return true
    }
    let state = tasks.all[thread].state
    return state != .ready && (state != .running || cpus[cpu].current == thread)
  }
}

/// The thread that runs the softirqs that were too many. Kernel: `run_ksoftirqd()` (6.12).
package enum Ksoftirqd: Path {
  case start
  case bottomHalvesOff
  case ran

  package static var name: PathName { .ksoftirqd }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      guard world.cpus[cpu].softirqs != 0 else { return .block }
      // Where they are threaded this thread is their context.
      if world.config.preemption == .rt { return ask(.call(.doSoftIRQ(.start)), then: .ran) }
      return ask(.disable(.bottomHalves), then: .bottomHalvesOff)
    // Enabling bottom halves again runs what is pending, as it does for any task.
    case .bottomHalvesOff: return ask(.enable(.bottomHalves), then: .ran)
    case .ran: return ask(.condResched, then: .start)
    }
  }
}

/// What runs in a hardirq: the calls of other CPUs, a device's handler, or nothing for a
/// reschedule, whose work is done by the switch behind it.
///
/// Kernel: `common_interrupt()`, `sysvec_call_function()`, `sysvec_reschedule_ipi()` (6.12).
package enum HandleIRQ: Path {
  case start(IRQVector)
  case ran(source: UInt8)
  case done(IRQVector)

  package static var name: PathName { .handle_irq }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(.callFunction):
      if !world.calls.answers[cpu.index].isPolled { world.cpus[cpu].callInterrupts &+= 1 }
      world.trace(.callFunctionEntry, on: cpu, a: 0xfc)
      return ask(.call(.flushCallQueue(.start)), then: .done(.callFunction))
    case .start(.reschedule):
      world.cpus[cpu].rescheduleInterrupts &+= 1
      // The work of it is done by the switch behind it.
      world.trace(.rescheduleEntry, on: cpu, a: 0xfd)
      world.trace(.rescheduleExit, on: cpu, a: 0xfd)
      return .return()
    case .start(.timer):
      world.trace(.localTimerEntry, on: cpu, a: 0xec)
      return ask(.call(.timerTick(.start)), then: .done(.timer))
    case .start(.nmi): return handleSource(isNMI: true, &world, cpu)
    case .start(.device): return handleSource(isNMI: false, &world, cpu)
    case .ran(let source):
      world.trace(.irqHandlerExit, on: cpu, a: UInt64(source), b: 1)
      return handleSource(isNMI: world.isNMI(Int(source)), &world, cpu)
    case .done(.timer):
      world.trace(.localTimerExit, on: cpu, a: 0xec)
      return .return()
    case .done:
      world.trace(.callFunctionExit, on: cpu, a: 0xfc)
      return .return()
    }
  }

  /// The handler of the next device that interrupted.
  private mutating func handleSource(
    isNMI: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let nmis = world.nmiSources
    let sources = world.cpus[cpu].deviceSources & (isNMI ? nmis : ~nmis)
    guard sources != 0 else { return .return() }
    let source = UInt8(sources.trailingZeroBitCount)
    world.cpus[cpu].deviceSources &= ~(1 << UInt32(source))
    world.traceHandler(source, on: cpu)
    world.counters.add(.deviceInterrupts, 1)
    if world.config.preemption == .rt, !isNMI {
      return ask(.wake(world.deferToThread(source, on: cpu)), then: .ran(source: source))
    }
    return ask(
      .call(world.hardirqFrame(Int(source), on: cpu)), then: .ran(source: source))
  }
}
