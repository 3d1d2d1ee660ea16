/// What a cache was created with. Kernel: `slab_flags_t` (include/linux/slab.h, 6.12); the
/// constructor, a pointer there, is a flag here.
package struct SlabFlags: OptionSet, BitwiseCopyable, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Kernel: `SLAB_HWCACHE_ALIGN`.
  package static let hwCacheAlign = SlabFlags(rawValue: 1 << 0)
  /// Kernel: `SLAB_RECLAIM_ACCOUNT`.
  package static let reclaimAccount = SlabFlags(rawValue: 1 << 1)
  /// Kernel: `SLAB_TYPESAFE_BY_RCU`.
  package static let typesafeByRCU = SlabFlags(rawValue: 1 << 2)
  /// The cache has a constructor, so the free pointer lies behind the object.
  package static let constructor = SlabFlags(rawValue: 1 << 3)
  /// Kernel: `SLAB_CACHE_DMA`.
  package static let dma = SlabFlags(rawValue: 1 << 4)
  /// Kernel: `SLAB_ACCOUNT`.
  package static let account = SlabFlags(rawValue: 1 << 5)
  /// Kernel: `SLAB_KMALLOC`.
  package static let kmalloc = SlabFlags(rawValue: 1 << 6)
  /// One of the two caches that caches are made of; sheaves and statistics leave it out. Kernel:
  /// `SLAB_NO_OBJ_EXT` of `create_boot_cache()` (mm/slab_common.c, 7.0).
  package static let boot = SlabFlags(rawValue: 1 << 7)
  /// The creator put the free pointer inside the object, so no word is added for it. Kernel:
  /// `use_freeptr_offset` (include/linux/slab.h, 6.12).
  package static let freePointerInside = SlabFlags(rawValue: 1 << 8)
  /// Kernel: `SLAB_NO_MERGE`.
  package static let noMerge = SlabFlags(rawValue: 1 << 9)

  // MARK: Debugging

  /// Kernel: `SLAB_CONSISTENCY_CHECKS`, `F`.
  package static let consistency = SlabFlags(rawValue: 1 << 12)
  /// Kernel: `SLAB_RED_ZONE`, `Z`.
  package static let redZone = SlabFlags(rawValue: 1 << 13)
  /// Kernel: `SLAB_POISON`, `P`.
  package static let poison = SlabFlags(rawValue: 1 << 14)
  /// Kernel: `SLAB_STORE_USER`, `U`.
  package static let storeUser = SlabFlags(rawValue: 1 << 15)
  /// Kernel: `SLAB_DEBUG_FLAGS`.
  package static let debug: SlabFlags = [.consistency, .redZone, .poison, .storeUser]

  /// The letters of the boot option `slab_debug`. Returns: `nil` for a letter that is none of F, Z, P
  /// and U. Kernel: `parse_slub_debug_flags()` (mm/slub.c, 6.12).
  package init?(debugLetters letters: String) {
    var flags: SlabFlags = []
    for letter in letters.uppercased() {
      switch letter {
      case "F": flags.insert(.consistency)
      case "Z": flags.insert(.redZone)
      case "P": flags.insert(.poison)
      case "U": flags.insert(.storeUser)
      default: return nil
      }
    }
    self = flags
  }
}
