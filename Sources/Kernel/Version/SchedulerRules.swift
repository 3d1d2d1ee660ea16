/// What of the scheduler depends on the release.
package struct SchedulerRules: BitwiseCopyable, Sendable, Equatable {
  /// A woken kthread takes the CPU from the running task at once, as CFS lets one that has slept;
  /// EEVDF lets the running task end its slice. To 6.5.
  ///
  /// Kernel: `check_preempt_wakeup()` (kernel/sched/fair.c; 6.5, 6.6).
  package var wakeUpPreempts: Bool
}
