import Hardware
import Simulation
import Testing

@testable import Kernel

/// Random takes and gives by random CPUs, on zones from a few pages up.
@Suite struct PageAllocatorModelTests {

  /// Goal: no page is handed out twice or lost, whatever way it goes. Method: the simplest model
  /// there is, a set of held pages; what is not held is free or on some CPU's list.
  @Test(
    "agrees with a set of pages", arguments: [2, 3, 8, 17, 64, 700, 5000],
    [1, 2, 0xDEAD_BEEF] as [UInt64])
  func model(pages: Int, seed: UInt64) {
    var run = Run(pages: pages, seed: seed)
    for turn in 0..<3000 {
      run.step()
      guard turn % (pages > 64 ? 100 : 10) == 0 else { continue }
      let (fault, total) = (run.allocator.checkInvariants(), run.freePages + run.heldPages.count)
      #expect(fault == nil && total == pages)
    }
    while !run.held.isEmpty { run.free() }
    run.drainAll()
    let (fault, free) = (run.allocator.checkInvariants(), run.allocator.zones[0].freePages)
    #expect(fault == nil && free == pages)
  }

  /// Goal: a clone goes its own way. Method: equal steps on both give equal states.
  @Test func clonesAreIndependent() {
    var run = Run(pages: 700, seed: 7)
    for _ in 0..<500 { run.step() }
    var other = run.clone()
    for _ in 0..<500 { run.step() }
    for _ in 0..<500 { other.step() }
    let isEqual = run.heldPages == other.heldPages && run.freePages == other.freePages
    let fault = other.allocator.checkInvariants()
    #expect(isEqual && fault == nil)
  }

  /// Goal: memory that nobody asked for costs nothing. 8 TiB have 32 GiB of records if made.
  @Test func terabytesCostNothing() {
    let layout = ZoneLayout(
      nodes: [UInt64](repeating: 1 << 40, count: 8), architecture: .x86_64)
    var pages = PageAllocator(
      layout, cpuCounts: [Int](repeating: 512, count: 8), distance: { $0 == $1 ? 10 : 20 })
    let last = pages.zones.count - 1
    var mode = SearchMode.own
    let taken = pages.take(last, .zero, .unmovable, [], &mode)
    let (free, managed) = (pages.zones[last].freePages, pages.zones[last].managed)
    #expect(!taken.block.isNone && free == managed - 1)
    let bytes = pages.map.byteCount
    #expect(bytes < 16 << 20)
  }

  struct Run: ~Copyable {
    var allocator: PageAllocator
    var held: [(block: PFN, order: Order)] = []
    var heldPages: Set<Int> = []
    var random: RandomStream
    let pages: Int

    init(pages: Int, seed: UInt64) {
      self.pages = pages
      random = RandomStream(seed: seed, index: pages)
      let extent = ZoneLayout.Extent(
        node: NodeID(0), kind: .normal, first: 0, end: pages, present: pages, managed: pages,
        firstManaged: 0)
      allocator = PageAllocator(
        ZoneLayout(extents: [extent], pageCount: pages), cpuCounts: [3], distance: { _, _ in 10 })
    }

    private init(cloning other: borrowing Run) {
      allocator = other.allocator.clone()
      (held, heldPages) = (other.held, other.heldPages)
      (random, pages) = (other.random, other.pages)
    }
    func clone() -> Run { Run(cloning: self) }

    var freePages: Int {
      (0..<3).reduce(allocator.zones[0].freePages) { sum, cpu in
        sum + Int(allocator.lists(0, CPUID(cpu)).count)
      }
    }

    mutating func step() {
      switch random.below(100) {
      case 0: drainAll()
      case 1..<52: alloc()
      default: if !held.isEmpty { free() }
      }
    }

    mutating func alloc() {
      let order = Order(random.below(3) == 0 ? random.below(11) : 0)
      let gfp = gfps[random.below(gfps.count)]
      let block = take(order, gfp, CPUID(random.below(3)))
      guard !block.isNone else { return }
      for page in block.index..<block.index + order.pageCount {
        #expect(heldPages.insert(page).inserted, "handed out twice")
      }
      #expect(block.index & (order.pageCount - 1) == 0)
      allocator.prepare(block, order, gfp)
      let last = PFN(block.index + order.pageCount - 1)
      let head = allocator.map.head(of: last)
      #expect(!gfp.contains(.comp) || head == block)
      held.append((block, order))
    }

    private mutating func take(_ order: Order, _ gfp: GFPFlags, _ cpu: CPUID) -> PFN {
      let type = MigrateType(gfp)
      guard PerCPUPages.takes(order) else {
        return allocator.takeDirect(0, order, type, []).block
      }
      let place = allocator.perCPUPlace(0, cpu) ?? allocator.makePerCPU(0, cpu)
      allocator.perCPU[place].noteAllocation()
      let cached = allocator.takeCached(place, order, type)
      guard cached.isNone else { return cached }
      var mode = SearchMode.own
      for _ in 0..<allocator.refillCount(0, place, order) {
        guard !allocator.fetch(0, place, order, type, [], &mode).block.isNone else { break }
      }
      return allocator.takeCached(place, order, type)
    }

    mutating func free() {
      let place = random.below(held.count)
      held.swapAt(place, held.count - 1)
      let (block, order) = held.removeLast()
      for page in block.index..<block.index + order.pageCount { heldPages.remove(page) }
      let wasHeld = allocator.isHeld(block, order)
      allocator.unprepare(block, order)
      let isHeld = allocator.isHeld(block, order)
      #expect(wasHeld && !isHeld)
      guard PerCPUPages.takes(order) else {
        _ = allocator.give(block, order)
        return
      }
      let cpu = CPUID(random.below(3))
      let lists = allocator.perCPUPlace(0, cpu) ?? allocator.makePerCPU(0, cpu)
      var (pages, list) = allocator.putCached(block, order, 0, lists)
      while pages > 0, let drained = allocator.drain(0, lists, from: &list) {
        pages -= drained.order.pageCount
      }
    }

    mutating func drainAll() {
      for cpu in 0..<3 {
        guard let place = allocator.perCPUPlace(0, CPUID(cpu)) else { continue }
        var list = 0
        while allocator.drain(0, place, from: &list) != nil {}
        let count = allocator.perCPU[place].count
        #expect(count == 0)
      }
    }
  }
}

private let gfps: [GFPFlags] = [
  .kernel, .atomic, [.kernel, .movable], [.kernel, .reclaimable], [.kernel, .comp],
]
