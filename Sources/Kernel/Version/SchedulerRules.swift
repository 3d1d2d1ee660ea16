/// What of the scheduler depends on the release.
package struct SchedulerRules: BitwiseCopyable, Sendable, Equatable {
  /// A woken kthread takes the CPU from the running task at once, as CFS lets one that has slept;
  /// EEVDF lets the running task end its slice. To 6.5.
  ///
  /// Kernel: `check_preempt_wakeup()` (kernel/sched/fair.c; 6.5, 6.6).
  package var wakeUpPreempts: Bool
  /// A run of softirqs ends after 2 ms, or when another task is due, too. From 3.10; 3.9 had no other
  /// end.
  ///
  /// Kernel: `__do_softirq()` (kernel/softirq.c; 3.2, 3.10).
  package var softirqsHaveTime: Bool
  /// Softirqs that are left to ksoftirqd as long as it runs or is about to. From 4.9 to 6.4.
  ///
  /// Kernel: `ksoftirqd_running()` (kernel/softirq.c; 4.9, 4.19, 6.4; not 6.5).
  package var leftToKsoftirqd: LeftToKsoftirqd
  /// Messages of the watchdog begin with its name. From 4.13.
  ///
  /// Kernel: `watchdog_timer_fn()` (kernel/watchdog.c; 4.9, 4.14).
  package var watchdogSaysItsName: Bool

  package enum LeftToKsoftirqd: UInt8, BitwiseCopyable, Sendable { case none, all, notHiAndTasklet }
}
