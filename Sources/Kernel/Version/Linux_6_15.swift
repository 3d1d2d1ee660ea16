extension KernelVersion {
  /// Linux 6.15, May 2025: AMD's broadcast of TLB flushes is used.
  package static let v6_15 = v6_14.successor("6.15") {
    $0.locks.hasLocalTryLock = true
    $0.flush.usesINVLPGB = true
  }
}
