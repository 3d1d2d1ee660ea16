/// Whether the pages of a block can be moved or reclaimed: blocks of a kind are kept together.
///
/// Kernel: `enum migratetype` (include/linux/mmzone.h, 6.12).
/// Not modelled: `MIGRATE_CMA`, `MIGRATE_ISOLATE`.
package enum MigrateType: UInt8, BitwiseCopyable, CaseIterable, Sendable {
  case unmovable = 0
  case movable = 1
  case reclaimable = 2
  /// Set aside for allocations of high order that cannot wait.
  case highAtomic = 3

  /// How many types there are, and how many of them per-CPU lists tell apart.
  static let count = 4
  static let perCPUCount = 3

  /// The type that `gfp` asks for. Kernel: `gfp_migratetype()` (include/linux/gfp.h, 6.12).
  @inline(__always)
  package init(_ gfp: GFPFlags) {
    if gfp.contains(.movable) {
      self = .movable
    } else {
      self = gfp.contains(.reclaimable) ? .reclaimable : .unmovable
    }
  }

  /// Where to look when blocks of this type have run out, in order.
  ///
  /// Kernel: `fallbacks[][]` (mm/page_alloc.c, 6.12).
  var fallbacks: (MigrateType, MigrateType) {
    switch self {
    case .unmovable: (.reclaimable, .movable)
    case .movable: (.reclaimable, .unmovable)
    case .reclaimable, .highAtomic: (.unmovable, .movable)
    }
  }

  /// Whether a pageblock may change to another type. Kernel: `migratetype_is_mergeable()`.
  var isMergeable: Bool { self != .highAtomic }

  /// The type under which a page of such a pageblock lies on a per-CPU list: movable for the
  /// reserve. Kernel: `free_unref_page()` (mm/page_alloc.c, 6.12).
  @inline(__always)
  var onPerCPUList: MigrateType { self == .highAtomic ? .movable : self }
}
