extension KernelVersion {
  /// Linux 5.14, August 2021: kmalloc-cg.
  package static let v5_14 = v5_13.successor("5.14") {
    $0.slab.hasAccountedCaches = true
    $0.vmalloc.bulkUse = .ofNode
  }
}
