/// What of the scheduler depends on the release.
package struct SchedulerRules: BitwiseCopyable, Sendable, Equatable {
  /// A woken kthread takes the CPU from the running task at once, as CFS lets one that has slept;
  /// EEVDF lets the running task end its slice. To 6.5.
  ///
  /// Kernel: `check_preempt_wakeup()` (kernel/sched/fair.c; 6.5, 6.6).
  package var wakeUpPreempts: Bool
  /// When a kworker sleeps, another of its CPU takes the next item. Kernel: `wq_worker_sleeping()`
  /// (kernel/workqueue.c; 3.0, not 2.6.32; remembered: from 2.6.36).
  package var managesWorkers: Bool
  /// A timer expires a tick after its own, and a far one later, where the wheel is coarser. Kernel:
  /// `calc_index()` (kernel/time/timer.c; 6.12; remembered: from 4.8).
  package var roundsTimersUp: Bool
}
