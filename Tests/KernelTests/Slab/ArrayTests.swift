import Hardware
import Simulation
import Testing

@testable import Kernel

/// SLAB's arrays: counts of fixed sequences, as the project's SLAB page has them (golden traces S1
/// to S3, rules of 5.4), sizes (its table of kmalloc classes), and what each release changed.
@Suite struct ArrayTests {
  struct Trace: ~Copyable {
    var runner: PathRunner
    let cache: CacheID
    init(cpus: Int = 16, nodes: Int = 1, version: KernelVersion = .v5_4) throws {
      runner = try PathRunner(cpus: cpus, nodes: nodes, kernel: version.name, slab: .slab)
      cache = runner.world.slab.kmallocCache(size: 256, gfp: .kernel)
    }
    mutating func allocate(_ count: Int, on cpu: Int = 0) -> [Address] {
      (0..<count).map { _ in
        runner.call(.kmalloc(.start(size: 256, gfp: .kernel, node: .any)), on: cpu).address
      }
    }
    mutating func free(_ objects: [Address], on cpu: Int = 0) {
      for object in objects { runner.free(object, on: cpu) }
    }
    func counts(_ stats: SlabStat...) -> [Int] { stats.map { runner.count($0, cache) } }
    var figures: ArrayFigures { runner.world.slab.arrayFigures(of: cache) }
    mutating func reap(shared: Bool) {
      let array =
        shared
        ? Int(runner.world.slab.arrays.nodes[runner.world.slab.node(cache, NodeID(0))].shared)
        : runner.world.array(cache, on: CPUID(0))
      let drain = DrainArray.start(array: Int32(array), cache: UInt16(cache.index))
      _ = runner.call(.drainArray(drain), on: 0)
    }
  }

  @Test("S1: 1,000 objects of one CPU, freed by it", arguments: [KernelVersion.v5_4, .v3_10])
  func s1(version: KernelVersion) throws {
    var trace = try Trace(version: version)
    // A node descriptor in the slab leaves fewer objects a slab, so only newer slabs have 16.
    let perSlab = version.slab.hasSlabDescriptor ? 15 : 16
    let objects = trace.allocate(1000)
    let slabs = (1000 + perSlab - 1) / perSlab
    let allocated = trace.counts(.alloc_slowpath, .alloc_fastpath, .alloc_slab)
    #expect(allocated == [slabs, 1000 - slabs, slabs])
    #expect(Set(objects).count == 1000)
    let left = trace.figures
    #expect(left.cpus[0] == slabs * perSlab - 1000)
    trace.free(objects)
    guard perSlab == 16 else { return }
    let frees = trace.counts(.free_slowpath, .free_fastpath, .free_slab)
    #expect(frees == [15, 985, 0])
    let end = trace.figures
    #expect(end.cpus[0] == 108 && end.nodes[0].shared == 480 && end.nodes[0].freeObjects == 420)
    let limit = trace.runner.world.slab.freeLimit(of: trace.cache, at: NodeID(0))
    #expect(limit == 1036)
    try trace.runner.world.slab.checkInvariants()
  }

  @Test("S2: 100 objects need 7 refills, whatever was asked for")
  func s2() throws {
    var trace = try Trace()
    _ = trace.allocate(100)
    let counts = trace.counts(.alloc_slowpath, .alloc_slab)
    #expect(counts == [7, 7])
  }

  @Test("S3: a touched array is left alone once, then loses a fifth of its limit")
  func s3() throws {
    var trace = try Trace()
    let objects = trace.allocate(1000)
    trace.free(objects)
    trace.reap(shared: false)
    let first = trace.figures.cpus[0]
    trace.reap(shared: false)
    let second = trace.figures.cpus[0]
    #expect(first == 108 && second == 84)
    trace.reap(shared: true)
    let shared = trace.figures.nodes[0].shared
    #expect(shared == 384)
    #expect(DrainArray.count(avail: 9, limit: 120) == 5)
  }

  @Test("the reaper of a CPU wakes at its own place of a second")
  func reapTimes() {
    let second = CacheReap.second
    for cpu in [0, 1, 7, 200] {
      let first = CacheReap.turn(near: .zero + second, of: CPUID(cpu))
      let next = CacheReap.turn(near: first + second * 2, of: CPUID(cpu))
      #expect(next - first == second * 2)
      #expect(first > .zero && first <= .zero + second * 2)
    }
  }

  @Test("objects of another node wait in an alien array of 12, and go to its shared array")
  func aliens() throws {
    var trace = try Trace(cpus: 2, nodes: 2)
    let objects = trace.allocate(100)
    trace.free(objects, on: 1)
    let figures = trace.figures
    #expect(figures.nodes[1].aliens == [4, 0] && figures.nodes[0].shared == 96)
    try trace.runner.world.slab.checkInvariants()
  }

  @Test("a second free of an object that is in an array is told")
  func doubleFree() throws {
    var trace = try Trace(cpus: 1)
    let object = trace.allocate(1)[0]
    trace.free([object, object])
    let raised = trace.runner.world.complaints.raised.map(\.kind)
    #expect(raised == [.doubleFree])
    let avail = trace.figures.cpus[0]
    #expect(avail == 16)
  }

  @Test("shrink empties all arrays and gives back all slabs; live objects stay")
  func shrink() throws {
    var trace = try Trace(cpus: 4, nodes: 2)
    let (here, there) = (trace.allocate(300), trace.allocate(300, on: 2))
    trace.free(here, on: 3)
    trace.free(Array(there.dropFirst()), on: 0)
    let left = trace.runner.call(.kmemCacheShrink(.start(trace.cache)), on: 2).number
    let figures = trace.figures
    #expect(left == 1 && figures.cpus == [0, 0, 0, 0])
    #expect(figures.nodes.map(\.slabs) == [0, 1])
    trace.free([there[0]], on: 3)
    let none = trace.runner.call(.kmemCacheShrink(.start(trace.cache)), on: 2).number
    #expect(none == 0)
  }

  @Test("a cache with live objects is not destroyed, an empty one gives everything back")
  func destroy() throws {
    var runner = try PathRunner(cpus: 2, nodes: 2, kernel: "6.1", slab: .slab)
    let cache = try runner.makeCache("test", size: 700)
    let object = runner.allocate(cache, on: 0)
    let other = runner.allocate(cache, on: 1)
    runner.free(other, on: 0)
    runner.free(object, on: 0)
    _ = runner.call(.kmemCacheDestroy(.start(cache)), on: 0)
    let (raised, slabs) = (runner.world.complaints.raised.count, runner.world.slab.slabCount)
    #expect(raised == 0 && slabs == 0)
    try runner.world.slab.checkInvariants()
  }

  @Test("off-slab indexes are objects of a kmalloc cache, and go with their slab")
  func offSlab() throws {
    var runner = try PathRunner(cpus: 1, kernel: "3.10", slab: .slab)
    let cache = try runner.makeCache("test", size: 1024)
    let known = runner.world.slab.arraySizing(of: cache)
    let sizing = try #require(known)
    #expect(sizing.placement == .offSlab && sizing.objects == 4 && sizing.freelistBytes == 64)
    let object = runner.allocate(cache, on: 0)
    let list = runner.world.slab.kmallocCache(size: 64, gfp: [])
    let held = runner.world.slab.allocatedCount(of: list)
    #expect(held == 1)
    runner.free(object, on: 0)
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let left = runner.world.slab.allocatedCount(of: list)
    #expect(left == 0)
  }

  @Test("colours move the first object of slab after slab, and addresses still find objects")
  func colours() throws {
    var runner = try PathRunner(cpus: 1, kernel: "6.1", slab: .slab)
    let cache = try runner.makeCache("test", size: 700)
    let objects = (0..<33).map { _ in runner.allocate(cache, on: 0) }
    let offsets = Set(objects.map { $0.raw % 8192 % 704 })
    #expect(offsets.count == 3)
    for object in objects {
      guard case .object(let slab, let index) = runner.world.slab.owner(of: object) else {
        Issue.record("an object is not found")
        continue
      }
      let address = runner.world.slab.address(slab, index)
      #expect(address == object)
    }
  }

  struct Class: Sendable {
    let size, order, objects, limit, batch, shared: Int
    let placement: ArrayCacheSizing.Placement
  }

  @Test(
    "kmalloc classes of 5.4",
    arguments: [
      Class(
        size: 32, order: 0, objects: 124, limit: 120, batch: 60, shared: 480, placement: .onSlab),
      Class(
        size: 64, order: 0, objects: 64, limit: 120, batch: 60, shared: 480, placement: .inObject),
      Class(
        size: 96, order: 0, objects: 42, limit: 120, batch: 60, shared: 480, placement: .inObject),
      Class(
        size: 192, order: 0, objects: 21, limit: 120, batch: 60, shared: 480,
        placement: .inObject),
      Class(
        size: 512, order: 0, objects: 8, limit: 54, batch: 27, shared: 216, placement: .inObject),
      Class(
        size: 2048, order: 0, objects: 2, limit: 24, batch: 12, shared: 96, placement: .inObject),
      Class(
        size: 8192, order: 1, objects: 1, limit: 8, batch: 4, shared: 0, placement: .inObject),
      Class(
        size: 131_072, order: 5, objects: 1, limit: 8, batch: 4, shared: 0, placement: .inObject),
      Class(
        size: 4 << 20, order: 10, objects: 1, limit: 1, batch: 1, shared: 0,
        placement: .inObject),
    ])
  func classes(row: Class) throws {
    let rules = KernelVersion.v5_4.slab
    let align = KmallocClasses(minimum: 32, kind: .slab, rules: rules).alignment(
      of: KmallocClasses(minimum: 32, kind: .slab, rules: rules).index(of: row.size))
    let sizing = try #require(
      ArrayCacheSizing(
        objectSize: row.size, align: align, cpuCount: 8, isSmallMachine: false, rules: rules))
    #expect(sizing.size == row.size && sizing.order == Order(row.order))
    #expect(sizing.objects == row.objects && sizing.placement == row.placement)
    #expect(sizing.limit == row.limit && sizing.batch == row.batch)
    #expect(
      sizing.sharedLimit == row.shared
        && sizing.colours == (row.size == 96 || row.size == 192 ? 1 : 0))
  }

  @Test("pages of a SLAB_TYPESAFE_BY_RCU cache wait for a grace period, others do not")
  func readers() throws {
    for (flags, waiting, given) in [(SlabFlags.typesafeByRCU, 5, 0), ([], 0, 5)] {
      var runner = try PathRunner(cpus: 1, kernel: "6.1", slab: .slab)
      let cache = try runner.makeCache("c", size: 500, flags: flags)
      let objects = (0..<40).map { _ in runner.allocate(cache, on: 0) }
      for object in objects { runner.free(object, on: 0) }
      _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
      let (pending, pages) = (runner.world.rcu.pending, runner.pagesGiven[0] ?? 0)
      let slabs = runner.world.slab.arrayFigures(of: cache).nodes[0].slabs
      #expect(pending == waiting && pages == given && slabs == 0)
      try runner.world.slab.checkInvariants()
    }
  }

  @Test("the largest class comes from slabs up to 6.0, from pages above 8 KiB from 6.1")
  func largest() {
    let old = KmallocClasses(minimum: 32, kind: .slab, rules: KernelVersion.v5_4.slab)
    let new = KmallocClasses(minimum: 32, kind: .slab, rules: KernelVersion.v6_1.slab)
    #expect(old.cacheMax == 4 << 20 && new.cacheMax == 8192)
    #expect(old.usableSize(1) == 32 && old.usableSize(65) == 96 && old.usableSize(97) == 128)
  }
}
