extension KernelVersion {
  /// Linux 6.9, May 2024: vmalloc's areas in nodes with pools. No slab rule differs from 6.8.
  package static let v6_9 = v6_8.successor("6.9") {
    $0.vmalloc.nodesMax = 128
    $0.vmalloc.lazyStore = .ofNode
    $0.vmalloc.quarterOfFewIsAll = true
    $0.vmalloc.purger = .workerOnce
  }
}
