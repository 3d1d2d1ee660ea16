import Hardware
import Simulation

/// The blocks of one zone that one CPU keeps for itself, so that most requests need no zone lock.
///
/// Fourteen lists: orders 0 to 3 by three types, and two of huge pages. Frees and takes are last
/// in, first out; what is given back to the buddy system comes from the lists' other ends. How
/// many are fetched and kept tunes itself: fetches double while nothing is freed, `high` grows
/// with each fetch and shrinks when the zone is short or time passes. Up to 6.6 `high` is fixed
/// and only what a drain gives back grows, by `freeFactor`.
///
/// It knows no lock and no zone: the path that holds `lock` moves what `refillCount` and
/// `noteFree` say.
///
/// Invariant, verified by `checkInvariants(_:)`: `count` is the sum of the sizes of the blocks on
/// the lists, and bit `i` of `nonEmpty` is set when list `i` has any.
///
/// Kernel: `struct per_cpu_pages` (include/linux/mmzone.h), `nr_pcp_alloc()`, `nr_pcp_free()`,
/// `nr_pcp_high()`, `free_unref_page_commit()`, `decay_pcp_high()` (mm/page_alloc.c, 6.12).
/// Not modelled: `ZONE_RECLAIM_ACTIVE`, since nothing reclaims; draining of remote nodes' lists
/// by age (`expire`).
package struct PerCPUPages: BitwiseCopyable {
  package static let listCount = 14
  /// Lists below it are of orders 0 to 3. Kernel: `NR_LOWORDER_PCP_LISTS`.
  private static let lowOrderLists = 12
  /// Kernel: `HPAGE_PMD_ORDER`.
  private static let hugeOrder = 9

  /// The first block of each list, whose `previous` is the last.
  private var lists: InlineArray<14, PFN>
  private var nonEmpty: UInt16
  /// Unit of all three: pages.
  package internal(set) var count: Int32
  package internal(set) var high: Int32
  package internal(set) var freeCount: Int16
  package internal(set) var allocFactor: UInt8
  /// Drains that no allocation came between, up to 6.6. Kernel: `per_cpu_pages.free_factor`.
  package internal(set) var freeFactor: UInt8
  package internal(set) var flags: Flags

  package struct Flags: OptionSet, BitwiseCopyable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The last free was of order 1 to 3. Kernel: `PCPF_PREV_FREE_HIGH_ORDER`.
    static let previousFreeWasHigh = Flags(rawValue: 1)
    /// The CPU's share of the last cache holds more than three batches, so that a batch may
    /// gather before blocks of high order are drained. Kernel: `PCPF_FREE_HIGH_BATCH`.
    static let highBatch = Flags(rawValue: 2)
  }

  package init(_ sizing: PerCPUSizing, hasLargeCache: Bool) {
    lists = InlineArray(repeating: .none)
    (nonEmpty, count, freeCount, allocFactor, freeFactor) = (0, 0, 0, 0, 0)
    high = sizing.highMin
    flags = hasLargeCache ? .highBatch : []
  }

  /// Puts what tunes itself back to the start.
  package mutating func reset(_ sizing: PerCPUSizing) {
    (freeCount, allocFactor, flags, high) = (0, 0, [], sizing.highMin)
    freeFactor = 0
  }

  // MARK: Lists

  /// Whether per-CPU lists take blocks of `order`. Kernel: `pcp_allowed_order()`.
  @inline(__always)
  package static func takes(_ order: Order) -> Bool {
    order <= .costly || order.index == hugeOrder
  }

  /// Which list. Kernel: `order_to_pindex()`.
  @inline(__always)
  static func list(_ order: Order, _ type: MigrateType) -> Int {
    guard order <= .costly else { return lowOrderLists &+ (type == .movable ? 1 : 0) }
    return MigrateType.perCPUCount &* order.index &+ Int(type.rawValue)
  }

  /// Kernel: `pindex_to_order()`.
  package static func order(ofList list: Int) -> Order {
    Order(list < lowOrderLists ? list / MigrateType.perCPUCount : hugeOrder)
  }

  package func isEmpty(_ list: Int) -> Bool { lists[list].isNone }

  /// Puts a block at the head of a list, or at its tail as a fetch does.
  @inline(__always)
  mutating func put(
    _ block: PFN, _ order: Order, _ list: Int, atTail: Bool, _ map: inout MemMap
  ) {
    map[block].state = .cached
    map[block].order = order
    count &+= Int32(truncatingIfNeeded: order.pageCount)
    nonEmpty |= 1 &<< UInt16(truncatingIfNeeded: list)
    map.link(block, to: &lists[list], atTail: atTail)
  }

  /// Takes the first block of a list that has one.
  @inline(__always)
  mutating func take(_ list: Int, _ map: inout MemMap) -> PFN {
    let block = lists[list]
    remove(block, list, &map)
    return block
  }

  @inline(__always)
  private mutating func remove(_ block: PFN, _ list: Int, _ map: inout MemMap) {
    count &-= Int32(truncatingIfNeeded: map[block].order.pageCount)
    map.unlink(block, from: &lists[list])
    if lists[list].isNone { nonEmpty &= ~(1 &<< UInt16(truncatingIfNeeded: list)) }
  }

  /// Takes the last block of the first list from `list` on, going round, that has one.
  ///
  /// - Returns: none when all lists are empty. `list` is where the next call goes on.
  /// Kernel: the loop of `free_pcppages_bulk()` (mm/page_alloc.c, 6.12).
  mutating func evict(from list: inout Int, _ map: inout MemMap) -> PFN {
    guard nonEmpty != 0 else { return .none }
    let ahead = nonEmpty &>> UInt16(truncatingIfNeeded: list)
    list = ahead == 0 ? nonEmpty.trailingZeroBitCount : list &+ ahead.trailingZeroBitCount
    let block = map[lists[list]].previous
    remove(block, list, &map)
    return block
  }

  /// Blocks on a list. Complexity: O(blocks). For reports.
  package func length(_ list: Int, _ map: borrowing MemMap) -> Int {
    guard !lists[list].isNone else { return 0 }
    var (length, block) = (1, map[lists[list]].next)
    while block != lists[list] {
      length += 1
      block = map[block].next
    }
    return length
  }

  // MARK: Tuning

  /// How many blocks to fetch because a list is empty; `high` and the factor grow.
  ///
  /// Kernel: `nr_pcp_alloc()` (mm/page_alloc.c, 6.12); `__rmqueue_pcplist()` (mm/page_alloc.c,
  /// 6.1).
  mutating func refillCount(_ order: Order, _ sizing: PerCPUSizing, isBelowHigh: Bool) -> Int {
    if sizing.tuning == .freeFactor {
      let batch = sizing.batch
      return Int(batch > 1 ? max(batch >> Int32(order.index), 2) : batch)
    }
    high = min(max(high, sizing.highMin), sizing.highMax)
    guard high >= sizing.batch else { return 1 }
    var batch = order == .zero ? sizing.batch << Int32(allocFactor) : sizing.batch
    if sizing.highMin != sizing.highMax, !isBelowHigh { high = min(high + batch, sizing.highMax) }
    if order == .zero {
      let most = max(high - count - sizing.batch, sizing.batch)
      if batch <= most, allocFactor < UInt8(PerCPUSizing.batchScaleMax) { allocFactor += 1 }
      batch = min(batch, most)
    }
    return Int(batch > 1 ? max(batch >> Int32(order.index), 2) : batch)
  }

  /// Takes note that an allocation was asked of the lists, which makes drains smaller.
  @inline(__always)
  mutating func noteAllocation() {
    freeCount &>>= 1
    freeFactor &>>= 1
  }

  /// Takes note of a block just put, and says how many pages to drain. 0: none.
  ///
  /// Kernel: `free_unref_page_commit()`, `nr_pcp_high()`, `nr_pcp_free()` (mm/page_alloc.c, 6.12).
  mutating func noteFree(_ order: Order, _ sizing: PerCPUSizing, isBelowHigh: Bool) -> Int {
    if sizing.tuning == .freeFactor { return noteFreeByFactor(order, sizing) }
    allocFactor >>= 1
    var drainsAll = false
    if order > .zero, order <= .costly {
      drainsAll =
        Int32(freeCount) >= sizing.batch && flags.contains(.previousFreeWasHigh)
        && (!flags.contains(.highBatch) || count >= sizing.batch)
      flags.insert(.previousFreeWasHigh)
    } else {
      flags.remove(.previousFreeWasHigh)
    }
    let burst = sizing.batch << Int32(PerCPUSizing.batchScaleMax)
    if Int32(freeCount) < burst { freeCount += Int16(order.pageCount) }
    let limit = limit(sizing, isBelowHigh: isBelowHigh, drainsAll: drainsAll)
    guard count >= limit else { return 0 }
    if drainsAll { return Int(min(count, burst)) }
    guard limit >= sizing.batch else { return 1 }
    return Int(max(min(Int32(freeCount), limit - sizing.batch), sizing.batch))
  }

  /// The same up to 6.6: past `high` a batch goes, twice as many each time in a row.
  ///
  /// Kernel: `free_unref_page_commit()`, `nr_pcp_free()` (mm/page_alloc.c, 6.1).
  private mutating func noteFreeByFactor(_ order: Order, _ sizing: PerCPUSizing) -> Int {
    if freeFactor > 0, order > .zero, order <= .costly { return Int(count) }
    guard count >= sizing.highMin else { return 0 }
    guard sizing.highMin >= sizing.batch else { return 1 }
    let most = sizing.highMin - sizing.batch
    let wanted = sizing.batch << Int32(freeFactor)
    if wanted < most, freeFactor < UInt8(PerCPUSizing.batchScaleMax) { freeFactor += 1 }
    return Int(min(max(wanted, sizing.batch), most))
  }

  /// The count from which on to drain; `high` moves. Kernel: `nr_pcp_high()`.
  private mutating func limit(_ sizing: PerCPUSizing, isBelowHigh: Bool, drainsAll: Bool) -> Int32 {
    high = min(max(high, sizing.highMin), sizing.highMax)
    guard high > 0 else { return 0 }
    if drainsAll {
      high = max(high - sizing.batch << Int32(PerCPUSizing.batchScaleMax), sizing.highMin)
      return 0
    }
    guard sizing.highMin != sizing.highMax else { return high }
    if isBelowHigh {
      high = max(high - max(Int32(freeCount), sizing.batch), sizing.highMin)
      return max(count, sizing.highMin)
    }
    let limit = high
    if count >= limit {
      let needed = Int32(freeCount) + sizing.batch
      if high < needed { high = min(max(needed, sizing.highMin), sizing.highMax) }
    }
    return limit
  }

  /// Lets `high` sink by an eighth, as once a second, and says how many pages to drain.
  ///
  /// Kernel: `decay_pcp_high()` (mm/page_alloc.c, 6.12), from the vmstat worker.
  package mutating func decay(_ sizing: PerCPUSizing) -> Int {
    guard sizing.tuning == .automatic else { return 0 }
    if high > sizing.highMin {
      let burst = sizing.batch << Int32(PerCPUSizing.batchScaleMax)
      high = max(count - burst, high - high >> 3, sizing.highMin)
    }
    return Int(max(count - high, 0))
  }

  /// What is wrong, or nil. Complexity: O(blocks).
  package func checkInvariants(_ map: borrowing MemMap) -> String? {
    var pages = 0
    for list in 0..<PerCPUPages.listCount {
      if lists[list].isNone != (nonEmpty & 1 << UInt16(list) == 0) { return "list \(list): bit" }
      pages += length(list, map) * PerCPUPages.order(ofList: list).pageCount
      if !lists[list].isNone, map[lists[list]].state != .cached { return "list \(list): record" }
    }
    return pages == Int(count) ? nil : "\(pages) pages on the lists, \(count) counted"
  }
}
