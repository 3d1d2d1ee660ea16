/// What of the slab allocators depends on the release: formulas and choices, read by their policies
/// and paths. Each field names the function and file that show it, and the releases compared.
///
/// All rules stand here, in one value for each release, so that a release is read as the list of
/// its differences from the one before (`Linux_6_12.swift`).
package struct SlabRules: BitwiseCopyable, Sendable, Equatable {
  // MARK: Which allocators there are

  /// The allocators that can be configured: SLOB to 6.3, SLAB to 6.7.
  ///
  /// Kernel: `kmem_cache_init()` (mm/slab.h; 6.3, 6.4, 6.7, 6.8; its three files).
  package var kinds: SlabKind.Set

  // MARK: Sizes of SLUB

  /// How the order search deals with waste.
  package enum OrderSearch: BitwiseCopyable, Sendable, Equatable {
    /// An eighth, a quarter; then half as many objects, and again. Up to 2.6.24.
    case halvingCoarse
    /// A sixteenth, an eighth, a quarter; then half as many objects, and again. Up to 2.6.31.
    case halving
    /// A sixteenth, an eighth, a quarter; then one object fewer, and again. Up to 6.7.
    case fewerObjects
    /// A sixteenth, an eighth, a quarter, a half, with the objects wanted. From 6.8.
    case moreWaste
  }
  /// Which CPUs the wanted objects a slab are counted by.
  package enum CPUsCounted: BitwiseCopyable, Sendable, Equatable {
    /// None: 4 objects are wanted. Up to 2.6.26.
    case none
    /// `nr_cpu_ids`. Up to 5.10.
    case possible
    /// `num_present_cpus()`, or `nr_cpu_ids` where that is 1. From 5.11.
    case present
  }
  /// How many partial slabs a node keeps.
  package enum MinPartial: BitwiseCopyable, Sendable, Equatable {
    /// 5. Up to 2.6.29.
    case five
    /// The logarithm of the size. Up to 3.9.
    case logarithm
    /// Half of it. From 3.10.
    case halfLogarithm
  }
  /// What limits a CPU's list of partial slabs.
  package enum CPUPartialUnit: BitwiseCopyable, Sendable, Equatable {
    /// There is no such list. Up to 3.1, and from 7.0.
    case none
    /// Free objects, counted when a slab was pushed. 3.2 to 5.15.
    case objects
    /// Slabs. From 5.16.
    case slabs
  }
  /// What SLAB_HWCACHE_ALIGN means to an object that is smaller than a cache line.
  package enum LineAlignment: BitwiseCopyable, Sendable, Equatable {
    /// Nothing up to half a line, else a line. SLUB up to 2.6.24.
    case wholeForLarge
    /// The smallest half, quarter, … of a line that it fits in.
    case halvedForSmall
    /// A line. SLOB up to 3.8.
    case whole
  }
  /// What a kmalloc class is aligned to.
  package enum KmallocAlignment: BitwiseCopyable, Sendable, Equatable {
    /// The architecture's minimum. Up to 5.3.
    case minimum
    /// Its size where that is a power of two, else the minimum. 5.4 to 6.10.
    case powerOfTwo
    /// The largest power of two that divides its size. From 6.11.
    case largestDivisor
  }

  /// Kernel: `calculate_order()` (mm/slub.c; 2.6.24, 2.6.27, 2.6.32, 6.6, 6.8).
  package var orderSearch: OrderSearch
  /// Kernel: `calculate_alignment()` (mm/slub.c; 2.6.24, 3.0).
  package var slubLineAlignment: LineAlignment
  /// Kernel: `kmem_cache_create()` (mm/slob.c; 2.6.24, 3.0), since 3.9 `calculate_alignment()`
  /// (mm/slab_common.c; 3.10).
  package var slobLineAlignment: LineAlignment
  /// Kernel: `calculate_order()` (mm/slub.c; 2.6.24, 2.6.27, 5.10, 5.15).
  package var cpusCounted: CPUsCounted
  /// Kernel: `slub_max_order` (mm/slub.c; 2.6.24, 2.6.27: `PAGE_ALLOC_COSTLY_ORDER`).
  package var slubOrderMax: Int
  /// Kernel: `kmem_cache_open()`, `set_min_partial()` (mm/slub.c; 2.6.24, 2.6.32, 3.10).
  package var minPartial: MinPartial
  /// Kernel: `slub_set_cpu_partial()`, `put_cpu_partial()` (mm/slub.c; 2.6.39, 3.2, 5.15, 5.17).
  package var cpuPartialUnit: CPUPartialUnit

  // MARK: The kmalloc family

  /// Kernel: `create_boot_cache()`, `create_kmalloc_caches()` (mm/slab_common.c; 5.3, 5.4, 6.11).
  package var kmallocAlignment: KmallocAlignment
  /// The largest class that SLUB serves from slabs; above it the page allocator. Unit: bytes.
  ///
  /// Kernel: `KMALLOC_MAX_CACHE_SIZE` (include/linux/slub_def.h; 2.6.24, 2.6.27, 2.6.32).
  package var slubCacheMax: Int
  /// The same of SLAB: to 6.0 all sizes come from slabs. Unit: bytes.
  ///
  /// Kernel: `KMALLOC_SHIFT_HIGH` (include/linux/slab.h; 6.0, 6.1).
  package var slabCacheMax: Int
  /// What the kmalloc caches are called.
  package enum KmallocNames: BitwiseCopyable, Sendable, Equatable {
    /// `kmalloc-2048` and `kmalloc_dma-2048` in SLUB, `size-2048` in SLAB. Up to 3.9.
    case ofAllocator
    /// `kmalloc-2048` in all. 3.10 to 4.19.
    case bytes
    /// `kmalloc-2k`. From 4.20.
    case kibibytes
  }
  /// Kernel: `kmalloc_info[].name` (mm/slab_common.c; 4.19, 4.20), `create_kmalloc_caches()`
  /// (mm/slab_common.c, 3.10), `malloc_sizes` (mm/slab.c; 2.6.24, 3.2).
  package var kmallocNames: KmallocNames
  /// `kmalloc-rcl-*`. Kernel: `kmalloc_type()` (include/linux/slab.h; 4.19, 4.20).
  package var hasReclaimCaches: Bool
  /// `kmalloc-cg-*`. Kernel: `kmalloc_type()` (include/linux/slab.h; 5.12, 5.14).
  package var hasAccountedCaches: Bool
  /// CONFIG_RANDOM_KMALLOC_CACHES can be chosen. Kernel: `kmalloc_type()` (include/linux/slab.h;
  /// 6.5, 6.6).
  package var hasRandomCaches: Bool
  /// CONFIG_SLAB_BUCKETS can be chosen. Kernel: `kmem_buckets_create()` (mm/slab_common.c; 6.9
  /// without it, 6.11).
  package var hasBuckets: Bool

  // MARK: Paths of SLUB

  /// The fast paths are one cmpxchg of freelist and tid, else they turn interrupts off.
  ///
  /// Kernel: `slab_alloc()`, `slab_free()` (mm/slub.c; 2.6.37, 2.6.39).
  package var isFastPathLockless: Bool
  /// A slab's freelist and counters change by one cmpxchg, else under the slab's bit lock.
  ///
  /// Kernel: `__cmpxchg_double_slab()` (mm/slub.c; 2.6.39, 3.2).
  package var hasSlabCmpxchg: Bool
  /// Slabs on a CPU's partial list are frozen too, and are taken by a cmpxchg under list_lock.
  ///
  /// Kernel: `acquire_slab()`, `__slab_free()` (mm/slub.c; 3.2, 6.6, 6.8 with `freeze_slab()`).
  package var freezesPartials: Bool
  /// The slow path runs with interrupts off, but for a page allocation that may block.
  ///
  /// Kernel: `___slab_alloc()` (mm/slub.c; 5.14, 5.15).
  package var isSlowPathIRQsOff: Bool
  /// A CPU's freelist goes back to its slab in one cmpxchg, else object by object.
  ///
  /// Kernel: `deactivate_slab()` (mm/slub.c; 5.11, 5.12).
  package var mergesFreelistAtOnce: Bool
  /// CPUs are flushed by a work item each, else by an interrupt.
  ///
  /// Kernel: `flush_all()` (mm/slub.c; 5.14, 5.15).
  package var flushesByWork: Bool
  /// Each allocation from a debug cache takes list_lock.
  ///
  /// Kernel: `alloc_single_from_partial()` (mm/slub.c; 6.0, 6.1).
  package var isDebugUnderListLock: Bool
  /// A request for a node first takes what that node has without reclaim. From 6.11.
  ///
  /// Kernel: `try_thisnode` in `___slab_alloc()` (mm/slub.c; 6.9 without it, 6.11).
  package var triesNodeFirst: Bool
  /// A request for a node without `__GFP_THISNODE` may take partial slabs of others. From 6.11.
  ///
  /// Kernel: `get_partial()` (mm/slub.c; 6.9, 6.11).
  package var nodeRequestSearchesOthers: Bool

  /// What a debug cache notes of an allocation, and of a free. Unit: bytes.
  ///
  /// Kernel: `struct track` (mm/slub.c; 2.6.24, 3.2 with a stack, 5.17, 5.19 in the stack depot).
  package var debugTrackBytes: Int
  /// A debug cache has a red zone before each object too. Kernel: `calculate_sizes()` (mm/slub.c;
  /// 4.4, 4.6).
  package var hasLeftRedZone: Bool
  /// A debug cache of kmalloc notes the size asked for. Kernel: `slub_debug_orig_size()` (mm/slub.c;
  /// 6.0, 6.1).
  package var notesKmallocSizes: Bool
  /// When an empty slab goes back to the page allocator.
  package enum EmptySlabs: BitwiseCopyable, Sendable, Equatable {
    /// When its last object is freed; one that a CPU gives up, when its node has enough. Up to 3.1.
    case freedAtOnce
    /// When its node has more partial slabs than it keeps. Up to 3.16.
    case aboveMinimum
    /// When its node has as many as it keeps. From 3.17.
    case atMinimum
  }
  /// Kernel: `__slab_free()`, `unfreeze_slab()`, `deactivate_slab()` (mm/slub.c; 2.6.36, 3.10, 4.14).
  package var emptySlabs: EmptySlabs
  /// A slab whose CPU took all of its freelist goes to the tail of its node's list, else to the
  /// head. Kernel: `unfreeze_slab()` (mm/slub.c; 2.6.24, 2.6.36), before `hasSlabCmpxchg`.
  package var putsSpentSlabsLast: Bool
  /// A bulk free gathers objects of one slab, else frees each for itself; a bulk allocation keeps
  /// interrupts off through its slow path, as long as that wants them off.
  ///
  /// Kernel: `build_detached_freelist()`, `kmem_cache_alloc_bulk()` (mm/slub.c; 4.3, 4.4).
  package var gathersBulkFrees: Bool
  /// A bulk allocation may be called with interrupts off: it saves their state, which costs more.
  ///
  /// Kernel: `__kmem_cache_alloc_bulk()` (mm/slub.c; 6.1, 6.3).
  package var bulkSavesIRQs: Bool
  /// Each object of a bulk call counts in the statistics. Kernel: `__kmem_cache_alloc_bulk()`,
  /// `do_slab_free()` (mm/slub.c; 6.6, 6.8).
  package var countsBulkObjects: Bool

  // MARK: Sheaves

  /// Which caches have sheaves in front of their slabs.
  package enum Sheaves: BitwiseCopyable, Sendable, Equatable {
    case none
    /// Those that ask for a capacity. 6.18, 6.19.
    case onRequest
    /// All but debug and boot caches; CPUs have no slabs of their own any more. From 7.0.
    case all
  }
  /// Kernel: `kmem_cache.cpu_sheaves` (mm/slub.c; 6.13, 6.18, 7.0).
  package var sheaves: Sheaves

  /// A sheaf is refilled for callers that may not block too. From 7.1.
  ///
  /// Kernel: `can_alloc` in `__pcs_replace_empty_main()` (mm/slub.c; 7.0, 7.1).
  package var sheafRefillMayNotBlock: Bool

  /// Partial slabs collected for a refill are used in the order of their list, else the last one
  /// first. From 7.2.
  ///
  /// Kernel: `get_partial_node_bulk()` (mm/slub.c; 7.0, 7.2).
  package var refillsInListOrder: Bool

  // MARK: SLAB and SLOB

  /// The slab's descriptor is `struct slab` with 4-byte indexes, else `struct page` and 1-byte
  /// ones.
  ///
  /// Kernel: `cache_estimate()` (mm/slab.c; 3.12, 3.13).
  package var hasSlabDescriptor: Bool
  /// The indexes may lie inside a free object. Kernel: `set_objfreelist_slab_cache()` (mm/slab.c,
  /// from 4.6).
  package var hasObjectFreelist: Bool
  /// An empty node is seen without its lock, and free slabs are counted against their limit at the
  /// end of a flush, else at each object. Kernel: `cache_alloc_refill()`, `free_block()`
  /// (mm/slab.c; 3.10, 4.14).
  package var checksNodeUnlocked: Bool
  /// A new slab of the own node is asked for with the caller's mask, so with interrupts on where that
  /// may block; else without waiting. Kernel: `cache_alloc_refill()`, `gfp_exact_node()`
  /// (mm/slab.c; 4.0, 4.1).
  package var waitsForOwnNode: Bool
  /// Lists of pages that SLOB keeps by size: one, or three. Kernel: `slob_alloc()` (mm/slob.c;
  /// 2.6.24, 2.6.27).
  package var slobLists: Int

  // MARK: kfree_rcu

  /// How `kfree_rcu()` waits for its grace period.
  package enum KfreeRCU: BitwiseCopyable, Sendable, Equatable {
    /// There is none. Up to 2.6.39.
    case none
    /// One RCU callback an object. 3.0 to 5.4.
    case eachObject
    /// Blocks of pointers of a CPU, freed together (`blockEntries` of them in a block).
    case batched
  }
  /// Kernel: `__kfree_rcu()` (include/linux/rcupdate.h; 3.0); `kfree_call_rcu()`,
  /// `kvfree_call_rcu()` (kernel/rcu/tree.c; 5.4, 5.8, 6.12).
  package var kfreeRCU: KfreeRCU
  /// Unit: milliseconds. Kernel: `KFREE_DRAIN_JIFFIES` (kernel/rcu/tree.c; 5.15, 6.1).
  package var kfreeRCUDelay: Int32
  /// Unit: pointers. Kernel: `KVFREE_BULK_MAX_ENTR` (kernel/rcu/tree.c; 5.10, 6.1).
  package var kfreeRCUBlock: Int32
  /// `kmem_cache_destroy()` waits for what `kfree_rcu()` took, and behind a SLAB_TYPESAFE_BY_RCU
  /// cache for its pages. Kernel: `kmem_cache_destroy()` (mm/slab_common.c; 6.11, 6.12).
  package var destroyAwaitsKfreeRCU: Bool

  /// Kernel: `kmem_cache_create()` (mm/slab.c, 2.6.24) halves too.
  package func lineAlignment(of kind: SlabKind) -> LineAlignment {
    switch kind {
    case .slub: slubLineAlignment
    case .slab: .halvedForSmall
    case .slob: slobLineAlignment
    }
  }

  /// The largest class of an allocator. Unit: bytes. SLOB's own limit is below a page.
  package func kmallocCacheMax(_ kind: SlabKind) -> Int {
    switch kind {
    case .slub: slubCacheMax
    case .slab: slabCacheMax
    case .slob: 4096
    }
  }
}
