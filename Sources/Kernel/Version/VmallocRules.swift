/// What of vmalloc depends on the release: read by its mechanisms and paths. Each field names the
/// function and file that show it, and the releases compared.
package struct VmallocRules: BitwiseCopyable, Sendable, Equatable {
  /// What a purge takes of a pool of areas is a quarter; where that is none it takes all, since
  /// the count wraps. Kernel: `decay_va_pool_node()` (mm/vmalloc.c; 6.9 and 6.12, not 6.18).
  package var quarterOfFewIsAll: Bool
  /// Pages one call of the bulk allocator is asked for.
  ///
  /// Kernel: `vm_area_alloc_pages()` (mm/vmalloc.c; 5.14, 6.12).
  package var bulkPagesMax: Int32
  /// Vmap nodes there are at most. Kernel: `vmap_init_nodes()` (mm/vmalloc.c; 6.9, 6.12).
  package var nodesMax: Int

  package static let v6_12 = VmallocRules(
    quarterOfFewIsAll: true, bulkPagesMax: 100, nodesMax: 128)
}
