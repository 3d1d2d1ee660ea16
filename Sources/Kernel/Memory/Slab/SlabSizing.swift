import Hardware

/// How large the objects and slabs of a cache are, and how many slabs it keeps. Formulas alone.
///
/// Kernel: `calculate_sizes()`, `calculate_order()`, `set_cpu_partial()`,
/// `do_kmem_cache_create()` (mm/slub.c, 6.12). Every row of every recorded boot of 6.12 follows.
/// Not modelled: red zones, poisoning, user tracking, a free pointer at an offset of choice.
package struct SlabSizing: BitwiseCopyable, Equatable, Sendable {
  /// Kernel: `slub_max_order` = `PAGE_ALLOC_COSTLY_ORDER`.
  package static let orderMax = 3
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

  /// The sizes of a cache; `nil` where no slab can hold such an object (`-EINVAL`).
  ///
  /// `align` is the final alignment: see `alignment`. `cpuCount` is the number of present CPUs.
  package init?(
    objectSize: Int, align: Int, flags: SlabFlags = [], cpuCount: Int, rules: SlabRules,
    pageSize: Int = 4096
  ) {
    guard objectSize > 0, objectSize <= pageSize << Order.max.index, align > 0,
      align & (align - 1) == 0, align <= pageSize << Order.max.index
    else { return nil }
    var size = roundUp(objectSize, to: SlabSizing.wordSize)
    if flags.contains(.typesafeByRCU) || flags.contains(.constructor) {
      size += SlabSizing.wordSize
    }
    size = roundUp(size, to: align)
    let minOrder = Order.holding(bytes: size, pageSize: pageSize)
    guard minOrder <= .max else { return nil }
    let order = SlabSizing.order(size, cpuCount, rules, pageSize)

    (self.objectSize, self.size, self.align) = (objectSize, size, align)
    (self.order, self.minOrder) = (order, minOrder)
    objects = (pageSize << order.index) / size
    minObjects = (pageSize << minOrder.index) / size
    let log2 = Int.bitWidth - 1 - size.leadingZeroBitCount
    minPartial = min(max(log2 / 2, SlabSizing.partialRange.lowerBound), 10)
    cpuPartial = SlabSizing.cpuPartial(size, rules, pageSize)
    cpuPartialSlabs = (2 * cpuPartial + objects - 1) / objects
  }

  /// The alignment of a cache's objects. Unit: bytes.
  ///
  /// Kernel: `calculate_alignment()` (mm/slab_common.c, 6.12).
  package static func alignment(
    requested: Int, objectSize: Int, flags: SlabFlags, cacheLine: Int
  ) -> Int {
    var align = requested
    if flags.contains(.hwCacheAlign) {
      var line = cacheLine
      while objectSize <= line / 2 { line /= 2 }
      align = max(align, line)
    }
    return roundUp(max(align, wordSize), to: wordSize)
  }

  /// Kernel: `calculate_order()`, `calc_slab_order()` (mm/slub.c; 6.6 and 6.8 compared).
  private static func order(
    _ size: Int, _ cpuCount: Int, _ rules: SlabRules, _ pageSize: Int
  ) -> Order {
    let fitting = max((pageSize << orderMax) / size, rules.orderSearch == .moreWaste ? 1 : 0)
    let wanted = min(4 * (fls(cpuCount) + 1), fitting)

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

    switch rules.orderSearch {
    case .moreWaste:
      if let order = search(wanted, waste: [16, 8, 4, 2]) { return order }
    case .fewerObjects:
      for objects in stride(from: wanted, to: 1, by: -1) {
        if let order = search(objects, waste: [16, 8, 4]) { return order }
      }
      if let order = search(1, waste: [1]) { return order }
    }
    return Order.holding(bytes: size, pageSize: pageSize)
  }

  /// Kernel: `set_cpu_partial()` (mm/slub.c; 5.15 and 5.17 compared).
  private static func cpuPartial(_ size: Int, _ rules: SlabRules, _ pageSize: Int) -> Int {
    switch rules.cpuPartialUnit {
    case .slabs: size >= pageSize ? 6 : size >= 1024 ? 24 : size >= 256 ? 52 : 120
    case .objects: size >= pageSize ? 2 : size >= 1024 ? 6 : size >= 256 ? 13 : 30
    }
  }

  /// The number of the highest bit set, counted from 1. Kernel: `fls()`.
  static func fls(_ value: Int) -> Int { Int.bitWidth - value.leadingZeroBitCount }
}

/// `value` rounded up to a multiple of `step`. Kernel: `ALIGN()`; any step will do here.
func roundUp(_ value: Int, to step: Int) -> Int { (value + step - 1) / step * step }
