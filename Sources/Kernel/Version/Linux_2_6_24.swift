extension KernelVersion {
  /// Linux 2.6.24, January 2008: the oldest release that is emulated. SLUB is the default, SLAB and
  /// SLOB can be chosen.
  package static let v2_6_24 = KernelVersion(
    name: "2.6.24",
    slab: SlabRules(
      kinds: [.slub, .slab, .slob],
      orderSearch: .halvingCoarse, slubLineAlignment: .wholeForLarge, slobLineAlignment: .whole,
      cpusCounted: .none, slubOrderMax: 1, minPartial: .five,
      cpuPartialUnit: .none,
      kmallocAlignment: .minimum, slubCacheMax: 2048, slabCacheMax: 4 << 20,
      kmallocNames: .ofAllocator,
      hasReclaimCaches: false, hasAccountedCaches: false, hasRandomCaches: false,
      hasBuckets: false,
      isFastPathLockless: false, hasSlabCmpxchg: false, freezesPartials: false,
      isSlowPathIRQsOff: true, mergesFreelistAtOnce: false, flushesByWork: false,
      isDebugUnderListLock: false, triesNodeFirst: false, nodeRequestSearchesOthers: true,
      debugTrackBytes: 24, hasLeftRedZone: false, notesKmallocSizes: false,
      emptySlabs: .freedAtOnce, putsSpentSlabsLast: false,
      gathersBulkFrees: false, bulkSavesIRQs: false, countsBulkObjects: false,
      sheaves: .none, sheafRefillMayNotBlock: false, refillsInListOrder: false,
      hasSlabDescriptor: true, hasObjectFreelist: false, checksNodeUnlocked: false,
      waitsForOwnNode: true, slobLists: 1,
      kfreeRCU: .none, kfreeRCUDelay: 20, kfreeRCUBlock: 510, destroyAwaitsKfreeRCU: false),
    pages: PageRules(listTuning: .freeFactor),
    vmalloc: VmallocRules(
      store: .list, leavesGap: false, hasFreeLock: false, unlinksAtOnce: true,
      lazyStore: .lockless,
      purger: .eachFree, unmapsLate: false, defersInInterrupt: false, areaBytes: 104,
      bulkUse: .none,
      quarterOfFewIsAll: false, bulkPagesMax: 100, nodesMax: 1, triesLargeOrders: false,
      hugeMappings: .none, mapsHugeOnARM64: false, freesTablesLater: false,
      purgesUsableBlocks: true,
      blockBytes: 72, blockBitmaps: 2, honoursMask: false, servesAtomicTasks: false,
      maskCheck: .none, hasVfreeAtomic: false, reallocation: .none, kvmalloc: .kernelOnly,
      resetsPermissions: false, exhaustion: .outOfSpace),
    flush: .v2_6_24,
    calls: .v2_6_24,
    scheduler: SchedulerRules(
      wakeUpPreempts: true, softirqsHaveTime: false, leftToKsoftirqd: .none,
      watchdogName: .none, rcuSaysItsName: false, managesWorkers: false, roundsTimersUp: false),
    locks: .v2_6_24)
}
