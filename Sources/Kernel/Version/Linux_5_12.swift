extension KernelVersion {
  /// Linux 5.12, April 2021.
  package static let v5_12 = v5_11.successor("5.12") {
    $0.slab.mergesFreelistAtOnce = true
  }
}
