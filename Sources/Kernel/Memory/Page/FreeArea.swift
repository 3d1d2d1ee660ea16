import Hardware
import Simulation

/// What an operation on free blocks did, for the path to price. Unit: blocks.
package struct BuddyWork: BitwiseCopyable, Equatable {
  package var splits: Int32 = 0
  package var merges: Int32 = 0
  /// Blocks that went from one list to another of their order.
  package var moves: Int32 = 0

  /// List edits in all, one block's record each.
  package var steps: Int32 { 1 &+ splits &+ merges &+ moves }

  static func += (a: inout BuddyWork, b: BuddyWork) {
    a.splits &+= b.splits
    a.merges &+= b.merges
    a.moves &+= b.moves
  }
}

/// The free blocks of one zone, filed by order and type: the buddy system proper.
///
/// Moves blocks between lists and does nothing else. It knows no time, no lock and no watermark:
/// each operation reports the work it did. Blocks of the highest order that were free at boot and
/// never taken are not on a list but are a range, `fresh`, which stands for the end of the list of
/// movable blocks: there they are in Linux, since only boot puts whole blocks at the end.
///
/// Invariants, verified by `checkInvariants(_:)` in `FreeArea+Invariants.swift`:
/// 1. a free block of order `o` starts at a multiple of 2^`o` pages;
/// 2. a block and its buddy are never both free at one order in one zone, but where one of the
///    two is in the atomic reserve;
/// 3. free blocks do not overlap; `freePages` is the sum of their sizes, `highAtomicPages` of
///    those on the reserve's lists;
/// 4. a free block smaller than a pageblock is on the list of its pageblock's type;
/// 5. bit `o` of `orders[t]` is set when a block of order `o` and type `t` is free.
///
/// Kernel: `struct zone::free_area[]` (include/linux/mmzone.h); `__rmqueue_smallest()`,
/// `expand()`, `__free_one_page()` (mm/page_alloc.c, 6.12).
/// Not modelled: guard pages, `page_reporting`, shuffling, capture by compaction.
package struct FreeArea: BitwiseCopyable {
  static let orderMax = 10

  private var lists: InlineArray<44, PageList>
  private var orders: InlineArray<4, UInt16>
  /// The first page of the first fresh block, and one past the last page of the last.
  private(set) var fresh: Range
  /// Free pages. Unit: pages. Kernel: `NR_FREE_PAGES`.
  package internal(set) var freePages: Int
  /// Free pages on the lists of the atomic reserve. Kernel: `nr_free_highatomic`.
  package private(set) var highAtomicPages: Int
  /// The number that the zone's pages bear.
  let zone: UInt16

  struct Range: BitwiseCopyable {
    var next: Int
    let end: Int
    var blocks: Int { (end - next) / MemMap.chunkPages }
  }

  /// The area of zone number `zone` with the pages `first..<end` free, in blocks as large as they
  /// can be. Kernel: `__free_pages_memory()` (mm/memblock.c, 6.12), from the lowest address.
  init(zone: UInt16, first: PFN, end: PFN, _ map: inout MemMap) {
    self.zone = zone
    lists = InlineArray(repeating: .empty)
    orders = InlineArray(repeating: 0)
    (freePages, highAtomicPages) = (0, 0)
    let chunk = MemMap.chunkPages
    let from = min((first.index + chunk - 1) / chunk * chunk, end.index)
    let to = max(end.index / chunk * chunk, from)
    fresh = Range(next: from, end: to)
    if fresh.blocks > 0 { orders[Int(MigrateType.movable.rawValue)] = 1 << FreeArea.orderMax }
    freePages = to - from
    release(first.index, from, &map)
    release(to, end.index, &map)
  }

  /// Gives the pages `first..<end`, which are no whole chunk, to the lists at boot.
  private mutating func release(_ first: Int, _ end: Int, _ map: inout MemMap) {
    guard first < end else { return }
    map.materialise(PFN(first))
    for page in first..<end { map[PFN(page)].zone = zone }
    var page = first
    while page < end {
      var order = min(page == 0 ? FreeArea.orderMax : page.trailingZeroBitCount, 10)
      while page + 1 << order > end { order -= 1 }
      add(PFN(page), order, .movable, atTail: true, &map)
      page += 1 << order
    }
  }

  // MARK: Reading

  @inline(__always)
  private func place(_ order: Int, _ type: MigrateType) -> Int {
    order &* MigrateType.count &+ Int(type.rawValue)
  }

  /// Free blocks of `order` and `type`. Kernel: what `/proc/pagetypeinfo` counts.
  package func blockCount(_ order: Order, _ type: MigrateType) -> Int {
    let listed = Int(lists[place(order.index, type)].count)
    return order == .max && type == .movable ? listed + fresh.blocks : listed
  }

  /// Free blocks of `order`. Kernel: `nr_free`, what `/proc/buddyinfo` prints.
  package func blockCount(_ order: Order) -> Int {
    MigrateType.allCases.reduce(0) { $0 + blockCount(order, $1) }
  }

  /// A bit for each order of which some block of `type` is free. Kernel: `free_area_empty()`.
  @inline(__always)
  func nonEmptyOrders(_ type: MigrateType) -> UInt16 { orders[Int(type.rawValue)] }

  /// The list of `order` and `type`, without fresh blocks.
  func list(_ order: Int, _ type: MigrateType) -> PageList { lists[place(order, type)] }

  /// The block that would be taken first, or none. Kernel: `get_page_from_free_area()`.
  func first(_ order: Int, _ type: MigrateType) -> PFN {
    let list = lists[place(order, type)]
    guard list.isEmpty else { return list.first }
    guard order == FreeArea.orderMax, type == .movable, fresh.blocks > 0 else { return .none }
    return PFN(fresh.next)
  }

  // MARK: Single edits

  /// Files a free block. Kernel: `__add_to_free_list()`.
  @inline(__always)
  mutating func add(
    _ block: PFN, _ order: Int, _ type: MigrateType, atTail: Bool, _ map: inout MemMap
  ) {
    map[block].state = .free
    map[block].order = Order(order)
    lists[place(order, type)].insert(block, atTail: atTail, &map)
    orders[Int(type.rawValue)] |= 1 &<< UInt16(truncatingIfNeeded: order)
    count(1 &<< order, type)
  }

  /// Takes a block off its list. Kernel: `__del_page_from_free_list()`.
  @inline(__always)
  mutating func remove(_ block: PFN, _ order: Int, _ type: MigrateType, _ map: inout MemMap) {
    let place = place(order, type)
    if block.index == fresh.next, fresh.blocks > 0 {
      enter(block, &map)
    } else {
      lists[place].remove(block, &map)
      map[block].state = .none
    }
    let isLast = lists[place].isEmpty
    if isLast, !(order == FreeArea.orderMax && type == .movable && fresh.blocks > 0) {
      orders[Int(type.rawValue)] &= ~(1 &<< UInt16(truncatingIfNeeded: order))
    }
    count(-(1 &<< order), type)
  }

  /// Gives the first fresh block its records.
  private mutating func enter(_ block: PFN, _ map: inout MemMap) {
    map.materialise(block)
    for page in 0..<MemMap.chunkPages { map[block + page].zone = zone }
    fresh.next += MemMap.chunkPages
  }

  @inline(__always)
  private mutating func count(_ pages: Int, _ type: MigrateType) {
    freePages &+= pages
    if type == .highAtomic { highAtomicPages &+= pages }
  }

  /// Whether a block of exactly `order` starts at `page` and is free in this zone.
  ///
  /// Kernel: `find_buddy_page_pfn()`, `page_is_buddy()` (mm/internal.h, 6.12).
  @inline(__always)
  private func isFree(_ page: Int, _ order: Int, _ map: borrowing MemMap) -> Bool {
    let record = map[PFN(page)]
    return record.state == .free && record.order.index == order && record.zone == zone
  }

  // MARK: Take and give

  /// Takes a block of `order` from the smallest that is large enough on the lists of `type`.
  ///
  /// - Returns: its first page, or none. Complexity: O(orders).
  /// Kernel: `__rmqueue_smallest()`, then `page_del_and_expand()` (mm/page_alloc.c, 6.12).
  mutating func take(
    _ order: Int, _ type: MigrateType, _ map: inout MemMap, _ work: inout BuddyWork
  ) -> PFN {
    let larger = orders[Int(type.rawValue)] &>> UInt16(truncatingIfNeeded: order)
    guard larger != 0 else { return .none }
    let found = order &+ larger.trailingZeroBitCount
    let block = first(found, type)
    remove(block, found, type, &map)
    expand(block, order, found, type, &map, &work)
    return block
  }

  /// Keeps the lower part of a block and files the upper halves. Kernel: `expand()`.
  @inline(__always)
  mutating func expand(
    _ block: PFN, _ order: Int, _ larger: Int, _ type: MigrateType, _ map: inout MemMap,
    _ work: inout BuddyWork
  ) {
    var half = larger
    while half > order {
      half &-= 1
      add(block + 1 &<< half, half, type, atTail: false, &map)
      work.splits &+= 1
    }
  }

  /// Gives a block back, merging it with free buddies as far up as it can.
  ///
  /// A block whose next larger neighbour is free goes to the end of its list, in the hope that
  /// its own buddy is freed soon too.
  ///
  /// - Complexity: O(orders).
  /// Kernel: `__free_one_page()`, `buddy_merge_likely()` (mm/page_alloc.c, 6.12).
  mutating func give(
    _ block: PFN, _ order: Int, _ type: MigrateType, _ map: inout MemMap, _ work: inout BuddyWork
  ) {
    map[block].state = .none
    var (page, order) = (block.index, order)
    while order < FreeArea.orderMax {
      let buddy = page ^ 1 &<< order
      guard isFree(buddy, order, map) else { break }
      var buddyType = type
      if order >= MemMap.pageblockOrder {
        buddyType = map.type(of: PFN(buddy))
        if buddyType != type, !(type.isMergeable && buddyType.isMergeable) { break }
      }
      remove(PFN(buddy), order, buddyType, &map)
      if buddyType != type { map.setType(of: PFN(buddy), Order(order), type) }
      page &= buddy
      order &+= 1
      work.merges &+= 1
    }
    var atTail = false
    if order < FreeArea.orderMax &- 1 {
      let whole = page & ~(1 &<< order)
      atTail = isFree(whole ^ 1 &<< (order &+ 1), order &+ 1, map)
    }
    add(PFN(page), order, type, atTail: atTail, &map)
  }

  /// Moves a free block to the end of another type's list. Kernel: `move_to_free_list()`.
  mutating func move(
    _ block: PFN, from: MigrateType, to: MigrateType, _ map: inout MemMap, _ work: inout BuddyWork
  ) {
    let order = map[block].order.index
    remove(block, order, from, &map)
    add(block, order, to, atTail: true, &map)
    work.moves &+= 1
  }
}
