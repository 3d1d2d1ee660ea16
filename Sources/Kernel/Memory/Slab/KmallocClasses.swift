import Hardware

/// Which family of kmalloc caches serves a request. Kernel: `enum kmalloc_cache_type` (6.12).
package enum KmallocFamily: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case normal, dma, reclaim, cgroup

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

  /// What stands before the size in a cache's name.
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
/// `kmalloc_size_roundup()` (mm/slab_common.c, include/linux/slab.h, 6.12). Not modelled:
/// CONFIG_RANDOM_KMALLOC_CACHES, dedicated buckets (`kmem_buckets`).
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

  package init(minimum: Int, kind: SlabKind = .slub, rules: SlabRules) {
    (self.minimum, cacheMax) = (minimum, rules.kmallocCacheMax(kind))
    alignment = rules.kmallocAlignment
    small = [3, 4, 5, 5, 6, 6, 6, 6, 1, 1, 1, 1, 7, 7, 7, 7, 2, 2, 2, 2, 2, 2, 2, 2]
    let lowest = UInt8(SlabSizing.fls(minimum - 1))
    for entry in 0..<24 where (entry + 1) * 8 < minimum { small[entry] = lowest }
    if minimum >= 64 { for entry in 8..<12 { small[entry] = 7 } }
    if minimum >= 128 { for entry in 16..<24 { small[entry] = 8 } }
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

  /// Kernel: `kmalloc_info[].name`: `kmalloc-96`, `dma-kmalloc-2k`.
  package static func name(_ family: KmallocFamily, _ index: Int) -> String {
    let size = size(of: index)
    return family.prefix + (size >= 1024 ? "\(size / 1024)k" : "\(size)")
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
