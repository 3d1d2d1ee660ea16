/// What of the page allocator depends on the release: read by its mechanisms and paths. Each field
/// names the function and file that show it, and the releases compared.
package struct PageRules: BitwiseCopyable, Sendable, Equatable {
  /// How a CPU's lists of pages decide how much to fetch, to keep and to give back.
  package enum ListTuning: UInt8, BitwiseCopyable, Sendable, Equatable {
    /// They keep a fixed number, fetch a batch, and give back more with each drain that no
    /// allocation comes between; a free of order 1 to 3 while that goes on empties them. To 6.6.
    case freeFactor
    /// All of it tunes itself between two limits. From 6.7.
    case automatic
  }
  /// Kernel: `free_unref_page_commit()`, `nr_pcp_free()`, `nr_pcp_high()` (mm/page_alloc.c; 6.1,
  /// 6.6, 6.8, 6.12).
  package var listTuning: ListTuning
}
