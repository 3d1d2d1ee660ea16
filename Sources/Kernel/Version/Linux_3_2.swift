extension KernelVersion {
  /// Linux 3.2, January 2012: partial slabs of CPUs, cmpxchg of a slab's words.
  package static let v3_2 = v3_0.successor("3.2") {
    $0.slab.hasSlabCmpxchg = true
    $0.slab.cpuPartialUnit = .objects
    $0.slab.freezesPartials = true
    $0.slab.emptySlabs = .aboveMinimum
    $0.slab.debugTrackBytes = 152
  }
}
