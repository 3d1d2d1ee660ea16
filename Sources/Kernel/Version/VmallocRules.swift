/// What of vmalloc depends on the release: read by its mechanisms and paths. Each field names the
/// function and file that show it, and the releases compared.
package struct VmallocRules: BitwiseCopyable, Sendable, Equatable {
  /// When 2 MiB pages are worth their while.
  package enum HugeMappings: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// Never: to 5.17 on x86-64.
    case none
    /// When the part of each node, where no node is named, would fill one. 5.18 to 6.12.
    case byNodeShare
    /// When the size fills one.
    case bySize
  }
  /// What kvmalloc tries before it gives up kmalloc.
  package enum KvmallocRule: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// Only masks with all of GFP_KERNEL may end in vmalloc. 4.12 to 5.16.
    case kernelOnly
    /// Any mask that may block may; kmalloc does not try again. 5.17 to 6.13.
    case blockingNoRetry
    /// The same, but kmalloc does not reclaim at all. 6.14 to 7.0.
    case blockingNoReclaim
    /// Masks that may not block may as well.
    case any
  }

  /// How kvrealloc makes memory larger.
  package enum Reallocation: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// There is none. To 5.14.
    case none
    /// Its caller says how large it was; what is not to grow stays. 5.15 to 6.11.
    case byOldSize
    /// By krealloc and vrealloc, which know.
    case byAllocators
  }
  /// Bits of a mask that `__vmalloc()` and `vmalloc_huge()` take away.
  package enum MaskCheck: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// None, to 6.18; those that are not on a list, to 7.0; on which __GFP_RETRY_MAYFAIL is, too.
    case none, listed, listedWithRetryMayFail
  }

  /// Where addresses are looked for.
  package enum Store: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// Among the areas in use, a list from its head on. To 2.6.27.
    case list
    /// Among the areas in use and those that wait for a purge: down a tree, then from one to the
    /// next. 2.6.28 to 2.6.38.
    case walk
    /// The same, from where the last area was found on. 2.6.39 to 5.1.
    case cachedWalk
    /// In a tree of what is free, which knows the largest size below each node. From 5.2.
    case freeTree
  }
  /// Who gives areas back for good when too many pages are lazy.
  package enum Purger: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// Nothing is lazy: each free flushes. To 2.6.27.
    case eachFree
    /// The freeing CPU, if no other purges, under a spinlock. 2.6.28 to 4.9.
    case underSpinlock
    /// The freeing task, if no other purges, under a mutex. 4.10 to 5.17.
    case underMutex
    /// A worker, until there are few enough. 5.18 to 6.8.
    case workerUntilFew
    /// A worker, once.
    case workerOnce
  }
  /// How the kernel says that a range is used up.
  package enum Exhaustion: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// That vmalloc space is. To 2.6.27.
    case outOfSpace
    /// How much was asked for. To 6.10.
    case useVmalloc
    /// And the range. From 6.11 on.
    case rangeRestricted
  }
  /// Where areas wait for a purge once nobody finds them any more. From 5.2.
  package enum LazyStore: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// On a list that takes no lock. 5.2 to 5.10, and before, where they stay in their tree too.
    case lockless
    /// In a tree in which those that touch are one: what merging makes needless is freed at once.
    /// 5.11 to 6.8.
    case merged
    /// In a tree of each node, as they are, for the pools. From 6.9.
    case ofNode
  }
  /// Whom the bulk allocator serves.
  package enum BulkUse: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// There is none, to 5.12; callers that name a node, to 5.16; all.
    case none, ofNode, all
  }

  /// Kernel: `alloc_vmap_area()` (mm/vmalloc.c; 2.6.28, 2.6.39, 5.4), `__get_vm_area_node()`
  /// (mm/vmalloc.c; 2.6.27).
  package var store: Store
  /// A page is left between areas beside the guard page. Kernel: `alloc_vmap_area()` (mm/vmalloc.c;
  /// 2.6.28 to 2.6.39, not 3.10).
  package var leavesGap: Bool
  /// Free addresses have a lock of their own. Kernel: `free_vmap_area_lock` (mm/vmalloc.c; 5.8, not
  /// 5.4).
  package var hasFreeLock: Bool
  /// An area is found and unlinked under one hold of the lock. Kernel: `find_unlink_vmap_area()`
  /// (mm/vmalloc.c; 6.3, not 6.1).
  package var unlinksAtOnce: Bool
  /// Kernel: `free_vmap_area_noflush()` (mm/vmalloc.c; 5.10, 5.11, 6.6, 6.9).
  package var lazyStore: LazyStore
  /// Kernel: `try_purge_vmap_area_lazy()` (mm/vmalloc.c; 3.10, 4.14, 5.17), `drain_vmap_area_work()`
  /// (mm/vmalloc.c; 5.19, 6.6, 6.12).
  package var purger: Purger
  /// Entries of the page table are cleared with the purge, not with the free. Kernel:
  /// `__purge_vmap_area_lazy()` (mm/vmalloc.c; 2.6.28, 2.6.32, not 2.6.37).
  package var unmapsLate: Bool
  /// vfree in an interrupt is put off; before it is a BUG. Kernel: `vfree()` (mm/vmalloc.c; 3.10, not
  /// 3.2).
  package var defersInInterrupt: Bool
  /// The record of an area, which has a cache of its own from 5.2 on. Unit: bytes. Kernel: `struct
  /// vmap_area` (include/linux/vmalloc.h; 3.10, 4.19, 5.4, 6.12).
  package var areaBytes: Int
  /// Kernel: `__vmalloc_area_node()` (mm/vmalloc.c; 5.12, 5.14, 5.17).
  package var bulkUse: BulkUse
  /// What a purge takes of a pool of areas is a quarter; where that is none it takes all, since
  /// the count wraps. Kernel: `decay_va_pool_node()` (mm/vmalloc.c; 6.9 and 6.12, not 6.18).
  package var quarterOfFewIsAll: Bool
  /// Pages one call of the bulk allocator is asked for.
  ///
  /// Kernel: `vm_area_alloc_pages()` (mm/vmalloc.c; 5.14, 6.12).
  package var bulkPagesMax: Int32
  /// Vmap nodes there are at most. Kernel: `vmap_init_nodes()` (mm/vmalloc.c; 6.9, 6.12).
  package var nodesMax: Int
  /// Blocks are asked for before single pages. Kernel: `vm_area_alloc_pages()` (mm/vmalloc.c; 6.18,
  /// 7.0).
  package var triesLargeOrders: Bool
  /// Kernel: `__vmalloc_node_range()` (mm/vmalloc.c; 5.19, 6.12; by size: Rapoport's patch of October
  /// 2024, in 6.13; 7.0).
  package var hugeMappings: HugeMappings
  /// On arm64 too. Kernel: `arch_vmap_pmd_supported()` (arch/arm64/include/asm/vmalloc.h; 6.1, not
  /// 6.0).
  package var mapsHugeOnARM64: Bool
  /// Pages of tables that went out of use are freed by a worker. Kernel: `pagetable_free_kernel()`
  /// (mm/pgtable-generic.c; 6.19).
  package var freesTablesLater: Bool
  /// A purge of aliases takes back every block of vm_map_ram that is used up, not only those that
  /// are nearly full. Kernel: `purge_fragmented_blocks()` (mm/vmalloc.c; 6.1, 6.6).
  package var purgesUsableBlocks: Bool
  /// The record of a block of vm_map_ram, without bitmaps; a CPU's number came with 6.10. Unit:
  /// bytes. Kernel: `struct vmap_block` (mm/vmalloc.c; 2.6.28, 3.10, 3.13, 4.19, 6.1, 6.4, 6.12).
  package var blockBytes: Int
  /// Its bitmaps, with a bit for each page of the block: of what is handed out and of what waits for
  /// a flush to 3.11, of the second to 4.0, of the first from 6.3 on. Unit: bitmaps. Kernel: `struct
  /// vmap_block` (mm/vmalloc.c; 2.6.28, 3.10, 3.13, 4.19, 6.1, 6.4).
  package var blockBitmaps: Int
  /// __GFP_NOFAIL is honoured: what fails is tried again a tick later; and tables are made within
  /// what the caller's mask allows (GFP_NOFS, GFP_NOIO). Kernel: `__vmalloc_node_range()`,
  /// `__vmalloc_area_node()` (mm/vmalloc.c; 5.17, not 5.15).
  package var honoursMask: Bool
  /// Masks that may not block are served where the task may not sleep; a failed area is given back
  /// by a worker. Kernel: `alloc_vmap_area()`, `defer_vm_area_cleanup()` (mm/vmalloc.c; 7.0; patches
  /// of October 2025, in 6.19).
  package var servesAtomicTasks: Bool
  /// Kernel: `vmalloc_fix_flags()` (mm/vmalloc.c; 6.19, 7.0, 7.1).
  package var maskCheck: MaskCheck
  /// Kernel: `vfree_atomic()` (mm/vmalloc.c; 4.14; patch of December 2016, in 4.10).
  package var hasVfreeAtomic: Bool
  /// Kernel: `kvrealloc()` (mm/util.c; 5.15, 6.1, 6.12).
  package var reallocation: Reallocation
  /// Kernel: `kvmalloc_node()` (mm/util.c; 4.19, 5.15, 5.17, 6.12, 6.18).
  package var kvmalloc: KvmallocRule
  /// Memory of modules is flushed from all TLBs when it is freed, since it was executable. Kernel:
  /// `vm_reset_perms()` (mm/vmalloc.c; 6.12), `vm_remove_mappings()` (mm/vmalloc.c; 5.4; commit
  /// 868b104d7379 is in 5.2).
  package var resetsPermissions: Bool
  /// What the kernel prints when no address is left. Kernel: `alloc_vmap_area()` (mm/vmalloc.c; 2.6.28,
  /// 6.12), `__get_vm_area_node()` (mm/vmalloc.c; 2.6.27).
  package var exhaustion: Exhaustion

  package static let v6_12 = VmallocRules(
    store: .freeTree, leavesGap: false, hasFreeLock: true, unlinksAtOnce: true,
    lazyStore: .ofNode,
    purger: .workerOnce, unmapsLate: false, defersInInterrupt: true, areaBytes: 72,
    bulkUse: .all, quarterOfFewIsAll: true, bulkPagesMax: 100, nodesMax: 128,
    triesLargeOrders: false,
    hugeMappings: .byNodeShare, mapsHugeOnARM64: true, freesTablesLater: false,
    purgesUsableBlocks: false,
    blockBytes: 104, blockBitmaps: 1, honoursMask: true, servesAtomicTasks: false,
    maskCheck: .none, hasVfreeAtomic: true, reallocation: .byAllocators,
    kvmalloc: .blockingNoRetry, resetsPermissions: true, exhaustion: .rangeRestricted)
}
