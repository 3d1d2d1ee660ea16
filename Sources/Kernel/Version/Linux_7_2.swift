extension KernelVersion {
  /// Linux 7.2, 2026: a refill uses partial slabs in the order of their list.
  package static let v7_2 = v7_1.successor("7.2") {
    $0.slab.refillsInListOrder = true
  }
}
