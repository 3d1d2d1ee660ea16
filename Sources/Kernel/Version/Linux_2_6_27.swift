extension KernelVersion {
  /// Linux 2.6.27, October 2008.
  package static let v2_6_27 = v2_6_25.successor("2.6.27") {
    $0.calls.queue = .global
    $0.slab.orderSearch = .halving
    $0.slab.slubLineAlignment = .halvedForSmall
    $0.slab.cpusCounted = .possible
    $0.slab.slubOrderMax = 3
    $0.slab.slubCacheMax = 4096
    $0.slab.slobLists = 3
    $0.slab.putsSpentSlabsLast = true
  }
}
