extension KernelVersion {
  /// Linux 7.0, 2026: sheaves for all caches, no slabs of CPUs.
  package static let v7_0 = v6_19.successor("7.0") {
    $0.slab.sheaves = .all
    $0.slab.cpuPartialUnit = .none
  }
}
