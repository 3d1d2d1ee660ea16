extension KernelVersion {
  /// Linux 5.0, March 2019: arm64 flushes at most a table's worth of pages one by one.
  package static let v5_0 = v4_20.successor("5.0") {
    $0.flush.tlbiMax = 512
  }
}
