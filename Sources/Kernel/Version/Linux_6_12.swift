extension KernelVersion {
  /// Linux 6.12, November 2024, long-term: no slab rule differs from 6.11.
  package static let v6_12 = v6_11.successor("6.12") { _ in }
}
