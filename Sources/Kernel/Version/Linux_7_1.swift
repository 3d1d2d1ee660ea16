extension KernelVersion {
  /// Linux 7.1, 2026: no slab rule differs from 7.0.
  package static let v7_1 = v7_0.successor("7.1") { _ in }
}
