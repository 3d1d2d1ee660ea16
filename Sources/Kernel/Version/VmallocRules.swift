/// What of vmalloc depends on the release: read by its mechanisms and paths.
///
/// Kernel: mm/vmalloc.c, mm/util.c; releases as compared in each field.
package struct VmallocRules: BitwiseCopyable, Sendable, Equatable {
  /// What a purge takes of a pool of areas is a quarter; where that is none it takes all, since
  /// the count wraps. Kernel: `decay_va_pool_node()`, 6.9 to 6.12.
  package var quarterOfFewIsAll: Bool
  /// Pages one call of the bulk allocator is asked for. Kernel: `vm_area_alloc_pages()`, 5.13+.
  package var bulkPagesMax: Int32
  /// Vmap nodes there are at most. Kernel: `vmap_init_nodes()`, 6.9+.
  package var nodesMax: Int

  package static let v6_12 = VmallocRules(
    quarterOfFewIsAll: true, bulkPagesMax: 100, nodesMax: 128)
}
