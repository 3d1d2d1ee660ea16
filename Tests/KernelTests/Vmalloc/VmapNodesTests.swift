import Hardware
import Simulation
import Testing

@testable import Kernel

private let page: UInt64 = 4096
private let start = Architecture.x86_64.vmallocStart.raw
private let end = Architecture.x86_64.vmallocEnd.raw - 1

/// The address allocator without locks, time or slabs: what the paths drive, in their order.
private struct Allocator: ~Copyable {
  var areas = VmapAreas(capacity: 4)
  var free = VmapTree(augmented: true)
  var nodes: VmapNodes
  var purge: LazyPurge
  var globalSearches = 0

  init(cpus: Int) {
    nodes = VmapNodes(count: VmapNodes.count(cpus: cpus, most: 128), noneMeansAll: true)
    purge = LazyPurge(onlineCPUs: cpus)
    areas.insert(areas.pool.take(VmapArea(start: 1, end: .max)), into: &free)
  }

  /// `alloc_vmap_area()`.
  mutating func allocate(pages: Int, cpu: Int = 0) -> UInt64 {
    let size = UInt64(pages) * page
    let node = nodes.node(ofCPU: cpu)
    var area = VmapAreaID.none
    if !node.isNone, let pooled = nodes.takePooled(size, align: page, from: node, &areas) {
      area = pooled
    } else {
      globalSearches += 1
      let spare = areas.pool.take(VmapArea(start: 0, end: 0))
      let cut = areas.cut(size, align: page, from: start, upper: end, of: &free, spare: spare)!
      area = cut.fit == .middle ? areas.pool.take(VmapArea(start: 0, end: 0)) : spare
      (areas[area].start, areas[area].end) = (cut.start, cut.start + size)
      if !cut.usedUp.isNone { areas.pool.give(cut.usedUp) }
    }
    areas[area].poolNode = node
    areas.insert(area, into: &nodes[nodes.node(of: areas[area].start)].busy)
    return areas[area].start
  }

  /// `find_unlink_vmap_area()` and `free_vmap_area_noflush()`. Returns: whether to purge.
  mutating func release(_ address: UInt64) -> Bool {
    let home = nodes.node(of: address)
    let area = areas.find(address, in: nodes[home].busy).area!
    areas.remove(area, from: &nodes[home].busy)
    areas.insert(area, into: &nodes[nodes.lazyNode(of: areas[area])].lazy)
    return purge.add(pages: Int(areas[area].size / page))
  }

  /// `__purge_vmap_area_lazy()`.
  mutating func purgeAll(isFull: Bool = false) {
    purge.begin(isFull: isFull)
    for index in 0..<nodes.count {
      let node = VmapNodeID(index)
      let decay = nodes.decay(node, isFull: isFull, &areas)
      var tree = decay.tree
      give(areas.detach(&tree).first)
      drop(decay.needless)
      if let span = nodes.detachLazy(node, &areas) {
        purge.add(node, from: span.start, to: span.end)
      }
    }
    var node = purge.nodes.next(from: 0)
    while let current = node {
      while nodes.purge(current, isFull: isFull, limit: 16, &areas) > 0 {}
      purge.pages -= nodes[current].purgedPages
      purge.purgedAreas += Int(nodes[current].purgedAreas)
      give(nodes.takeGlobal(of: current))
      node = purge.nodes.next(from: current.index + 1)
    }
  }

  private mutating func give(_ list: VmapAreaID) {
    var area = list
    while !area.isNone {
      let next = areas[area].next
      let (needless, _) = areas.mergeOrAdd(area, into: &free)
      for area in [needless.0, needless.1] where !area.isNone { areas.pool.give(area) }
      area = next
    }
  }

  private mutating func drop(_ list: VmapAreaID) {
    var area = list
    while !area.isNone {
      let next = areas[area].next
      areas.pool.give(area)
      area = next
    }
  }

  func check() {
    do {
      try areas.checkInvariants(of: free)
      try nodes.checkInvariants(areas)
    } catch { Issue.record("\(error)") }
  }
}

@Suite struct VmapNodesTests {
  /// Golden trace G2 (vmalloc spec, section 11), one CPU, so no pools.
  @Test func firstFitOnAnEmptyRange() {
    var map = Allocator(cpus: 1)
    #expect(map.allocate(pages: 2) == start)
    #expect(map.allocate(pages: 2) == start + 8192)
    #expect(map.allocate(pages: 2) == start + 16384)
    _ = map.release(start + 8192)
    map.purgeAll()
    var copy = Allocator(cpus: 1)
    for _ in 0..<3 { _ = copy.allocate(pages: 2) }
    _ = copy.release(start + 8192)
    copy.purgeAll()
    #expect(map.allocate(pages: 2) == start + 8192)
    #expect(copy.allocate(pages: 3) == start + 3 * 8192)
    map.check()
  }

  /// Golden trace G4: one CPU, areas of five pages.
  @Test func theLazyLimitIsPassedByThe1639thFree() {
    var map = Allocator(cpus: 1)
    #expect(map.purge.pagesMax == 8192)
    let addresses = (0..<1639).map { _ in map.allocate(pages: 5) }
    for address in addresses.dropLast() {
      let over = map.release(address)
      #expect(!over)
    }
    let over = map.release(addresses.last!)
    #expect(over && map.purge.pages == 8195)
    map.purgeAll()
    #expect(map.purge.purgedAreas == 1639 && map.purge.pages == 0)
    #expect(map.purge.start == start && map.purge.end == start + 8195 * page)
    #expect(map.free.count == 1, "all merged again")
    map.check()
  }

  /// Golden trace G4, 64 CPUs.
  @Test func with64CPUsTheLimitIsPassedByThe11469thFree() {
    #expect(LazyMax.pages(onlineCPUs: 64) == 57344)
    #expect(57344 / 5 + 1 == 11469)
  }

  /// The table of lazy_max_pages in the vmalloc spec, section 6; 8 and 16 CPUs also recorded
  /// (groundtruth vmalloc_threshold, 6.12.117).
  @Test(arguments: [
    (1, 8192), (2, 16384), (3, 16384), (4, 24576), (8, 32768), (16, 40960), (63, 49152),
    (64, 57344), (255, 65536), (256, 73728), (1024, 90112), (4096, 106496),
  ])
  func lazyMaxPagesByCPUs(cpus: Int, pages: Int) {
    #expect(LazyMax.pages(onlineCPUs: cpus) == pages)
  }

  /// Golden trace G6.
  @Test func aPurgedAreaGoesToThePoolOfTheNodeThatAskedForIt() {
    var map = Allocator(cpus: 8)
    let three = VmapNodeID(3)
    let first = map.allocate(pages: 5, cpu: 3)
    _ = map.release(first)
    #expect(map.nodes[three].lazy.count == 1)
    map.purgeAll()
    #expect(map.nodes[three].lazy.count == 0 && map.nodes.pooled(5 * page, in: three) == 1)
    let searches = map.globalSearches
    #expect(map.allocate(pages: 5, cpu: 3) == first)
    #expect(map.globalSearches == searches)
    _ = map.allocate(pages: 5, cpu: 4)
    #expect(map.globalSearches == searches + 1)
    map.check()
  }

  @Test func nodesAreAtMost128AndOneCPUHasNoPools() {
    #expect(VmapNodes.count(cpus: 256, most: 128) == 128)
    let nodes = VmapNodes(count: 128, noneMeansAll: true)
    #expect(nodes.node(ofCPU: 3) == nodes.node(ofCPU: 131))
    #expect(VmapNodes(count: 1, noneMeansAll: true).node(ofCPU: 0).isNone)
    #expect(nodes.node(of: 65536 * 129) == VmapNodeID(1))
  }

  /// Golden trace G1: 257 pages with the guard are too many for a pool, 256 are not.
  @Test(arguments: [(256, 1), (257, 0)])
  func theLargestPooledArea(pages: Int, pooled: Int32) {
    var map = Allocator(cpus: 8)
    _ = map.release(map.allocate(pages: pages, cpu: 1))
    map.purgeAll()
    #expect(map.nodes.pooled(UInt64(pages) * page, in: VmapNodeID(1)) == pooled)
    map.check()
  }

  /// A quarter of a pool goes at each purge; up to 6.12 a quarter of three or fewer is all.
  @Test func poolsDecay() {
    var map = Allocator(cpus: 8)
    let node = VmapNodeID(2)
    let addresses = (0..<10).map { _ in map.allocate(pages: 3, cpu: 2) }
    for address in addresses { _ = map.release(address) }
    var left: [Int32] = []
    for _ in 0..<8 {
      map.purgeAll()
      left.append(map.nodes.pooled(3 * page, in: node))
    }
    #expect(left == [10, 8, 6, 5, 4, 3, 0, 0])
    map.check()
  }

  @Test func anOverflowEmptiesAllPools() {
    var map = Allocator(cpus: 8)
    let addresses = (0..<40).map { map.allocate(pages: 2, cpu: $0 % 8) }
    for address in addresses { _ = map.release(address) }
    map.purgeAll()
    map.purgeAll(isFull: true)
    for node in 0..<8 { #expect(map.nodes.pooled(2 * page, in: VmapNodeID(node)) == 0) }
    #expect(map.free.count == 1)
    #expect(map.areas.pool.liveCount == 1)
    map.check()
  }

  /// Kernel: `clamp(nr_lazy / lazy_max, 1, nodes) - 1` (mm/vmalloc.c, 6.9+).
  @Test(arguments: [(100, 8, 0), (32768, 8, 0), (3 * 32768, 8, 2), (100 * 32768, 8, 7)])
  func oneHelperForEachFurtherLimit(lazy: Int, nodes: Int, helpers: Int) {
    #expect(LazyMax.helpers(lazyPages: lazy, lazyMax: 32768, nodesWithWork: nodes) == helpers)
  }

  /// Goal: areas neither overlap nor vanish in a storm over all CPUs with purges of both kinds.
  @Test(arguments: [1, 2, 3, 0xC0FFEE] as [UInt64])
  func nothingOverlapsAndNothingIsLost(seed: UInt64) {
    var map = Allocator(cpus: 5)
    var random = RandomStream(seed: seed, name: "vmap nodes", index: 0)
    var live: [UInt64: Int] = [:]
    for step in 0..<3000 {
      if random.below(2) == 0 || live.isEmpty {
        let pages = 2 + random.below(6)
        let address = map.allocate(pages: pages, cpu: random.below(5))
        #expect(live.updateValue(pages, forKey: address) == nil)
      } else {
        let address = live.keys.sorted()[random.below(live.count)]
        live.removeValue(forKey: address)
        _ = map.release(address)
      }
      if random.below(100) == 0 { map.purgeAll(isFull: random.below(3) == 0) }
      if step % 100 == 0 { map.check() }
    }
    let ranges = live.map { $0.key..<$0.key + UInt64($0.value) * page }
      .sorted { $0.lowerBound < $1.lowerBound }
    for (a, b) in zip(ranges, ranges.dropFirst()) { #expect(a.upperBound <= b.lowerBound) }
    for address in live.keys { _ = map.release(address) }
    map.purgeAll()
    map.purgeAll(isFull: true)
    #expect(map.purge.pages == 0 && map.free.count == 1)
    map.check()
  }
}
