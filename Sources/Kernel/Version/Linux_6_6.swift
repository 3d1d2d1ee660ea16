extension KernelVersion {
  /// Linux 6.6, October 2023, long-term: random kmalloc caches, EEVDF.
  package static let v6_6 = v6_5.successor("6.6") {
    $0.slab.hasRandomCaches = true
    $0.vmalloc.purgesUsableBlocks = false
    $0.scheduler.wakeUpPreempts = false
  }
}
