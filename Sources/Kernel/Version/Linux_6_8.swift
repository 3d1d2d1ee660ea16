extension KernelVersion {
  /// Linux 6.8, March 2024: SLAB is gone, only a CPU's current slab is frozen, half may be wasted.
  package static let v6_8 = v6_7.successor("6.8") {
    $0.slab.kinds.remove(.slab)
    $0.slab.freezesPartials = false
    $0.slab.countsBulkObjects = true
    $0.slab.orderSearch = .moreWaste
  }
}
