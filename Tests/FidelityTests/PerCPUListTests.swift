import Hardware
import Testing

@testable import Kernel

/// One CPU's lists of one zone through the recorded operation lists `pcp_order0`,
/// `pcp_order0_big` and `pcp_orders` of Linux 6.12.117, 8 CPUs and 2 nodes: node 0's zone Normal.
@Suite struct PerCPUListTests {
  /// What `pcp.cpu3.n0.Normal` prints.
  struct Figures: Equatable {
    var count, high, allocFactor, freeCount, flags: Int
    init(_ count: Int, _ high: Int, _ allocFactor: Int, _ freeCount: Int, _ flags: Int = 0) {
      (self.count, self.high, self.allocFactor) = (count, high, allocFactor)
      (self.freeCount, self.flags) = (freeCount, flags)
    }
  }

  final class CPU3 {
    var pages: PageAllocator
    let place: Int
    var fetched = 0
    var drained = 0

    init() {
      let extent = ZoneLayout.Extent(
        node: NodeID(0), kind: .normal, first: 1 << 20, end: 1 << 20 + 131_072,
        present: 131_072, managed: 124_617, firstManaged: 1 << 20)
      var settings = PageSettings.standard
      (settings.freeMinKiB, settings.hasLargeCache) = (1148, false)
      pages = PageAllocator(
        ZoneLayout(extents: [extent], pageCount: extent.end), cpuCounts: [4], settings: settings,
        distance: { _, _ in 10 })
      place = pages.makePerCPU(0, CPUID(3))
    }

    var figures: Figures {
      let lists = pages.perCPU[place]
      return Figures(
        Int(lists.count), Int(lists.high), Int(lists.allocFactor), Int(lists.freeCount),
        Int(lists.flags.rawValue))
    }
    func length(_ order: Int) -> Int {
      pages.perCPU[place].length(PerCPUPages.list(Order(order), .unmovable), pages.map)
    }
    var sizing: PerCPUSizing { pages.zones[0].sizing }
    var freePages: Int { pages.zones[0].freePages }

    func alloc(_ count: Int, order: Int = 0) -> [PFN] {
      fetched = 0
      return (0..<count).map { _ in
        pages.perCPU[place].noteAllocation()
        if pages.perCPU[place].isEmpty(PerCPUPages.list(Order(order), .unmovable)) {
          var mode = SearchMode.own
          for _ in 0..<pages.refillCount(0, place, Order(order)) {
            let taken = pages.fetch(0, place, Order(order), .unmovable, [], &mode)
            #expect(!taken.block.isNone)
            fetched += 1
          }
        }
        return pages.takeCached(place, Order(order), .unmovable)
      }
    }

    func free(_ blocks: some Sequence<PFN>, order: Int = 0) {
      drained = 0
      for block in blocks {
        var (left, list) = pages.putCached(block, Order(order), 0, place)
        while left > 0, let block = pages.drain(0, place, from: &list) {
          left -= block.order.pageCount
          drained += 1
        }
      }
    }
  }

  @Test func sizesAreThoseOfTheBoot() {
    let sizing = CPU3().sizing
    #expect([sizing.batch, sizing.highMin, sizing.highMax] == [31, 124, 3894])
  }

  /// pcp_order0, operations 3 to 10.
  @Test func fetchesDoubleAndFreesGather() {
    let cpu = CPU3()
    var held = cpu.alloc(1)
    #expect(cpu.fetched == 31 && cpu.figures == Figures(30, 155, 1, 0))
    held += cpu.alloc(10)
    #expect(cpu.fetched == 0 && cpu.figures == Figures(20, 155, 1, 0))
    held += cpu.alloc(52)
    #expect(cpu.fetched == 62 && cpu.figures == Figures(30, 217, 2, 0))
    held += cpu.alloc(1)
    held += cpu.alloc(200)
    #expect(cpu.fetched == 372 && cpu.figures == Figures(201, 589, 4, 0))
    for (count, expected) in [(64, Figures(265, 589, 0, 64)), (100, Figures(365, 589, 0, 164))] {
      cpu.free(held.suffix(count).reversed())
      held.removeLast(count)
      #expect(cpu.drained == 0 && cpu.figures == expected)
    }
    cpu.free(held.reversed())
    #expect(cpu.drained == 0 && cpu.figures == Figures(465, 589, 0, 264))
  }

  /// pcp_order0_big, operations 3 to 7: refills stop growing at 32 batches, drains follow the
  /// length of the run of frees.
  @Test func highStopsAtItsMaximum() {
    let cpu = CPU3()
    var held = cpu.alloc(4000)
    #expect(cpu.fetched == 4929 && cpu.figures == Figures(929, 3894, 5, 0))
    for (count, expected) in [
      (500, Figures(1429, 3894, 0, 500)), (500, Figures(1929, 3894, 0, 992)),
      (1000, Figures(2929, 3894, 0, 992)),
    ] {
      cpu.free(held.prefix(count))
      held.removeFirst(count)
      #expect(cpu.drained == 0 && cpu.figures == expected)
    }
    cpu.free(held)
    #expect(cpu.drained == 1984 && cpu.figures == Figures(2945, 3894, 0, 992))
    #expect(cpu.freePages + 2945 == 124_617)
  }

  /// pcp_orders, operations 3 to 10: which list, how many blocks a refill, what a free counts.
  @Test func ordersHaveListsOfTheirOwn() {
    let cpu = CPU3()
    let expected: [(order: Int, fetched: Int, after: Figures, freed: Figures)] = [
      (0, 31, Figures(27, 155, 1, 0), Figures(31, 155, 0, 4)),
      (1, 15, Figures(53, 186, 0, 0), Figures(61, 186, 0, 8, 1)),
      (2, 7, Figures(73, 217, 0, 0, 1), Figures(89, 217, 0, 16, 1)),
      (3, 6, Figures(105, 279, 0, 1, 1), Figures(137, 279, 0, 33, 1)),
    ]
    for (order, fetched, after, freed) in expected {
      let held = cpu.alloc(4, order: order)
      #expect(cpu.fetched == fetched && cpu.figures == after)
      cpu.free(held.reversed(), order: order)
      #expect(cpu.drained == 0 && cpu.figures == freed)
    }
    #expect((0...3).map(cpu.length) == [31, 15, 7, 6])
  }

  /// The worker of the vmstat counters: 279 sinks to 245.
  @Test func highDecaysByAnEighth() {
    let cpu = CPU3()
    for order in 0...3 { cpu.free(cpu.alloc(4, order: order).reversed(), order: order) }
    #expect(cpu.figures.high == 279)
    #expect(cpu.pages.perCPU[cpu.place].decay(cpu.sizing) == 0)
    #expect(cpu.figures.high == 245)
  }

  /// Golden trace G3: pages come in the order of their addresses after a refill.
  @Test func pagesComeInOrder() {
    let cpu = CPU3()
    #expect(cpu.alloc(100).map(\.index) == Array(1 << 20..<1 << 20 + 100))
  }

  /// Golden trace G2: a large zone's refills, with nothing freed.
  @Test func refillsDoubleUpToThirtyTwoBatches() {
    let sizing = PerCPUSizing(managed: 16 << 20, low: 18144, cpus: 1)
    var lists = PerCPUPages(sizing, hasLargeCache: true)
    var (refills, highs) = ([Int](), [Int]())
    for _ in 0..<8 {
      refills.append(lists.refillCount(.zero, sizing, isBelowHigh: false))
      highs.append(Int(lists.high))
    }
    #expect(refills == [63, 126, 252, 504, 1008, 2016, 2016, 2016])
    #expect(highs[0] == 18144 + 63 && highs[1] == 18144 + 63 + 126)
    // A zone below its high mark: `high` stays.
    _ = lists.refillCount(.zero, sizing, isBelowHigh: true)
    #expect(Int(lists.high) == highs[7])
  }
}
