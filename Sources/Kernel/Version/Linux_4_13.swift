extension KernelVersion {
  /// Linux 4.13, September 2017: one interrupt serves several calls.
  package static let v4_13 = v4_10.successor("4.13") {
    $0.calls.sparesPending = true
    $0.scheduler.watchdogName = .ownForSoft
  }
}
