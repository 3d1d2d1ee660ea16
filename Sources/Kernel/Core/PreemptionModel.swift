/// When the kernel gives its CPU to another task that is due.
///
/// All models count preemption, as CONFIG_DEBUG_ATOMIC_SLEEP has it, so that spinlocks are seen by
/// `in_atomic()`. A task in user mode is preempted in all of them.
///
/// Kernel: kernel/Kconfig.preempt; `__cond_resched()`, `might_resched()` (kernel/sched/core.c, 6.12).
package enum PreemptionModel: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  /// Where it sleeps, and at `cond_resched()`. CONFIG_PREEMPT_NONE.
  case none
  /// And where it might sleep. CONFIG_PREEMPT_VOLUNTARY.
  case voluntary
  /// Wherever preemption is on. CONFIG_PREEMPT.
  case full
  /// A tick later than that. CONFIG_PREEMPT_LAZY, from 6.13.
  case lazy
  /// As `full`, and with spinlocks that sleep and interrupts in threads. CONFIG_PREEMPT_RT: in the
  /// tree from 6.12.
  case rt

  /// As a scenario writes it.
  package var text: String { "\(self)" }

  /// Whether kernel code that counts no reason against it may be preempted.
  @inline(__always) var preemptsKernel: Bool { rawValue >= PreemptionModel.full.rawValue }
  /// Whether `cond_resched()` lets others run: with preemption it does nothing.
  @inline(__always) var yieldsOnRequest: Bool { !preemptsKernel }
  /// Whether `might_sleep()` does too.
  @inline(__always) var yieldsWhereItMightSleep: Bool { self == .voluntary }

  /// The first and, where there was one, the first release without it. From 7.0 x86 and arm64 have
  /// no choice but full and lazy. Kernel: kernel/Kconfig.preempt (6.12, 6.13, 7.0).
  package var releases: (first: String, end: String?) {
    switch self {
    case .none, .voluntary: ("2.6.24", "7.0")
    case .full: ("2.6.24", nil)
    case .lazy: ("6.13", nil)
    case .rt: ("6.12", nil)
    }
  }

  /// Whether a release could be configured so.
  package func exists(in version: KernelVersion) -> Bool {
    let (number, releases) = (KernelNumber(version.name)!, releases)
    guard number >= KernelNumber(releases.first)! else { return false }
    return releases.end.map { number < KernelNumber($0)! } ?? true
  }
}
