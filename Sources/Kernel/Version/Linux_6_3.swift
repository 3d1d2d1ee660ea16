extension KernelVersion {
  /// Linux 6.3, April 2023: vfree finds and unlinks an area in one go; bulk allocations
  /// save the interrupts' state.
  package static let v6_3 = v6_1.successor("6.3") {
    $0.slab.bulkSavesIRQs = true
    $0.vmalloc.unlinksAtOnce = true
    $0.vmalloc.areaBytes = 72
    $0.vmalloc.blockBitmaps = 1
  }
}
