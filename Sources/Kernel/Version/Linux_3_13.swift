extension KernelVersion {
  /// Linux 3.13, January 2014: SLAB's slabs are described in struct page.
  package static let v3_13 = v3_10.successor("3.13") {
    $0.slab.hasSlabDescriptor = false
    $0.vmalloc.blockBytes = 80
    $0.vmalloc.blockBitmaps = 1
  }
}
