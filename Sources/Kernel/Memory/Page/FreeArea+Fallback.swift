import Hardware

/// How far the search for a block has come, remembered over the blocks of one refill so that the
/// lists that were empty are not searched again.
///
/// Kernel: `enum rmqueue_mode` (mm/page_alloc.c, 6.15, and 6.12.y).
enum SearchMode: UInt8, BitwiseCopyable { case own, claim, steal }

/// A block that was taken, and what it took to find it.
struct Taken: BitwiseCopyable {
  var block: PFN
  /// The block of another type that was broken into; order and type. -1: none was.
  var fallbackOrder: Int8
  var fallbackType: MigrateType
  /// Whether the pageblock changed its type.
  var changedOwner: Bool
  /// Whether it came off its list by `take`, which Linux traces as `mm_page_alloc_zone_locked`.
  var isTracedAsLocked: Bool
  /// Times that mixing types asked for a higher watermark. Kernel: `boost_watermark()`.
  var boosts: Int32
  var work: BuddyWork

  static var none: Taken {
    Taken(
      block: .none, fallbackOrder: -1, fallbackType: .unmovable, changedOwner: false,
      isTracedAsLocked: false, boosts: 0, work: BuddyWork())
  }
}

extension FreeArea {
  /// Takes a block for a request of `type`: of its own lists, else of a pageblock that it may
  /// claim, else the smallest of another type.
  ///
  /// - Parameter span: the pages of the zone, since a pageblock that reaches over it is not moved.
  /// Kernel: `__rmqueue()` (mm/page_alloc.c, 6.12.y after the backport of 6.15's split).
  mutating func take(
    _ order: Int, _ type: MigrateType, _ flags: AllocFlags, _ mode: inout SearchMode,
    span: (first: Int, end: Int), _ map: inout MemMap
  ) -> Taken {
    var taken = Taken.none
    if mode == .own {
      taken.block = take(order, type, &map, &taken.work)
      taken.isTracedAsLocked = true
      if !taken.block.isNone { return taken }
      taken.isTracedAsLocked = false
    }
    if mode != .steal {
      claim(order, type, flags, span, &map, &taken)
      if !taken.block.isNone {
        mode = .own
        return taken
      }
    }
    guard !flags.contains(.noFragment) else { return taken }
    steal(order, type, &map, &taken)
    if !taken.block.isNone { mode = .steal }
    return taken
  }

  /// Searches the other types from the largest block down for a pageblock to take over.
  ///
  /// Kernel: `__rmqueue_claim()` (mm/page_alloc.c, 6.12.y).
  private mutating func claim(
    _ order: Int, _ type: MigrateType, _ flags: AllocFlags, _ span: (first: Int, end: Int),
    _ map: inout MemMap, _ taken: inout Taken
  ) {
    let isBound = flags.contains(.noFragment) && order < MemMap.pageblockOrder
    let smallest = isBound ? MemMap.pageblockOrder : order
    var larger = FreeArea.orderMax
    while larger >= smallest {
      guard FreeArea.mayClaim(larger, type) else { return }
      if let other = fallback(larger, for: type) {
        tryToClaim(first(larger, other), larger, order, from: other, to: type, span, &map, &taken)
        if !taken.block.isNone {
          (taken.fallbackOrder, taken.fallbackType) = (Int8(larger), other)
          return
        }
      }
      larger -= 1
    }
  }

  /// Takes the smallest block of another type and leaves its pageblock as it is.
  ///
  /// Kernel: `__rmqueue_steal()` (mm/page_alloc.c, 6.12.y).
  private mutating func steal(
    _ order: Int, _ type: MigrateType, _ map: inout MemMap, _ taken: inout Taken
  ) {
    for larger in order...FreeArea.orderMax {
      guard let other = fallback(larger, for: type) else { continue }
      let block = first(larger, other)
      remove(block, larger, other, &map)
      expand(block, order, larger, other, &map, &taken.work)
      taken.block = block
      (taken.fallbackOrder, taken.fallbackType) = (Int8(larger), other)
      return
    }
  }

  /// Which other type has a free block of `order`. Kernel: `find_suitable_fallback()`.
  private func fallback(_ order: Int, for type: MigrateType) -> MigrateType? {
    let (second, third) = type.fallbacks
    let bit = UInt16(1) << UInt16(order)
    if nonEmptyOrders(second) & bit != 0 { return second }
    return nonEmptyOrders(third) & bit != 0 ? third : nil
  }

  /// Kernel: `should_try_claim_block()` (mm/page_alloc.c, 6.12.y).
  private static func mayClaim(_ order: Int, _ type: MigrateType) -> Bool {
    order >= MemMap.pageblockOrder / 2 || type == .reclaimable || type == .unmovable
  }

  /// Takes a whole pageblock over if at least half of it is free or in use by our like.
  ///
  /// Kernel: `try_to_claim_block()` (mm/page_alloc.c, 6.12.y).
  /// Not modelled: pages in use that could be moved; all are taken to be kernel pages.
  private mutating func tryToClaim(
    _ block: PFN, _ larger: Int, _ order: Int, from other: MigrateType, to type: MigrateType,
    _ span: (first: Int, end: Int), _ map: inout MemMap, _ taken: inout Taken
  ) {
    if larger >= MemMap.pageblockOrder {
      remove(block, larger, other, &map)
      map.setType(of: block, Order(larger), type)
      expand(block, order, larger, type, &map, &taken.work)
      (taken.block, taken.changedOwner) = (block, true)
      return
    }
    taken.boosts += 1
    let first = block.index & ~(MemMap.pageblockPages - 1)
    let end = first + MemMap.pageblockPages
    guard first >= span.first, end <= span.end else { return }
    let free = freePages(from: first, to: end, map)
    let alike = type != .movable && other == .movable ? MemMap.pageblockPages - free : 0
    guard free + alike >= MemMap.pageblockPages / 2 else { return }
    moveBlock(first, from: other, to: type, &map, &taken.work)
    taken.changedOwner = true
    taken.block = take(order, type, &map, &taken.work)
    taken.isTracedAsLocked = true
  }

  /// The free pages in a pageblock. Kernel: `prep_move_freepages_block()`.
  private func freePages(from first: Int, to end: Int, _ map: borrowing MemMap) -> Int {
    var (page, free) = (first, 0)
    while page < end {
      let record = map[PFN(page)]
      let pages = record.state == .free ? record.order.pageCount : 1
      if record.state == .free { free += pages }
      page += pages
    }
    return free
  }

  /// Moves the free blocks of a pageblock to another type's lists, and the pageblock to that type.
  ///
  /// Kernel: `__move_freepages_block()`, `set_pageblock_migratetype()` (mm/page_alloc.c, 6.12).
  mutating func moveBlock(
    _ first: Int, from: MigrateType, to type: MigrateType, _ map: inout MemMap,
    _ work: inout BuddyWork
  ) {
    var page = first
    while page < first + MemMap.pageblockPages {
      let record = map[PFN(page)]
      if record.state == .free {
        move(PFN(page), from: from, to: type, &map, &work)
        page += record.order.pageCount
      } else {
        page += 1
      }
    }
    map.setType(of: PFN(first), Order(MemMap.pageblockOrder), type)
  }
}
