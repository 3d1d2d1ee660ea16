extension KernelVersion {
  /// Linux 5.10, December 2020, long-term: no slab rule differs from 5.8.
  package static let v5_10 = v5_8.successor("5.10") { _ in }
}
