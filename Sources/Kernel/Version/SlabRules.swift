/// What of the slab allocator depends on the release: formulas and choices, read by its policies
/// and paths. Each field names the function and file that show it, and the releases compared.
package struct SlabRules: BitwiseCopyable, Sendable, Equatable {
  /// How the order search deals with waste.
  package enum OrderSearch: BitwiseCopyable, Sendable, Equatable {
    /// A sixteenth, an eighth, a quarter; then one object fewer, and again. Up to 6.6.
    case fewerObjects
    /// A sixteenth, an eighth, a quarter, a half, with the objects wanted. From 6.8.
    case moreWaste
  }
  /// Which CPUs the wanted objects a slab are counted by.
  package enum CPUsCounted: BitwiseCopyable, Sendable, Equatable {
    /// `nr_cpu_ids`. Up to 5.10.
    case possible
    /// `num_present_cpus()`, or `nr_cpu_ids` where that is 1. From 5.11.
    case present
  }
  /// What limits a CPU's list of partial slabs.
  package enum CPUPartialUnit: BitwiseCopyable, Sendable, Equatable {
    /// Free objects, counted when a slab was pushed. 3.2 to 5.15.
    case objects
    /// Slabs. From 5.16.
    case slabs
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

  /// Kernel: `calculate_order()` (mm/slub.c; 6.6, 6.8).
  package var orderSearch: OrderSearch
  /// Kernel: `calculate_order()` (mm/slub.c; 5.10, 5.15).
  package var cpusCounted: CPUsCounted
  /// Kernel: `slub_set_cpu_partial()`, `put_cpu_partial()` (mm/slub.c; 5.15, 5.17).
  package var cpuPartialUnit: CPUPartialUnit
  /// Kernel: `create_boot_cache()` (mm/slab_common.c; 5.4, 6.9, 6.11).
  package var kmallocAlignment: KmallocAlignment
  /// The largest class served from slabs; above it the page allocator serves. Unit: bytes.
  ///
  /// Kernel: `KMALLOC_MAX_CACHE_SIZE` (include/linux/slab.h, 6.12).
  package var kmallocCacheMax: Int
  /// A request for a node first takes what that node has without reclaim. From 6.11.
  ///
  /// Kernel: `try_thisnode` in `___slab_alloc()` (mm/slub.c; 6.9 without it, 6.11).
  package var triesNodeFirst: Bool
  /// A request for a node without `__GFP_THISNODE` may take partial slabs of others. From 6.11.
  ///
  /// Kernel: `get_partial()` (mm/slub.c; 6.9, 6.11).
  package var nodeRequestSearchesOthers: Bool

  package static let v6_12 = SlabRules(
    orderSearch: .moreWaste, cpusCounted: .present, cpuPartialUnit: .slabs,
    kmallocAlignment: .largestDivisor, kmallocCacheMax: 8192, triesNodeFirst: true,
    nodeRequestSearchesOthers: true)
}
