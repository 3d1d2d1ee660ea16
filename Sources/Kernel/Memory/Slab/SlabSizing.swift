import Hardware

/// How large the objects and slabs of a cache are, and how many slabs it keeps. Formulas alone.
///
/// Kernel: `calculate_sizes()`, `calculate_order()`, `set_cpu_partial()`,
/// `do_kmem_cache_create()`, `calculate_sheaf_capacity()` (mm/slub.c; 2.6.24 to 7.1 by `SlabRules`).
/// Every row of every recorded boot of 6.1, 6.12, 6.18 and 7.2 follows.
package struct SlabSizing: BitwiseCopyable, Equatable, Sendable {
  /// Kernel: `MAX_OBJS_PER_PAGE`: `slab.objects` has 15 bits.
  package static let objectsMax = 32767
  /// Kernel: `MIN_PARTIAL`, `MAX_PARTIAL`.
  package static let partialRange = 5...10
  static let wordSize = 8

  /// What the user asked for. Unit: bytes.
  package let objectSize: Int
  /// From one object to the next. Unit: bytes. Kernel: `kmem_cache.size`.
  package let size: Int
  /// Unit: bytes.
  package let align: Int
  /// The order tried first, and the objects of such a slab. Kernel: `kmem_cache.oo`.
  package let order: Order
  package let objects: Int
  /// The smallest order that holds an object, tried next. Kernel: `kmem_cache.min`.
  package let minOrder: Order
  package let minObjects: Int
  /// Slabs a node keeps partial before it gives empty ones back.
  package let minPartial: Int
  /// What a CPU's partial list may hold: objects, as sysfs shows it, and slabs, as it is applied.
  package let cpuPartial: Int
  package let cpuPartialSlabs: Int
  /// Objects a sheaf of this cache holds; 0 where it has none. Kernel: `kmem_cache.sheaf_capacity`.
  package let sheafCapacity: Int

  /// The sizes of a cache; `nil` where no slab can hold such an object (`-EINVAL`).
  ///
  /// `align` is the final alignment: see `alignment`. `cpuCount` is the number of present CPUs,
  /// which is that of possible ones too. `sheaf` is the capacity asked for.
  package init?(
    objectSize: Int, align: Int, flags: SlabFlags = [], sheaf: Int = 0, cpuCount: Int,
    rules: SlabRules, pageSize: Int = 4096
  ) {
    guard objectSize > 0, objectSize <= pageSize << Order.max.index, align > 0,
      align & (align - 1) == 0, align <= pageSize << Order.max.index
    else { return nil }
    let size = SlabSizing.bytes(objectSize, align, flags, rules)
    let minOrder = Order.holding(bytes: size, pageSize: pageSize)
    guard minOrder <= .max else { return nil }
    let order = SlabSizing.order(size, cpuCount, rules, pageSize)

    (self.objectSize, self.size, self.align) = (objectSize, size, align)
    (self.order, self.minOrder) = (order, minOrder)
    objects = (pageSize << order.index) / size
    minObjects = (pageSize << minOrder.index) / size
    minPartial = SlabSizing.minPartial(size, rules)
    cpuPartial =
      flags.isDisjoint(with: .debug) ? SlabSizing.cpuPartial(size, rules, pageSize) : 0
    cpuPartialSlabs = (2 * cpuPartial + objects - 1) / objects
    sheafCapacity = SlabSizing.sheafCapacity(size, asked: sheaf, flags, rules, pageSize)
  }

  /// From one object to the next, with what debugging lays around it. Unit: bytes.
  ///
  /// Kernel: `calculate_sizes()` (mm/slub.c; 6.12, its older forms by `SlabRules`).
  private static func bytes(
    _ objectSize: Int, _ align: Int, _ flags: SlabFlags, _ rules: SlabRules
  ) -> Int {
    var size = roundUp(objectSize, to: wordSize)
    let isRed = flags.contains(.redZone)
    if isRed, size == objectSize { size += wordSize }
    let notesSize = flags.isSuperset(of: [.storeUser, .kmalloc]) && rules.notesKmallocSizes
    // The free pointer lies behind what must stay as it is while the object is free, unless the
    // cache's creator said where it is.
    let isReadWhileFree = flags.contains(.typesafeByRCU) && !flags.contains(.freePointerInside)
    let keepsObject = isReadWhileFree || !flags.isDisjoint(with: [.constructor, .poison])
    if keepsObject || isRed && (objectSize < wordSize || notesSize) { size += wordSize }
    if flags.contains(.storeUser) { size += 2 * rules.debugTrackBytes }
    if notesSize { size += wordSize }
    if isRed {
      size += wordSize
      if rules.hasLeftRedZone { size += roundUp(wordSize, to: align) }
    }
    return roundUp(size, to: align)
  }

  /// The alignment of a cache's objects. Unit: bytes.
  ///
  /// Kernel: `calculate_alignment()` (mm/slab_common.c, 6.12; mm/slub.c, 2.6.24);
  /// `kmem_cache_create()` (mm/slab.c, mm/slob.c; 2.6.24).
  package static func alignment(
    requested: Int, objectSize: Int, flags: SlabFlags, cacheLine: Int,
    _ rule: SlabRules.LineAlignment = .halvedForSmall
  ) -> Int {
    var align = requested
    if flags.contains(.hwCacheAlign) {
      var line = cacheLine
      switch rule {
      case .halvedForSmall: while objectSize <= line / 2 { line /= 2 }
      case .wholeForLarge: if objectSize <= line / 2 { line = 0 }
      case .whole: break
      }
      align = max(align, line)
    }
    return roundUp(max(align, wordSize), to: wordSize)
  }

  /// Kernel: `calculate_order()`, `slab_order()`, `calc_slab_order()` (mm/slub.c; 2.6.24, 2.6.27,
  /// 2.6.32, 6.6 and 6.8 compared).
  private static func order(
    _ size: Int, _ cpuCount: Int, _ rules: SlabRules, _ pageSize: Int
  ) -> Order {
    let orderMax = rules.slubOrderMax
    let fitting = max((pageSize << orderMax) / size, rules.orderSearch == .moreWaste ? 1 : 0)
    var wanted = rules.cpusCounted == .none ? 4 : 4 * (fls(cpuCount) + 1)
    // What fits limits what is wanted since 2.6.32.
    if !rules.orderSearch.halves { wanted = min(wanted, fitting) }

    func search(_ objects: Int, waste fractions: [Int]) -> Order? {
      let least = Order.holding(bytes: objects * size, pageSize: pageSize).index
      if (pageSize << least) / size > objectsMax {
        return Order(Order.holding(bytes: size * objectsMax, pageSize: pageSize).index - 1)
      }
      for fraction in fractions {
        for order in stride(from: least, through: orderMax, by: 1) {
          let bytes = pageSize << order
          if bytes % size <= bytes / fraction { return Order(order) }
        }
      }
      return nil
    }

    var objects = wanted
    while objects > 1 || rules.orderSearch == .moreWaste {
      if let order = search(objects, waste: rules.orderSearch.fractions) { return order }
      if rules.orderSearch == .moreWaste { return Order.holding(bytes: size, pageSize: pageSize) }
      objects = rules.orderSearch.halves ? objects / 2 : objects - 1
    }
    return search(1, waste: [1]) ?? Order.holding(bytes: size, pageSize: pageSize)
  }

  /// Kernel: `set_min_partial()`, `kmem_cache_open()` (mm/slub.c; 2.6.24, 2.6.32, 3.10 compared).
  private static func minPartial(_ size: Int, _ rules: SlabRules) -> Int {
    let log2 = fls(size) - 1
    let wanted =
      switch rules.minPartial {
      case .five: 5
      case .logarithm: log2
      case .halfLogarithm: log2 / 2
      }
    return min(max(wanted, partialRange.lowerBound), partialRange.upperBound)
  }

  /// Debug caches have none, whatever they ask for.
  ///
  /// Kernel: `do_kmem_cache_create()` (mm/slub.c, 6.18), `calculate_sheaf_capacity()` (7.0).
  private static func sheafCapacity(
    _ size: Int, asked: Int, _ flags: SlabFlags, _ rules: SlabRules, _ pageSize: Int
  ) -> Int {
    switch rules.sheaves {
    case .none: return 0
    case .onRequest: return flags.isDisjoint(with: .debug) ? asked : 0
    case .all:
      guard flags.isDisjoint(with: [.boot, .debug]) else { return 0 }
      let least = size >= pageSize ? 4 : size >= 1024 ? 12 : size >= 256 ? 26 : 60
      // The sheaf itself is kmalloc'ed: what its class has room for is used.
      let bytes = sheafHeaderBytes + least * wordSize
      let classes = KmallocClasses(minimum: wordSize, rules: rules)
      let capacity = (classes.usableSize(bytes) - sheafHeaderBytes) / wordSize
      return max(capacity, asked)
    }
  }
  /// Kernel: `struct_size()` of `struct slab_sheaf` without objects (mm/slub.c, 7.0). Unit: bytes.
  package static let sheafHeaderBytes = 32

  /// Kernel: `set_cpu_partial()` (mm/slub.c; 5.15 and 5.17 compared).
  private static func cpuPartial(_ size: Int, _ rules: SlabRules, _ pageSize: Int) -> Int {
    switch rules.cpuPartialUnit {
    case .none: 0
    case .slabs: size >= pageSize ? 6 : size >= 1024 ? 24 : size >= 256 ? 52 : 120
    case .objects: size >= pageSize ? 2 : size >= 1024 ? 6 : size >= 256 ? 13 : 30
    }
  }

  /// The number of the highest bit set, counted from 1. Kernel: `fls()`.
  static func fls(_ value: Int) -> Int { Int.bitWidth - value.leadingZeroBitCount }
}

/// `value` rounded up to a multiple of `step`. Kernel: `ALIGN()`; any step will do here.
func roundUp(_ value: Int, to step: Int) -> Int { (value + step - 1) / step * step }

extension SlabRules.OrderSearch {
  /// The shares of a slab that may be wasted, tried in order.
  fileprivate var fractions: [Int] {
    switch self {
    case .halvingCoarse: [8, 4]
    case .halving, .fewerObjects: [16, 8, 4]
    case .moreWaste: [16, 8, 4, 2]
    }
  }
  fileprivate var halves: Bool { self == .halvingCoarse || self == .halving }
}
