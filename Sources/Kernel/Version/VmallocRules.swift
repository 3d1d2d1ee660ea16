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
  /// Pages of tables that went out of use are freed by a worker. Kernel: `pagetable_free_kernel()`
  /// (mm/pgtable-generic.c; 6.19).
  package var freesTablesLater: Bool
  /// A purge of aliases takes back every block of vm_map_ram that is used up, not only those that
  /// are nearly full. Kernel: `purge_fragmented_blocks()` (mm/vmalloc.c; 6.1, 6.6).
  package var purgesUsableBlocks: Bool
  /// Blocks of vm_map_ram have a bitmap of what is handed out. Kernel: `struct vmap_block`
  /// (mm/vmalloc.c; 6.1, 6.4).
  package var blocksHaveBitmap: Bool
  /// Kernel: `kvmalloc_node()` (mm/util.c; 4.19, 5.15, 5.17, 6.12, 6.18).
  package var kvmalloc: KvmallocRule

  package static let v6_12 = VmallocRules(
    quarterOfFewIsAll: true, bulkPagesMax: 100, nodesMax: 128, triesLargeOrders: false,
    hugeMappings: .byNodeShare, freesTablesLater: false, purgesUsableBlocks: false,
    blocksHaveBitmap: true, kvmalloc: .blockingNoRetry)
}
