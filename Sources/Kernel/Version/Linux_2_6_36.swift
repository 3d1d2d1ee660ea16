extension KernelVersion {
  /// Linux 2.6.36, October 2010: SLUB's partial slabs of other nodes only where no node is asked for.
  package static let v2_6_36 = v2_6_32.successor("2.6.36") {
    $0.scheduler.managesWorkers = true
    $0.slab.nodeRequestSearchesOthers = false
    $0.vmalloc.blockBytes = 88
  }
}
