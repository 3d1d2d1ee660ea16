extension KernelVersion {
  /// Linux 6.4, June 2023: SLOB is gone.
  package static let v6_4 = v6_3.successor("6.4") {
    $0.slab.kinds.remove(.slob)
  }
}
