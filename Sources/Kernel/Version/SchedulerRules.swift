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
  /// What messages of the watchdog begin with. Kernel: `pr_fmt` in `watchdog_timer_fn()`'s file
  /// (kernel/watchdog.c; 4.9, 4.14) and that of hard lockups (kernel/watchdog_hld.c; 4.14, 6.4, 6.5).
  package var watchdogName: WatchdogName
  /// Stalls of RCU are told with its name before them. Kernel: `print_other_cpu_stall()`
  /// (kernel/rcu/tree.c; 4.9, 4.19).
  package var rcuSaysItsName: Bool
  /// When a kworker sleeps, another of its CPU takes the next item. Kernel: `wq_worker_sleeping()`
  /// (kernel/workqueue.c; 3.0, not 2.6.32; remembered: from 2.6.36).
  package var managesWorkers: Bool
  /// A timer expires a tick after its own, and a far one later, where the wheel is coarser. Kernel:
  /// `calc_index()` (kernel/time/timer.c; 6.12; remembered: from 4.8).
  package var roundsTimersUp: Bool

  package enum WatchdogName: UInt8, BitwiseCopyable, Sendable {
    case none, nmi, ownForSoft, own

    var soft: String { self == .none ? "" : self == .nmi ? "NMI watchdog: " : "watchdog: " }
    var hard: String { self == .none ? "" : self == .own ? "watchdog: " : "NMI watchdog: " }
  }
  package enum LeftToKsoftirqd: UInt8, BitwiseCopyable, Sendable { case none, all, notHiAndTasklet }
}
