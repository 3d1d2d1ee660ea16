extension KernelVersion {
  /// Linux 2.6.30, June 2009: a mutex whose owner runs is spun for.
  package static let v2_6_30 = v2_6_28.successor("2.6.30") {
    $0.locks.mutexSpinning = .owner
  }
}
