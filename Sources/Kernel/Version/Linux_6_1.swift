extension KernelVersion {
  /// Linux 6.1, December 2022, long-term: debug caches under list_lock, SLAB's large sizes from pages.
  package static let v6_1 = v5_19.successor("6.1") {
    $0.vmalloc.mapsHugeOnARM64 = true
    $0.slab.isDebugUnderListLock = true
    $0.slab.notesKmallocSizes = true
    $0.slab.slabCacheMax = 8192
    $0.slab.kfreeRCUDelay = 5000
    $0.slab.kfreeRCUBlock = 507
  }
}
