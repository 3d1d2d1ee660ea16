import Hardware
import Testing

@testable import Kernel

@Suite struct ZoneTests {
  /// A zone whose formulas see `managed` pages of `all`, the first `free` of which are free.
  private func zone(
    _ kind: ZoneKind, managed: Int, of all: Int, freeMinKiB: Int, free: Int, reserve: Int = 0
  ) -> Zone {
    var map = MemMap(pageCount: free)
    let extent = ZoneLayout.Extent(
      node: NodeID(0), kind: kind, first: 0, end: free, present: free, managed: free,
      firstManaged: 0)
    var zone = Zone(number: 0, extent, &map)
    zone.marks = Watermark(managed: managed, of: all, freeMinKiB: freeMinKiB)
    zone.reserve[2] = reserve
    return zone
  }

  static let needs: [(flags: AllocFlags, needed: Int)] = [
    (.markLow, 17150), (.markMin, 13720), ([.minReserve, .nonBlock], 5145), (.oom, 6860),
    (.minReserve, 6860), (.nonBlock, 13720),
  ]

  /// Golden trace G5: 16 GiB with huge pages on; what each kind of request needs.
  @Test(arguments: ZoneTests.needs)
  func requestsNeedMoreThanTheirMark(flags: AllocFlags, needed: Int) {
    let all = 3840 + 760_000 + 3_300_000
    for (free, isEnough) in [(needed, false), (needed + 1, true)] {
      let zone = zone(.normal, managed: 3_300_000, of: all, freeMinKiB: 67584, free: free)
      let mark = zone.mark(flags.mark)
      #expect(zone.isAbove(mark, .zero, .normal, flags) == isEnough)
    }
  }

  @Test func lowerZonesKeepAReserveFromThoseWhoCouldGoHigher() {
    let all = 3840 + 760_000 + 3_300_000
    for (free, isEnough) in [(3948 + 12_890, false), (3948 + 12_891, true)] {
      let zone = zone(
        .dma32, managed: 760_000, of: all, freeMinKiB: 67584, free: free, reserve: 12_890)
      #expect(zone.marks.low == 3948)
      #expect(zone.isAbove(zone.mark(1), .zero, .normal, .markLow) == isEnough)
      #expect(zone.isAbove(zone.mark(1), .zero, .dma32, .markLow))
    }
  }

  /// A high order needs a block that large, however many pages are free.
  @Test func highOrdersNeedABlock() {
    let zone = zone(.normal, managed: 0, of: 0, freeMinKiB: 0, free: 24)
    #expect(zone.isAbove(0, Order(4), .normal, .markLow))
    #expect(!zone.isAbove(0, Order(5), .normal, .markLow))
  }

  /// Mixing types raises all marks by a pageblock, up to half as much again as the high mark.
  @Test func boostRaisesAllMarks() {
    var zone = zone(.normal, managed: 100_000, of: 100_000, freeMinKiB: 3200, free: 4096)
    #expect(zone.marks.high == 1200)
    zone.raiseMarks(factor: 15_000, flags: .kswapd)
    zone.raiseMarks(factor: 0, flags: .kswapd)
    #expect(zone.boost == 512 && zone.mark(0) == 800 + 512 && zone.isBoosted)
    for _ in 0..<9 { zone.raiseMarks(factor: 15_000, flags: []) }
    #expect(zone.boost == 1800)
  }

  /// The reserve for atomic requests takes one pageblock at a time, of zones large enough.
  @Test func atomicReserve() {
    var map = MemMap(pageCount: 65536)
    let extent = ZoneLayout.Extent(
      node: NodeID(0), kind: .normal, first: 0, end: 65536, present: 65536, managed: 65536,
      firstManaged: 0)
    var zone = Zone(number: 0, extent, &map)
    var work = BuddyWork()
    let block = zone.area.take(1, .movable, &map, &work)
    let first = zone.reserveHighAtomic(block, Order(1), &map)
    #expect(first.moves == 8)
    #expect(zone.highAtomicReserved == 512 && zone.area.highAtomicPages == 510)
    #expect(zone.isAbove(65024, .zero, .normal, [.minReserve]))
    #expect(!zone.isAbove(65024, .zero, .normal, []))
    let other = zone.area.take(10, .movable, &map, &work)
    _ = zone.reserveHighAtomic(other, .max, &map)
    #expect(zone.highAtomicReserved == 1536)
    let refused = zone.reserveHighAtomic(PFN(block.index + 512), .zero, &map)
    let fault = zone.area.checkInvariants(map)
    #expect(refused == BuddyWork() && fault == nil)
  }

  /// From an 8-node machine of rings: the farther the later, and equals are spread by load.
  @Test func zonelistsSpreadEqualDistances() {
    let far = [[10, 20, 20, 30], [20, 10, 30, 20], [20, 30, 10, 20], [30, 20, 20, 10]]
    let list = Zonelist(
      zones: [(NodeID(0), .dma), (NodeID(0), .dma32), (NodeID(0), .normal)]
        + (1...3).map { (NodeID($0), .normal) },
      hasCPUs: [true, true, true, true]
    ) { far[$0.index][$1.index] }
    func nodes(_ node: Int, _ highest: ZoneKind, own: Bool = false) -> [Int] {
      let count = list.count(of: NodeID(node), thisNodeOnly: own)
      var (zones, place) = ([Int](), 0)
      while let next = list.next(NodeID(node), from: place, count: count, highest: highest) {
        zones.append(Int(list.entry(NodeID(node), next).zone))
        place = next + 1
      }
      return zones
    }
    #expect(nodes(0, .normal) == [2, 1, 0, 3, 4, 5])
    #expect(nodes(0, .dma32) == [1, 0])
    #expect(nodes(1, .normal) == [3, 5, 2, 1, 0, 4])
    #expect(nodes(2, .normal) == [4, 5, 2, 1, 0, 3])
    #expect(nodes(3, .normal, own: true) == [5])
    #expect(nodes(1, .dma, own: true) == [])
  }

  /// Memory lies node after node, with a hole below 4 GiB; each zone knows what it manages.
  @Test func layoutOfAMachine() {
    let layout = ZoneLayout(
      nodes: [1536 << 20, 1536 << 20], architecture: .x86_64, lowEnd: 1 << 30)
    let kinds = layout.extents.map { "\($0.node.index) \($0.kind.name)" }
    #expect(kinds == ["0 DMA", "0 DMA32", "0 Normal", "1 Normal"])
    #expect(layout.extents.map(\.present) == [3998, 258_048, 131_072, 393_216])
    #expect(layout.extents[0].managed == 3840 && layout.extents[0].firstManaged == 256)
    #expect(layout.extents[3].managed == 393_216 - 6144)
    #expect(layout.extents[2].first == 1 << 20 && layout.pageCount == 1 << 20 + 524_288)
    var exact = layout
    let isSet = exact.setManaged(NodeID(1), .normal, 385_790)
    #expect(isSet && exact.extents[3].managed == 385_790)
    let refused = [exact.setManaged(NodeID(1), .dma, 1), exact.setManaged(NodeID(0), .dma, 4000)]
    #expect(refused == [false, false])
  }
}
