extension KernelVersion {
  /// Linux 6.12, November 2024, long-term: a cache's end waits for kfree_rcu.
  package static let v6_12 = v6_11.successor("6.12") {
    $0.slab.destroyAwaitsKfreeRCU = true
    $0.vmalloc.reallocation = .byAllocators
  }
}
