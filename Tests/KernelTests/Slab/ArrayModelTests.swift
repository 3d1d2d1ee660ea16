import Hardware
import Simulation
import Testing

@testable import Kernel

/// SLAB's paths against `ArrayModel`, fed the same random operations: each object that the model
/// hands out twice must have the same address twice, and all counts must be equal all the time.
@Suite struct ArrayModelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let version: KernelVersion
    let cpus, nodes, size: Int
    let seed: UInt64
    var hasFailures = false
    /// Of all memory.
    var pages = Int.max
    var testDescription: String {
      "\(version.name), \(cpus) CPUs, \(nodes) nodes, \(size) bytes, seed \(seed)"
        + (hasFailures ? ", failing page allocations" : "")
        + (pages < .max ? ", \(pages) pages of memory" : "")
    }
  }

  static let cases: [Case] = [
    Case(version: .v6_1, cpus: 4, nodes: 2, size: 512, seed: 1),
    Case(version: .v6_1, cpus: 4, nodes: 2, size: 512, seed: 2, hasFailures: true),
    Case(version: .v6_1, cpus: 1, nodes: 1, size: 700, seed: 3, hasFailures: true),
    Case(version: .v5_4, cpus: 3, nodes: 1, size: 96, seed: 4),
    Case(version: .v5_4, cpus: 4, nodes: 4, size: 8192, seed: 5, hasFailures: true),
    Case(version: .v4_1, cpus: 4, nodes: 2, size: 1024, seed: 6, hasFailures: true),
    Case(version: .v3_10, cpus: 4, nodes: 2, size: 256, seed: 7),
    Case(version: .v2_6_24, cpus: 2, nodes: 2, size: 2048, seed: 8, hasFailures: true),
    Case(version: .v2_6_24, cpus: 1, nodes: 1, size: 200_000, seed: 9),
    Case(version: .v6_1, cpus: 1, nodes: 1, size: 512, seed: 10, pages: 2),
    Case(version: .v6_1, cpus: 4, nodes: 2, size: 1024, seed: 11, pages: 3),
    Case(version: .v4_1, cpus: 1, nodes: 1, size: 96, seed: 12, pages: 2),
    Case(version: .v2_6_24, cpus: 2, nodes: 1, size: 256, seed: 13, hasFailures: true, pages: 2),
  ]

  @Test("agrees with lists of numbers", arguments: cases)
  func model(one: Case) throws {
    var runner = try PathRunner(
      cpus: one.cpus, nodes: one.nodes, bytesPerNode: 1 << 30, kernel: one.version.name, slab: .slab
    )
    let cache = try runner.makeCache("test", size: one.size)
    let known = runner.world.slab.arraySizing(of: cache)
    let sizing = try #require(known)
    let nodeOf = (0..<one.cpus).map { runner.world.node(of: CPUID($0)).index }
    var model = ArrayModel(
      sizing, nodeOf: nodeOf, nearest: nearest(runner), isNew: one.version.slab.checksNodeUnlocked)
    var random = RandomStream(seed: one.seed, index: 7)
    var (used, addresses) = ([Int](), [Int: Address]())
    runner.pagesLeft = one.pages
    var failures = 0
    for turn in 0..<6000 {
      let cpu = random.below(one.cpus)
      runner.hasNoPages = one.hasFailures && random.below(3) == 0
      model.hasNoPages = runner.hasNoPages || runner.pagesLeft < sizing.order.pageCount
      let wanted = turn / 1500 % 2 == 0 ? 600 : 400
      if random.below(1000) < wanted, used.count < 1200 {
        let node = random.below(8) == 0 ? random.below(one.nodes) : nil
        let object = model.allocate(node: node, on: cpu)
        let address = runner.allocate(
          cache, gfp: .atomic, node: node.map { NodeID($0) } ?? .any, on: cpu)
        #expect((object == nil) == (address == .null), "turn \(turn)")
        failures += object == nil ? 1 : 0
        guard let object else { continue }
        #expect(addresses[object] ?? address == address, "turn \(turn): another object")
        addresses[object] = address
        used.append(object)
      } else if !used.isEmpty {
        let object = used.remove(at: random.below(used.count))
        model.free(object, on: cpu)
        runner.free(addresses[object]!, on: cpu)
      }
      if random.below(400) == 0 { reap(cpu, cache, &runner, &model) }
      if random.below(1500) == 0 { shrink(cpu, cache, &runner, &model) }
      let figures = runner.world.slab.arrayFigures(of: cache)
      #expect(figures == model.figures, "turn \(turn)")
      guard figures == model.figures else { return }
      if turn % 200 == 0 { try walk(runner, cache, used.count) }
    }
    #expect(one.pages == .max || failures > 100, "memory never ended")
    for object in used {
      model.free(object, on: 0)
      runner.free(addresses[object]!, on: 0)
    }
    shrink(0, cache, &runner, &model)
    let slabs = runner.world.slab.arrayFigures(of: cache).nodes.map(\.slabs)
    #expect(slabs.allSatisfy { $0 == 0 })
    try walk(runner, cache, 0)
    let left = runner.pagesLeft
    #expect(left == one.pages, "a page is lost")
  }

  /// The page allocator's order of nodes, which SLAB follows.
  private func nearest(_ runner: borrowing PathRunner) -> [[Int]] {
    (0..<runner.world.slab.nodeCount).map { node in
      let count = runner.world.pages.zonelist.count(of: NodeID(node), thisNodeOnly: false)
      return (0..<count).reduce(into: [Int]()) { all, place in
        let next = runner.world.pages.zonelist.entry(NodeID(node), place).node.index
        if !all.contains(next) { all.append(next) }
      }
    }
  }

  private func walk(
    _ runner: borrowing PathRunner, _ cache: CacheID, _ held: Int
  ) throws {
    try runner.world.slab.checkInvariants()
    let allocated = runner.world.slab.allocatedCount(of: cache)
    #expect(allocated == held, "an object is lost or doubled")
  }

  private func reap(
    _ cpu: Int, _ cache: CacheID, _ runner: inout PathRunner, _ model: inout ArrayModel
  ) {
    model.reap(cpu)
    guard runner.world.slab.layouts[cache.index].cpus >= 0 else { return }
    let array = Int32(runner.world.array(cache, on: CPUID(cpu)))
    let drain = DrainArray.start(array: array, cache: UInt16(cache.index))
    _ = runner.call(.drainArray(drain), on: cpu)
  }

  private func shrink(
    _ cpu: Int, _ cache: CacheID, _ runner: inout PathRunner, _ model: inout ArrayModel
  ) {
    model.shrink()
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: cpu)
  }
}
