extension KernelVersion {
  /// Linux 6.16, July 2025: arm64 waits once for all entries of a mapping.
  package static let v6_16 = v6_15.successor("6.16") {
    $0.flush.waitsForEachPTE = false
  }
}
