extension KernelVersion {
  /// Linux 4.9, December 2016, long-term: SLAB looks at a node before it locks it;
  /// softirqs are left to ksoftirqd while it runs.
  package static let v4_9 = v4_6.successor("4.9") {
    $0.scheduler.roundsTimersUp = true
    $0.slab.checksNodeUnlocked = true
    $0.scheduler.leftToKsoftirqd = .all
  }
}
