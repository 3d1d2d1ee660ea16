extension KernelVersion {
  /// Linux 2.6.39, May 2011: SLUB's fast paths without interrupts off.
  package static let v2_6_39 = v2_6_37.successor("2.6.39") {
    $0.slab.isFastPathLockless = true
    $0.vmalloc.store = .cachedWalk
  }
}
