import Hardware

/// Which family of kmalloc caches serves a request. Kernel: `enum kmalloc_cache_type` (6.12).
///
/// Its number is its place in the table of caches, behind the copies of the normal family.
package enum KmallocFamily: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case normal = 0
  case dma = 16
  case reclaim, cgroup

  /// Copies of the normal family beside itself. Kernel: `RANDOM_KMALLOC_CACHES_NR`
  /// (include/linux/slab.h, 6.6).
  package static let copies = 15
  /// Places in the table: a row for each copy and family.
  static let rows = 19
  /// Sets of buckets there can be; each has a row behind the families'.
  package static let bucketsMax = 16

  /// The family for a request. Kernel: `kmalloc_type()` (include/linux/slab.h, 6.12): DMA goes
  /// before reclaimable, reclaimable before accounted.
  @inline(__always)
  package init(_ gfp: GFPFlags) {
    if gfp.isDisjoint(with: [.dma, .reclaimable, .account]) {
      self = .normal
    } else if gfp.contains(.dma) {
      self = .dma
    } else {
      self = gfp.contains(.reclaimable) ? .reclaim : .cgroup
    }
  }

  /// The row of a request: that of its family, of the copy that its place in the code has, or of
  /// the buckets it names, whatever its family.
  ///
  /// Kernel: `kmalloc_slab()` (mm/slab.h, 6.12).
  @inline(__always)
  static func row(_ gfp: GFPFlags) -> Int {
    let copy = Int(truncatingIfNeeded: gfp.rawValue &>> GFPFlags.copyShift)
    if gfp.isDisjoint(with: [.dma, .reclaimable, .account, .ofBuckets]) { return copy }
    return gfp.contains(.ofBuckets) ? rows &+ copy : Int(KmallocFamily(gfp).rawValue)
  }

  /// Which copy calls from a place get: 4 bits of a hash, so that an attacker cannot tell which
  /// other places share it.
  ///
  /// Kernel: `hash_64(caller ^ random_kmalloc_seed, 4)` (include/linux/slab.h, 6.6).
  package static func copy(site: String, seed: UInt64) -> Int {
    var name: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in site.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(((name ^ seed) &* 0x61C8_8646_80B5_83EB) >> 60)
  }

  /// What stands before the size in a cache's name, since 4.20.
  package var prefix: String {
    switch self {
    case .normal: "kmalloc-"
    case .dma: "dma-kmalloc-"
    case .reclaim: "kmalloc-rcl-"
    case .cgroup: "kmalloc-cg-"
    }
  }

  package var flags: SlabFlags {
    switch self {
    case .normal: .kmalloc
    case .dma: [.kmalloc, .dma]
    case .reclaim: [.kmalloc, .reclaimAccount]
    case .cgroup: [.kmalloc, .account]
    }
  }
}

/// Which kmalloc class serves a size, and how much of it can be used.
///
/// Kernel: `kmalloc_size_index[]`, `__kmalloc_index()`, `setup_kmalloc_cache_index_table()`,
/// `kmalloc_size_roundup()` (mm/slab_common.c, include/linux/slab.h, 6.12).
package struct KmallocClasses: BitwiseCopyable, Sendable {
  /// Classes there are at most, by index: those of SLAB go to 4 MiB. Kernel: `KMALLOC_SHIFT_HIGH`
  /// + 1 (14 in SLUB, 23 in SLAB up to 6.0), for pages of 4 KiB.
  package static let count = 23
  /// The largest request of all. Unit: bytes. Kernel: `KMALLOC_MAX_SIZE`.
  package static let sizeMax = 4096 << 10
  /// Up to this size the table rules. Unit: bytes.
  @usableFromInline static let tableMax = 192

  /// The index of sizes up to 192, one entry for each 8 bytes.
  private var small: InlineArray<24, UInt8>
  /// The largest request that a slab serves. Unit: bytes.
  package let cacheMax: Int
  /// Bytes of the smallest class.
  package let minimum: Int
  private let alignment: SlabRules.KmallocAlignment
  private let naming: SlabRules.KmallocNames
  private let kind: SlabKind

  package init(minimum: Int, kind: SlabKind = .slub, rules: SlabRules) {
    (self.minimum, cacheMax) = (minimum, rules.kmallocCacheMax(kind))
    (alignment, naming) = (rules.kmallocAlignment, rules.kmallocNames)
    self.kind = kind
    small = [3, 4, 5, 5, 6, 6, 6, 6, 1, 1, 1, 1, 7, 7, 7, 7, 2, 2, 2, 2, 2, 2, 2, 2]
    let lowest = UInt8(SlabSizing.fls(minimum - 1))
    for entry in 0..<24 where (entry + 1) * 8 < minimum { small[entry] = lowest }
    if minimum >= 64 { for entry in 8..<12 { small[entry] = 7 } }
    if minimum >= 128 { for entry in 16..<24 { small[entry] = 8 } }
  }

  /// Bytes of the smallest class of an allocator. Kernel: `KMALLOC_SHIFT_LOW` (include/linux/slab.h,
  /// 6.1): 5 in SLAB.
  static func minimum(_ architecture: Architecture, _ kind: SlabKind) -> Int {
    kind == .slab ? max(architecture.kmallocMin, 32) : architecture.kmallocMin
  }

  /// The class of a request of 1 to `cacheMax` bytes. Kernel: `kmalloc_slab()`.
  @inline(__always)
  package func index(of size: Int) -> Int {
    if size <= KmallocClasses.tableMax { return Int(small[(size &- 1) &>> 3]) }
    return Int.bitWidth &- (size &- 1).leadingZeroBitCount
  }

  /// Bytes of the objects of a class. Kernel: `kmalloc_info[]`.
  package static func size(of index: Int) -> Int {
    switch index {
    case 0: 0
    case 1: 96
    case 2: 192
    default: 1 << index
    }
  }

  /// The classes that exist, in the order they are created. Kernel: `create_kmalloc_caches()`.
  package var indices: [Int] {
    let lowest = SlabSizing.fls(minimum - 1)
    let odd = (minimum <= 32 ? [1] : []) + (minimum <= 64 ? [2] : [])
    return odd + Array(lowest..<SlabSizing.fls(cacheMax))
  }

  /// What the release calls a class of a family: `kmalloc-96`, `dma-kmalloc-2k`,
  /// `kmalloc-rnd-07-64`, `size-2048(DMA)`.
  ///
  /// Kernel: `kmalloc_info[].name` (mm/slab_common.c; 4.19, 4.20, 6.6), `malloc_sizes`
  /// (mm/slab.c, 2.6.24), `kmem_cache_init()`, `dma_kmalloc_cache()` (mm/slub.c, 2.6.24).
  package func name(_ family: KmallocFamily, _ index: Int, copy: Int = 0) -> String {
    let size = KmallocClasses.size(of: index)
    guard copy == 0 else {
      return "kmalloc-rnd-\(copy < 10 ? "0" : "")\(copy)-" + KmallocClasses.short(size)
    }
    switch naming {
    case .kibibytes: return family.prefix + KmallocClasses.short(size)
    case .bytes: return family.prefix + "\(size)"
    case .ofAllocator:
      if kind == .slab { return "size-\(size)" + (family == .dma ? "(DMA)" : "") }
      return (family == .dma ? "kmalloc_dma-" : family.prefix) + "\(size)"
    }
  }

  package static func short(_ size: Int) -> String {
    size >= 1 << 20 ? "\(size >> 20)M" : size >= 1024 ? "\(size >> 10)k" : "\(size)"
  }

  /// What a class asks for as alignment. Unit: bytes. Kernel: `create_boot_cache()` (6.12 and 6.9
  /// compared).
  package func alignment(of index: Int) -> Int {
    let size = KmallocClasses.size(of: index)
    let divisor = size & -size
    return switch alignment {
    case .minimum: minimum
    case .powerOfTwo: divisor == size ? max(minimum, size) : minimum
    case .largestDivisor: max(minimum, divisor)
    }
  }

  /// What `ksize()` says of an allocation of `size` bytes. Unit: bytes.
  package func usableSize(_ size: Int, pageSize: Int = 4096) -> Int {
    if size == 0 { return 0 }
    if size <= cacheMax { return KmallocClasses.size(of: index(of: size)) }
    return pageSize << Order.holding(bytes: size, pageSize: pageSize).index
  }

  /// Bytes of an array, `nil` where they overflow. Kernel: `check_mul_overflow()` in
  /// `kmalloc_array()` and `kcalloc()` (include/linux/slab.h, 6.12).
  package static func arrayBytes(count: UInt64, size: UInt64) -> UInt64? {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    return overflow ? nil : bytes
  }
}
