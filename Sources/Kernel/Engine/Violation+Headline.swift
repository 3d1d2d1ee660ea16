import Simulation

/// The kernel's own words for each rule, as its log has them.
///
/// Kernel: `__might_resched()`, `__schedule_bug()` (kernel/sched/core.c), `print_circular_bug()` and
/// its like (kernel/locking/lockdep.c), `watchdog_timer_fn()` (kernel/watchdog.c),
/// `print_other_cpu_stall()` (kernel/rcu/tree_stall.h), mm/slub.c, mm/vmalloc.c, mm/kmemleak.c, 6.12.
extension Machine {
  /// - Parameter message: what was said where the rule was broken.
  func headline(_ kind: Violation.Kind, _ message: String, on cpu: CPUID) -> String {
    let task = world.cpus[cpu].current
    let pid = task.isNone ? 0 : world.tasks.all[task].pid
    let name = world.tasks.name(of: task)
    let function = callChain(of: cpu).last ?? "the workload"
    return switch kind {
    case .sleepingInAtomic:
      "BUG: sleeping function called from invalid context at \(function)\n"
        + stateLine(of: cpu, pid, name)
    case .irqsOffGFP:
      "BUG: sleeping function called from invalid context at \(function), "
        + "by an allocation with interrupts off\n" + stateLine(of: cpu, pid, name)
    case .schedulingWhileAtomic:
      "BUG: scheduling while atomic: \(name)/\(pid)/0x\(hexadecimal(world.cpus[cpu].preemptCount))"
    case .badContext: "kernel BUG in \(function): the context is wrong for it"
    case .lockOrder:
      message.hasPrefix("inconsistent")
        ? "WARNING: inconsistent lock state"
        : "WARNING: possible circular locking dependency detected"
    case .selfDeadlock: "WARNING: possible recursive locking detected"
    case .deadlock: "BUG: deadlock: no CPU can go on"
    case .ipiIRQsOff: "WARNING: CPU: \(cpu.index) PID: \(pid) at kernel/smp.c \(function)"
    case .softLockup:
      world.version.scheduler.watchdogName.soft + "BUG: soft lockup - "
        + message.prefix { $0 != "]" } + "]"
    case .hardLockup:
      world.version.scheduler.watchdogName.hard
        + "Watchdog detected hard LOCKUP on cpu \(cpu.index)"
    case .rcuStall:
      (world.version.scheduler.rcuSaysItsName ? "rcu: " : "")
        + "INFO: rcu_\(world.config.preemption.preemptsKernel ? "preempt" : "sched")"
        + " detected stalls on CPUs/tasks: \(cpu.index)"
    case .doubleFree: "BUG: Object already free at \(function)"
    case .badFree: "BUG: Invalid object pointer at \(function)"
    case .useAfterFree: "BUG: KASAN: use-after-free in \(function)"
    case .badAddress: "BUG: address of the wrong kind at \(function)"
    case .leak: "kmemleak: unreferenced object"
    case .wrongFreeFunction: "WARNING: freed by the wrong function: \(function)"
    }
  }

  /// As `__might_resched()` prints it.
  private func stateLine(of cpu: CPUID, _ pid: Int32, _ name: String) -> String {
    let record = world.cpus[cpu]
    return "in_atomic(): \(record.preemptCount.inAtomic ? 1 : 0), "
      + "irqs_disabled(): \(record.irqsOff > 0 ? 1 : 0), pid: \(pid), name: \(name)"
  }

  private func hexadecimal(_ count: PreemptCount) -> String {
    let digits = String(count.bits, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
