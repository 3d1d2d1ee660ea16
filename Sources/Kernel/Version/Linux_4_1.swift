extension KernelVersion {
  /// Linux 4.1, June 2015, long-term: SLAB asks its own node for pages without waiting.
  package static let v4_1 = v3_17.successor("4.1") {
    $0.slab.waitsForOwnNode = false
    $0.vmalloc.blockBytes = 96
    $0.vmalloc.blockBitmaps = 0
  }
}
