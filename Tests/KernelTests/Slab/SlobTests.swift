import Hardware
import Simulation
import Testing

@testable import Kernel

/// SLOB: golden trace S4 of the project's page, and a map of bytes fed the same random operations.
@Suite struct SlobTests {
  private func runner(nodes: Int = 1, kernel: String = "6.1") throws -> PathRunner {
    try PathRunner(cpus: nodes, nodes: nodes, kernel: kernel, slab: .slob)
  }

  private func kmalloc(
    _ size: Int, _ runner: inout PathRunner, node: NodeID = .any, on cpu: Int = 0
  ) -> Address {
    runner.call(.kmalloc(.start(size: UInt32(size), gfp: .kernel, node: node)), on: cpu).address
  }

  @Test("S4: kmalloc(100) takes 112 bytes, kmalloc(2040) half a page, kmalloc(4088) a page")
  func s4() throws {
    var runner = try runner()
    let small = (0..<37).map { _ in kmalloc(100, &runner) }
    #expect((1..<36).allSatisfy { small[$0].raw - small[$0 - 1].raw == 112 })
    #expect(small[0].raw & 4095 == 8)
    let pages = runner.world.slab.slob.pageCount
    #expect(pages == 2)
    let large = (0..<3).map { _ in kmalloc(2040, &runner) }
    #expect(large[1].raw - large[0].raw == 2048)
    let (count, listed) = (runner.world.slab.slob.pageCount, runner.world.slab.slob.listed)
    #expect(count == 4 && listed == [2, 0, 1])
    let whole = kmalloc(4088, &runner)
    let left = runner.world.slab.slob.pageCount
    #expect(whole.raw & 4095 == 0 && left == 4)
    let sizes = [small[0], large[0], whole].map { runner.world.slab.size(of: $0) }
    #expect(sizes == [100, 2040, 4096])
    for object in small + large + [whole] { runner.free(object, on: 0) }
    let (end, raised) = (runner.world.slab.slob.pageCount, runner.world.complaints.raised.count)
    #expect(end == 0 && raised == 0)
  }

  @Test("powers of two are aligned from 5.4 on")
  func alignment() throws {
    for (kernel, isAligned) in [("4.19", false), ("5.4", true)] {
      var runner = try runner(kernel: kernel)
      let objects = (0..<8).map { _ in kmalloc(64, &runner) }
      #expect(objects.allSatisfy { $0.raw % 64 == 0 } == isAligned)
    }
  }

  @Test("one list of pages in 2.6.24, three by size from 2.6.27")
  func lists() throws {
    for (kernel, pages) in [("2.6.24", 1), ("2.6.27", 3)] {
      var runner = try runner(kernel: kernel)
      for size in [40, 400, 1200] { _ = kmalloc(size, &runner) }
      let count = runner.world.slab.slob.pageCount
      #expect(count == pages)
    }
  }

  @Test("a second free is told, and so is a pointer into an object")
  func badFrees() throws {
    var runner = try runner()
    let objects = (0..<3).map { _ in kmalloc(100, &runner) }
    runner.free(objects[1], on: 0)
    runner.free(objects[1], on: 0)
    runner.free(objects[0] + 16, on: 0)
    let kinds = runner.world.complaints.raised.map(\.kind)
    #expect(kinds == [.doubleFree, .badFree])
  }

  @Test("objects of caches need no header; those of a page and more are pages")
  func caches() throws {
    var runner = try runner()
    let small = try runner.makeCache("small", size: 50)
    let large = try runner.makeCache("large", size: 5000)
    let objects = [runner.allocate(small, on: 0), runner.allocate(small, on: 0)]
    #expect(objects[1].raw - objects[0].raw == 56)
    let block = runner.allocate(large, on: 0)
    #expect(block.raw & 4095 == 0)
    for (object, cache) in zip(objects + [block], [small, small, large]) {
      _ = runner.call(.kmemCacheFree(.start(cache, object)), on: 0)
    }
    let (end, raised) = (runner.world.slab.slob.pageCount, runner.world.complaints.raised.count)
    #expect(end == 0 && raised == 0)
    _ = runner.call(.kmemCacheDestroy(.start(small)), on: 0)
    let complaints = runner.world.complaints.raised.count
    #expect(complaints == 0)
  }

  @Test("the figures say what is free on each list, in how many holes, and how far searches went")
  func figures() throws {
    var runner = try runner()
    let objects = (0..<40).map { _ in kmalloc(100, &runner) }
    for index in [3, 5, 6] { runner.free(objects[index], on: 0) }
    _ = kmalloc(4080, &runner)
    let (answer, pages) = (runner.world.slab.slobFigures, runner.world.slab.slob.pageCount)
    let figures = try #require(answer)
    // 36 blocks of 108 bytes fill a page but for what alignment leaves between them.
    #expect(figures.lists.map(\.pages) == [2, 0, 1] && figures.fullPages == 0)
    let free = 2 * 4096 - 37 * 108
    #expect(figures.lists[0].freeBytes == free && figures.lists[0].searches == 40)
    #expect(figures.lists[0].misses == 2 && figures.lists[0].pagesPassed == 39)
    // The third object's hole, one of the fifth and sixth together, those between blocks, the end.
    #expect(figures.lists[0].largestHole == 4096 - 3 * 112 - 108)
    #expect(figures.lists[2].freeBytes == 8 && figures.lists[2].holes == 1)
    #expect(figures.pages == pages)
    runner.world.slab.resetStatistics()
    let reset = runner.world.slab.slobFigures?.lists.map(\.searches)
    #expect(reset == [0, 0, 0])
  }

  /// A page as the map of its units: what is used, and which list it is on.
  struct Model {
    var used: [Int: [Bool]] = [:]
    var nodes: [Int: Int] = [:]
    var lists: [[Int]] = [[], [], []]
    var made = 0

    static func list(_ bytes: Int) -> Int { bytes < 256 ? 0 : bytes < 1024 ? 1 : 2 }

    /// Returns: the number of the page and the unit of the block.
    /// nil where it would take more than `pages`.
    mutating func allocate(
      bytes: Int, align: Int, header: Int, node: Int?, own: Int, pages: Int
    ) -> (Int, Int)? {
      let list = Self.list(bytes)
      for (place, page) in lists[list].enumerated() where node == nil || nodes[page] == node {
        guard let unit = fit(page, bytes, align, header) else { continue }
        mark(page, unit, bytes)
        if used[page]!.contains(false) {
          lists[list] = Array(lists[list][place...] + lists[list][..<place])
        } else {
          lists[list].remove(at: place)
        }
        return (page, unit)
      }
      guard used.count < pages else { return nil }
      made += 1
      used[made] = Array(repeating: false, count: 2048)
      nodes[made] = node ?? own
      let unit = fit(made, bytes, align, header)!
      mark(made, unit, bytes)
      if used[made]!.contains(false) { lists[list].insert(made, at: 0) }
      return (made, unit)
    }

    /// The first place of a free stretch from which on all is free. A stretch is tried at its first
    /// aligned place only.
    private func fit(_ page: Int, _ bytes: Int, _ align: Int, _ header: Int) -> Int? {
      let (map, wanted) = (used[page]!, (bytes + 1) / 2)
      var unit = 0
      while unit < 2048 {
        guard !map[unit] else {
          unit += 1
          continue
        }
        var end = unit
        while end < 2048, !map[end] { end += 1 }
        var start = unit
        while (start * 2 + header) % align != 0 { start += 1 }
        if start + wanted <= end { return start }
        unit = end
      }
      return nil
    }

    private mutating func mark(_ page: Int, _ unit: Int, _ bytes: Int) {
      for place in unit..<unit + (bytes + 1) / 2 { used[page]![place] = true }
    }

    mutating func free(_ page: Int, _ unit: Int, bytes: Int) {
      let wasFull = !used[page]!.contains(false)
      for place in unit..<unit + (bytes + 1) / 2 { used[page]![place] = false }
      if !used[page]!.contains(true) {
        used[page] = nil
        for list in 0..<3 { lists[list].removeAll { $0 == page } }
      } else if wasFull {
        lists[Self.list(bytes)].insert(page, at: 0)
      }
    }
  }

  static let models = [
    (1, 1, Int.max), (2, 1, .max), (3, 2, .max), (4, 2, .max), (5, 1, 2), (6, 2, 3),
  ]

  @Test(
    "agrees with a map of bytes, also where all memory is two or three pages", arguments: models)
  func model(seed: Int, nodes: Int, pagesMost: Int) throws {
    var runner = try runner(nodes: nodes)
    runner.pagesLeft = pagesMost
    var failures = 0
    var (model, random) = (Model(), RandomStream(seed: UInt64(seed), index: 3))
    var held: [(page: Int, unit: Int, size: Int, address: Address)] = []
    var bases: [Int: UInt64] = [:]
    for turn in 0..<4000 {
      let cpu = random.below(nodes)
      let wanted = turn / 1000 % 2 == 0 ? 620 : 380
      if random.below(1000) < wanted {
        let size = 1 + random.below([60, 300, 1500, 4087][random.below(4)])
        let node = random.below(6) == 0 ? random.below(nodes) : nil
        let isPower = size & (size - 1) == 0
        let block = model.allocate(
          bytes: size + 8, align: isPower ? max(size, 8) : 8, header: 8, node: node,
          own: runner.world.node(of: CPUID(cpu)).index, pages: pagesMost)
        let address = kmalloc(
          size, &runner, node: node.map { NodeID($0) } ?? .any, on: cpu)
        #expect((block == nil) == (address == .null), "turn \(turn)")
        failures += block == nil ? 1 : 0
        guard let (page, unit) = block, address != .null else { continue }
        let base = bases[page] ?? address.raw & ~4095
        bases[page] = base
        #expect(address.raw == base + UInt64(unit * 2 + 8), "turn \(turn)")
        guard address.raw == base + UInt64(unit * 2 + 8) else { return }
        held.append((page, unit, size, address))
      } else if !held.isEmpty {
        let one = held.remove(at: random.below(held.count))
        model.free(one.page, one.unit, bytes: one.size + 8)
        if model.used[one.page] == nil { bases[one.page] = nil }
        runner.free(one.address, on: cpu)
      }
      let (listed, pages) = (runner.world.slab.slob.listed, runner.world.slab.slob.pageCount)
      #expect(listed == model.lists.map(\.count) && pages == model.used.count, "turn \(turn)")
      if turn % 100 == 0 { try runner.world.slab.checkInvariants() }
    }
    #expect(pagesMost == .max || failures > 100, "memory never ended")
    for one in held { runner.free(one.address, on: 0) }
    try runner.world.slab.checkInvariants()
    let left = runner.pagesLeft
    #expect(left == pagesMost, "a page is lost")
    let (pages, raised) = (
      runner.world.slab.slob.pageCount, runner.world.complaints.raised.count
    )
    #expect(pages == 0 && raised == 0)
  }

  @Test("without memory there is null, and nothing changes")
  func noMemory() throws {
    var runner = try runner()
    let first = kmalloc(1000, &runner)
    runner.hasNoPages = true
    let objects = (0..<5).map { _ in kmalloc(1000, &runner) }
    #expect(objects.filter { $0 == .null }.count == 2)
    try runner.world.slab.checkInvariants()
    for object in objects + [first] { runner.free(object, on: 0) }
    let pages = runner.world.slab.slob.pageCount
    #expect(pages == 0)
  }
}
