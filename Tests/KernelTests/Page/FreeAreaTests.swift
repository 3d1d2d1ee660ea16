import Hardware
import Testing

@testable import Kernel

/// One zone and its map, so that tests speak of pages alone.
private final class Area {
  var map: MemMap
  var area: FreeArea
  let end: Int

  init(pages: Int, free: Range<Int>? = nil) {
    end = pages
    map = MemMap(pageCount: pages)
    let free = free ?? 0..<pages
    area = FreeArea(
      zone: 0, first: PFN(free.lowerBound), end: PFN(free.upperBound), &map)
  }

  func take(_ order: Int, _ type: MigrateType = .movable) -> Int {
    var work = BuddyWork()
    return area.take(order, type, &map, &work).index
  }

  func search(
    _ order: Int, _ type: MigrateType, _ flags: AllocFlags = [], mode: SearchMode = .own
  ) -> Taken {
    var mode = mode
    return area.take(order, type, flags, &mode, span: (0, end), &map)
  }

  @discardableResult
  func give(_ page: Int, _ order: Int) -> BuddyWork {
    var work = BuddyWork()
    area.give(PFN(page), order, map.type(of: PFN(page)), &map, &work)
    return work
  }

  var fault: String? { area.checkInvariants(map) }

  /// The blocks of an order in the list's order.
  func list(_ order: Int, _ type: MigrateType = .movable) -> [Int] {
    let list = area.list(order, type)
    var (blocks, block) = ([Int](), list.first)
    for _ in 0..<list.count {
      blocks.append(block.index)
      block = map[block].next
    }
    return blocks
  }
}

@Suite struct FreeAreaTests {
  /// Golden trace G1: splits keep the lower half, exact fits come first, frees merge upwards.
  @Test func splitsAndMergesAsTheGoldenTrace() {
    let zone = Area(pages: 1024)
    #expect(zone.take(0) == 0)
    for order in 0..<10 { #expect(zone.list(order) == [1 << order]) }
    #expect(zone.take(3) == 8)
    #expect(zone.take(1) == 2)
    #expect(zone.take(0) == 1)
    zone.give(1, 0)
    #expect(zone.list(0) == [1])
    zone.give(0, 0)
    #expect(zone.list(1) == [0])
    zone.give(2, 1)
    #expect(zone.list(3) == [0])
    #expect(zone.give(8, 3).merges == 7)
    #expect(zone.area.blockCount(.max) == 1 && zone.area.freePages == 1024)
    #expect(zone.fault == nil)
  }

  /// A block goes to the end of its list when the next larger neighbour is free.
  @Test func likelyMergesWaitAtTheTail() {
    let zone = Area(pages: 1024)
    let blocks = (0..<16).map { _ in zone.take(0) }
    #expect(blocks == Array(0..<16))
    zone.give(9, 0)  // its neighbours 10 and 11 are in use: head
    zone.give(5, 0)
    #expect(zone.list(0) == [5, 9])
    zone.give(2, 0)
    zone.give(3, 0)
    zone.give(1, 0)  // 2 and 3 are free as a block: tail
    #expect(zone.list(0) == [5, 9, 1])
  }

  /// Whole blocks that were never taken cost no record and come after those that were.
  @Test func freshBlocksStandForTheTail() {
    let zone = Area(pages: 8 << 10)
    #expect(zone.area.blockCount(.max) == 8)
    #expect(zone.take(10) == 0)
    #expect(zone.take(10) == 1024)
    zone.give(0, 10)
    #expect(zone.list(10) == [0])
    #expect(zone.area.blockCount(.max) == 7)
    #expect([zone.take(10), zone.take(10)] == [0, 2048])
    #expect(zone.fault == nil)
  }

  /// An unmovable request takes a whole block over: no event of the lock, a new owner.
  @Test func claimsWholePageblocks() {
    let zone = Area(pages: 4096)
    let taken = zone.search(0, .unmovable)
    #expect(taken.block == PFN(0) && taken.fallbackOrder == 10 && taken.changedOwner)
    #expect(!taken.isTracedAsLocked && taken.boosts == 0)
    #expect(zone.map.type(of: PFN(0)) == .unmovable && zone.map.type(of: PFN(512)) == .unmovable)
    #expect(zone.map.type(of: PFN(1024)) == .movable)
    #expect(zone.search(0, .unmovable).fallbackOrder == -1)
    #expect(zone.fault == nil)
  }

  /// What is in use in a movable pageblock counts as alike, so any other type claims it; a movable
  /// request finds 255 of 512 pages free, claims nothing and steals the smallest block.
  @Test func claimsByHalfAndStealsTheSmallest() {
    let zone = Area(pages: 1024)
    for _ in 0..<2 { _ = zone.take(9) }
    zone.give(256, 8)
    zone.map.setType(of: PFN(512), Order(9), .unmovable)
    zone.give(512, 3)
    let stolen = zone.search(0, .reclaimable, mode: .steal)
    #expect(stolen.block == PFN(512) && !stolen.changedOwner)
    #expect(zone.map.type(of: PFN(512)) == .unmovable)
    let claimed = zone.search(0, .reclaimable)
    #expect(claimed.block == PFN(256) && claimed.changedOwner && claimed.isTracedAsLocked)
    #expect(claimed.boosts == 1 && zone.map.type(of: PFN(0)) == .reclaimable)
    let movable = zone.search(0, .movable)
    #expect(movable.block == PFN(257) && !movable.changedOwner && movable.boosts == 4)
    #expect(zone.map.type(of: PFN(0)) == .reclaimable)
    #expect(zone.fault == nil)
  }

  /// While fragments are to be avoided, blocks below a pageblock are left alone.
  @Test func avoidsFragments() {
    let zone = Area(pages: 512)
    let bound = zone.search(0, .unmovable, .noFragment)
    #expect(bound.fallbackOrder == 9)
    let small = Area(pages: 1024, free: 0..<256)
    #expect(small.search(0, .unmovable, .noFragment).block.isNone)
    #expect(small.search(0, .unmovable).block == PFN(0))
  }

  /// Buddies across the end of a zone do not exist.
  @Test func mergesEndAtTheZone() {
    var map = MemMap(pageCount: 64)
    var low = FreeArea(zone: 0, first: PFN(0), end: PFN(24), &map)
    let high = FreeArea(zone: 1, first: PFN(24), end: PFN(64), &map)
    #expect(low.blockCount(Order(4)) == 1 && low.blockCount(Order(3)) == 1)
    #expect(high.blockCount(Order(3)) == 1 && high.blockCount(Order(5)) == 1)
    var work = BuddyWork()
    let block = low.take(3, .movable, &map, &work)
    #expect(block == PFN(16))
    low.give(PFN(16), 3, .movable, &map, &work)
    #expect(low.blockCount(Order(3)) == 1 && work.merges == 0)
    let faults = [low.checkInvariants(map), high.checkInvariants(map)]
    #expect(faults == [nil, nil])
  }
}
