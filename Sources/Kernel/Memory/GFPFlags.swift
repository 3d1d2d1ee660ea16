/// How an allocation may go about it: where from, whether it may sleep, how hard it may try.
///
/// Kernel: include/linux/gfp_types.h (6.12). Bit positions are 6.12's.
package struct GFPFlags: OptionSet, BitwiseCopyable, Hashable, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let dma = GFPFlags(rawValue: 1 << 0)
  package static let highMem = GFPFlags(rawValue: 1 << 1)
  package static let dma32 = GFPFlags(rawValue: 1 << 2)
  package static let movable = GFPFlags(rawValue: 1 << 3)
  package static let reclaimable = GFPFlags(rawValue: 1 << 4)
  package static let high = GFPFlags(rawValue: 1 << 5)
  package static let io = GFPFlags(rawValue: 1 << 6)
  package static let fs = GFPFlags(rawValue: 1 << 7)
  package static let zero = GFPFlags(rawValue: 1 << 8)
  package static let directReclaim = GFPFlags(rawValue: 1 << 10)
  package static let kswapdReclaim = GFPFlags(rawValue: 1 << 11)
  package static let write = GFPFlags(rawValue: 1 << 12)
  package static let noWarn = GFPFlags(rawValue: 1 << 13)
  package static let retryMayFail = GFPFlags(rawValue: 1 << 14)
  package static let noFail = GFPFlags(rawValue: 1 << 15)
  package static let noRetry = GFPFlags(rawValue: 1 << 16)
  package static let memAlloc = GFPFlags(rawValue: 1 << 17)
  package static let comp = GFPFlags(rawValue: 1 << 18)
  package static let noMemAlloc = GFPFlags(rawValue: 1 << 19)
  package static let hardWall = GFPFlags(rawValue: 1 << 20)
  package static let thisNode = GFPFlags(rawValue: 1 << 21)
  package static let account = GFPFlags(rawValue: 1 << 22)

  /// No array of what belongs to objects, and no sheaf, is made for them. Kernel:
  /// `__GFP_NO_OBJ_EXT`.
  package static let noObjectExtension = GFPFlags(rawValue: 1 << 26)

  /// What is known of a call beside its mask, in bits that no flag has: it travels as far as
  /// kmalloc's choice of a cache, and no further.
  ///
  /// The size is known only at run time, so its class is looked up. Kernel: `kmalloc()` without
  /// `__builtin_constant_p(size)` (include/linux/slab.h, 6.12).
  package static let runTimeSize = GFPFlags(rawValue: 1 << 27)
  /// The call is of a set of buckets, whose number stands where a copy's would. Kernel: the argument
  /// of `kmem_buckets_alloc()` (include/linux/slab.h, 6.12).
  static let ofBuckets = GFPFlags(rawValue: 1 << 25)
  static let copyShift: UInt32 = 28
  /// Which copy of the kmalloc caches the place of the call has, 0 to 15. Kernel: `kmalloc_type()`
  /// with CONFIG_RANDOM_KMALLOC_CACHES (include/linux/slab.h, 6.6).
  package static func copy(_ number: Int) -> GFPFlags {
    GFPFlags(rawValue: UInt32(truncatingIfNeeded: number & 15) << copyShift)
  }
  /// A request to a set of buckets, 0 to 15.
  package static func buckets(_ number: Int) -> GFPFlags { [.ofBuckets, .copy(number)] }
  /// The mask alone.
  package var flags: GFPFlags { GFPFlags(rawValue: rawValue & 0x05FF_FFFF) }

  package static let reclaim: GFPFlags = [.directReclaim, .kswapdReclaim]
  package static let atomic: GFPFlags = [.high, .kswapdReclaim]
  package static let kernel: GFPFlags = [.reclaim, .io, .fs]
  package static let kernelAccount: GFPFlags = [.kernel, .account]
  package static let noWait: GFPFlags = [.kswapdReclaim, .noWarn]
  package static let noIO: GFPFlags = [.reclaim]
  package static let noFS: GFPFlags = [.reclaim, .io]
  package static let user: GFPFlags = [.kernel, .hardWall]
  package static let highUser: GFPFlags = [.user, .highMem]
  package static let highUserMovable: GFPFlags = [.highUser, .movable]

  /// Whether the caller may sleep. Kernel: `gfpflags_allow_blocking()`.
  package var allowsBlocking: Bool { contains(.directReclaim) }

  /// Each spelling and what it stands for; combinations first, as the kernel prints them.
  package static let names: [(name: String, flags: GFPFlags)] = [
    ("GFP_HIGHUSER_MOVABLE", .highUserMovable), ("GFP_HIGHUSER", .highUser), ("GFP_USER", .user),
    ("GFP_KERNEL_ACCOUNT", .kernelAccount), ("GFP_KERNEL", .kernel), ("GFP_NOFS", .noFS),
    ("GFP_NOIO", .noIO), ("GFP_ATOMIC", .atomic), ("GFP_NOWAIT", .noWait), ("GFP_DMA", .dma),
    ("GFP_DMA32", .dma32), ("__GFP_DMA", .dma), ("__GFP_HIGHMEM", .highMem),
    ("__GFP_DMA32", .dma32), ("__GFP_MOVABLE", .movable), ("__GFP_RECLAIMABLE", .reclaimable),
    ("__GFP_HIGH", .high), ("__GFP_IO", .io), ("__GFP_FS", .fs), ("__GFP_ZERO", .zero),
    ("__GFP_RECLAIM", .reclaim), ("__GFP_DIRECT_RECLAIM", .directReclaim),
    ("__GFP_KSWAPD_RECLAIM", .kswapdReclaim), ("__GFP_WRITE", .write), ("__GFP_NOWARN", .noWarn),
    ("__GFP_RETRY_MAYFAIL", .retryMayFail), ("__GFP_NOFAIL", .noFail),
    ("__GFP_NORETRY", .noRetry), ("__GFP_MEMALLOC", .memAlloc), ("__GFP_COMP", .comp),
    ("__GFP_NOMEMALLOC", .noMemAlloc), ("__GFP_HARDWALL", .hardWall),
    ("__GFP_THISNODE", .thisNode), ("__GFP_ACCOUNT", .account),
  ]
}
