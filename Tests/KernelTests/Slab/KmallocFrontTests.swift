import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Which cache serves a kmalloc, by release, allocator and configuration.
@Suite struct KmallocFrontTests {
  private func world(
    _ release: String, _ kind: SlabKind = .slub, random: Bool = false, memcg: Bool = true,
    seed: UInt64 = 1
  ) throws -> World {
    var config = KernelConfig()
    (config.slab, config.randomKmallocCaches, config.memcg) = (kind, random, memcg)
    return World(
      Boot(
        machine: MachineDescription.plain(cpus: 2, nodes: 1),
        version: try #require(KernelVersion(named: release)),
        costs: try CostFile.named("generic-x86"), config: config, seed: seed))
  }

  /// The name of the cache that serves a request.
  private func served(_ size: Int, _ gfp: GFPFlags, by world: borrowing World) -> String {
    world.slab.names[world.slab.kmallocCache(size: size, gfp: gfp).index]
  }

  @Test(
    "kmalloc caches have the names of their release",
    arguments: [
      ("2.6.24", SlabKind.slub, 2000, "kmalloc-2048", "kmalloc_dma-2048"),
      ("2.6.24", .slab, 2000, "size-2048", "size-2048(DMA)"),
      ("3.10", .slab, 2000, "kmalloc-2048", "dma-kmalloc-2048"),
      ("4.19", .slub, 8192, "kmalloc-8192", "dma-kmalloc-8192"),
      ("4.20", .slub, 8192, "kmalloc-8k", "dma-kmalloc-8k"),
      ("6.0", .slab, 4 << 20, "kmalloc-4M", "dma-kmalloc-4M"),
      ("6.12", .slub, 100, "kmalloc-128", "dma-kmalloc-128"),
    ])
  func names(release: String, kind: SlabKind, size: Int, normal: String, dma: String) throws {
    let rules = try #require(KernelVersion(named: release)).slab
    let classes = KmallocClasses(minimum: 8, kind: kind, rules: rules)
    #expect(classes.name(.normal, classes.index(of: size)) == normal)
    #expect(classes.name(.dma, classes.index(of: size)) == dma)
  }

  @Test(
    "a family that the release does not have is served by the normal caches",
    arguments: [
      ("4.19", "kmalloc-64", "kmalloc-64"), ("4.20", "kmalloc-rcl-64", "kmalloc-64"),
      ("5.12", "kmalloc-rcl-64", "kmalloc-64"), ("5.14", "kmalloc-rcl-64", "kmalloc-cg-64"),
    ])
  func families(release: String, reclaimable: String, accounted: String) throws {
    let world = try world(release)
    #expect(served(64, [.kernel, .reclaimable], by: world) == reclaimable)
    #expect(served(64, .kernelAccount, by: world) == accounted)
    #expect(served(64, [.kernelAccount, .reclaimable], by: world) == reclaimable)
    #expect(served(64, [.kernelAccount, .dma], by: world) == "dma-kmalloc-64")
    let without = try self.world(release, memcg: false)
    #expect(served(64, .kernelAccount, by: without) == "kmalloc-64")
  }

  @Test(
    "the largest size from slabs, by allocator and release",
    arguments: [
      ("2.6.24", SlabKind.slub, 2048), ("2.6.27", .slub, 4096), ("2.6.32", .slub, 8192),
      ("6.12", .slub, 8192), ("2.6.24", .slab, 4 << 20), ("6.0", .slab, 4 << 20),
      ("6.1", .slab, 8192),
    ])
  func thresholds(release: String, kind: SlabKind, most: Int) throws {
    let rules = try #require(KernelVersion(named: release)).slab
    let classes = KmallocClasses(minimum: 8, kind: kind, rules: rules)
    #expect(classes.cacheMax == most)
    #expect(KmallocClasses.size(of: classes.index(of: most)) == most)
    #expect(classes.indices.max() == classes.index(of: most))
  }

  @Test("sixteen copies of the normal caches, one for each place in the code")
  func randomCopies() throws {
    let world = try world("6.6", random: true)
    #expect(served(64, .kernel, by: world) == "kmalloc-64")
    #expect(served(64, [.kernel, .copy(7)], by: world) == "kmalloc-rnd-07-64")
    #expect(served(2048, [.kernel, .copy(15)], by: world) == "kmalloc-rnd-15-2k")
    #expect(served(64, [.kernel, .dma, .copy(7)], by: world) == "dma-kmalloc-64")
    #expect(served(64, [.kernelAccount, .copy(7)], by: world) == "kmalloc-cg-64")
    // An older release has none, whatever the configuration says.
    let older = try self.world("6.1", random: true)
    #expect(served(64, [.kernel, .copy(7)], by: older) == "kmalloc-64")
    let used = Set((0..<1000).map { KmallocFamily.copy(site: "site \($0)", seed: 5) })
    #expect(used == Set(0...15))
    let moved = (0..<1000).count {
      KmallocFamily.copy(site: "site \($0)", seed: 5)
        != KmallocFamily.copy(site: "site \($0)", seed: 6)
    }
    #expect(moved > 800)
  }

  @Test("a size known at run time is looked up first, and has the same class")
  func runTimeSizes() throws {
    var runner = try PathRunner(cpus: 1)
    var constant = Kmalloc.start(size: 100, gfp: .kernel, node: .any)
    var runTime = Kmalloc.start(size: 100, gfp: [.kernel, .runTimeSize], node: .any)
    guard case .ahead(.slubAllocFast, 1) = constant.step(&runner.world, on: CPUID(0), .none),
      case .ahead(.kmallocLookup, 1) = runTime.step(&runner.world, on: CPUID(0), .none)
    else {
      Issue.record("the constant size is not cheaper")
      return
    }
    let objects = [constant, runTime].map { runner.call(.kmalloc($0), on: 0).address }
    let sizes = objects.map { runner.world.slab.size(of: $0) }
    #expect(sizes == [128, 128])
  }

  @Test("kfree_sensitive zeroes what ksize says, and frees")
  func sensitive() throws {
    var runner = try PathRunner(cpus: 1)
    let object = runner.call(.kmalloc(.start(size: 100, gfp: .kernel, node: .any)), on: 0).address
    let size = runner.call(.ksize(.start(object)), on: 0).number
    #expect(size == 128)
    _ = runner.call(.kfreeSensitive(.start(object)), on: 0)
    _ = runner.call(.kfreeSensitive(.start(.null)), on: 0)
    let (left, none) = (
      try runner.world.slab.checkInvariants(), runner.call(.ksize(.start(.zeroSize)), on: 0).number
    )
    let complaints = runner.world.complaints.raised.map(\.kind)
    #expect(left == 0 && none == 0 && complaints == [])
  }
}
