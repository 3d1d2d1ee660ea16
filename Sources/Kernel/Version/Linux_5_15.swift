extension KernelVersion {
  /// Linux 5.15, October 2021, long-term: SLUB's slow paths with interrupts on.
  package static let v5_15 = v5_14.successor("5.15") {
    $0.slab.isSlowPathIRQsOff = false
    $0.slab.flushesByWork = true
    $0.vmalloc.reallocation = .byOldSize
  }
}
