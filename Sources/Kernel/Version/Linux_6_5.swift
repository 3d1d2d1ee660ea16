extension KernelVersion {
  /// Linux 6.5, August 2023: softirqs no longer wait for ksoftirqd while it runs.
  package static let v6_5 = v6_4.successor("6.5") {
    $0.scheduler.leftToKsoftirqd = .none
    $0.scheduler.watchdogName = .own
  }
}
