import Hardware
import Simulation
import Testing

@testable import Kernel

/// Sheaves: fixed sequences against the project's SLUB page (section 8), all orders that a seed
/// draws, and a naive count of what is where.
@Suite struct SheafTests {
  /// One node, 16 CPUs, objects of 256 bytes: 32 a slab, 28 a sheaf. A cache of its own, since the
  /// sheaves of kmalloc-256 are objects of kmalloc-256.
  @Test("B on 7.0 and later: 1,000 objects, freed in the order of allocation")
  func golden() throws {
    for release in ["7.0", "7.1", "7.2"] {
      var runner = try PathRunner(cpus: 16, kernel: release)
      let cache = try runner.makeCache("b", size: 256)
      let made = runner.count(.sheaf_alloc, cache)
      #expect(made == 16)
      let objects = (0..<1000).map { _ in runner.allocate(cache, on: 0) }
      #expect(Set(objects).count == 1000)
      let allocation = [
        SlabStat.sheaf_refill, .alloc_slab, .sheaf_alloc, .alloc_fastpath, .alloc_slowpath,
      ].map { runner.count($0, cache) }
      #expect(allocation == [1008, 32, 17, 1000, 0])
      for object in objects { runner.free(object, on: 0) }
      let free = [
        SlabStat.barn_put, .sheaf_flush, .free_fastpath, .free_slowpath, .sheaf_alloc,
      ].map { runner.count($0, cache) }
      #expect(free == [10, 672, 1000, 0, 27])
      let mine = runner.world.slab.sheaves.cpus[runner.world.slab.cpu(cache, CPUID(0))]
      let barn = runner.world.slab.sheaves.barns[runner.world.slab.node(cache, NodeID(0))]
      let spare = runner.world.slab.sheaves.all[mine.spare].size
      #expect(mine.size == 28 && spare == 28 && barn.fullCount == 10)
      try runner.world.slab.checkInvariants()
    }
  }

  /// Slabs of 8, of 1 and of 4 objects, sheaves of 4: every decision comes often.
  @Test(
    "no object is lost or handed out twice, whoever comes between",
    arguments: [
      (4096, 1, "7.2"), (4096, 2, "7.0"), (32768, 3, "7.2"), (8192, 4, "7.1"), (1024, 5, "7.2"),
      (4096, 6, "6.18"), (1024, 7, "6.19"),
    ] as [(Int, UInt64, String)])
  func storm(size: Int, seed: UInt64, release: String) throws {
    let sheaf = release < "7" ? 6 : 0
    var storm = try SlabRaceTests.Storm(size: size, seed: seed, kernel: release, sheaf: sheaf)
    for turn in 0..<60_000 {
      storm.turn()
      if turn % 97 == 0 {
        let (taken, least, most) = (
          storm.runner.world.slab.allocatedCount(of: storm.cache), storm.held.count,
          storm.held.count + storm.underWay
        )
        try storm.runner.world.slab.checkInvariants()
        #expect(taken >= least && taken <= most)
      }
    }
    storm.finish()
    let (problems, left) = (storm.problems, try storm.runner.world.slab.checkInvariants())
    #expect(problems == [])
    // What is left are the sheaves themselves, which are kmalloc'ed.
    let own = storm.runner.world.slab.allocatedCount(of: storm.cache)
    #expect(own == 0 && left > 0)
    let figures = storm.runner.world.slab.figures(of: storm.cache)
    #expect(figures.slabs == [0, 0])
    let counts = [
      SlabStat.barn_get, .barn_get_fail, .barn_put, .sheaf_alloc, .sheaf_refill,
      .sheaf_flush, .alloc_slowpath, .free_slowpath, .alloc_node_mismatch,
    ].map { storm.runner.count($0, storm.cache) > 0 }
    if size == 4096, sheaf == 0 { #expect(counts == [Bool](repeating: true, count: 9)) }
  }

  @Test(
    "each free too many is reported once and breaks nothing, whoever frees at the same time",
    arguments: [4096, 32768, 1024], 1...4 as ClosedRange<UInt64>)
  func doubleFrees(size: Int, seed: UInt64) throws {
    var storm = try SlabRaceTests.Storm(size: size, seed: seed, kernel: "7.2", freesTwice: true)
    for turn in 0..<16_000 {
      storm.turn()
      if turn % 29 == 0 { try storm.runner.world.slab.checkInvariants() }
    }
    storm.finish()
    try storm.runner.world.slab.checkInvariants()
    let kinds = storm.runner.world.complaints.raised.map(\.kind)
    let (asked, left) = (
      storm.freedTwice, storm.runner.world.slab.allocatedCount(of: storm.cache)
    )
    #expect(left == 0 && Set(kinds).isSubset(of: [.doubleFree, .badFree]))
    #expect(asked > 100 && kinds.count == asked)
  }

  /// What one CPU's sheaves and its barn hold, counted naively. No interrupts, one node.
  struct Counts: Equatable {
    var main: Int
    var spare: Int?
    var full: [Int]
    var empty = 0
    let capacity: Int

    mutating func allocate() {
      if main == 0 {
        if let other = spare, other > 0 {
          (main, spare) = (other, 0)
        } else if let sheaf = full.popLast() {
          (main, empty) = (sheaf, empty + 1)
        } else {
          // The spare or one of the barn is filled, or a new one; the empty main one is the spare.
          if spare == nil, empty > 0 { empty -= 1 }
          (main, spare) = (capacity, 0)
        }
      }
      main -= 1
    }

    mutating func free() {
      if main == capacity {
        if let other = spare, other < capacity {
          (main, spare) = (other, capacity)
        } else if spare == nil {
          if empty > 0 { empty -= 1 }
          (main, spare) = (0, capacity)
        } else if full.count >= 10 {
          (main, spare) = (0, capacity)
        } else {
          if empty > 0 { empty -= 1 }
          full.append(capacity)
          main = 0
        }
      }
      main += 1
    }
  }

  @Test(
    "main, spare and barn hold what a naive count says", arguments: 1...6 as ClosedRange<UInt64>)
  func counts(seed: UInt64) throws {
    var runner = try PathRunner(cpus: 1, seed: seed, kernel: "7.2")
    let size = [64, 1024, 4096][Int(seed % 3)]
    let cache = try runner.makeCache("counted", size: size)
    let capacity = runner.world.slab.caches[cache].sizing.sheafCapacity
    var model = Counts(main: 0, spare: nil, full: [], capacity: capacity)
    var (held, random) = ([Address](), RandomStream(seed: seed, index: 0))
    for turn in 0..<6_000 {
      let wanted = turn / 1_500 % 2 == 0 ? 60 : 35
      if held.isEmpty || random.below(100) < wanted {
        held.append(runner.allocate(cache, on: 0))
        model.allocate()
      } else {
        let place = random.below(held.count)
        held.swapAt(place, held.count - 1)
        runner.free(held.removeLast(), on: 0)
        model.free()
      }
      let sheaves = Self.counts(of: cache, capacity, runner)
      #expect(sheaves == model)
      guard sheaves == model else { return }
      if turn % 50 == 0 {
        try runner.world.slab.checkInvariants()
        // What slabs count as used is in sheaves or with us.
        let objects = runner.world.slab.figures(of: cache).objects[0]
        let (local, shared) = runner.world.slab.sheafObjects(of: cache)
        #expect(objects == held.count + local + shared)
      }
    }
  }

  private static func counts(
    of cache: CacheID, _ capacity: Int, _ runner: borrowing PathRunner
  ) -> Counts {
    let mine = runner.world.slab.sheaves.cpus[runner.world.slab.cpu(cache, CPUID(0))]
    let barn = runner.world.slab.sheaves.barns[runner.world.slab.node(cache, NodeID(0))]
    var (full, next) = ([Int](), barn.firstFull)
    while !next.isNone {
      full.append(Int(runner.world.slab.sheaves.all[next].size))
      next = runner.world.slab.sheaves.all[next].next
    }
    let spare = mine.spare.isNone ? nil : Int(runner.world.slab.sheaves.all[mine.spare].size)
    return Counts(
      main: Int(mine.size), spare: spare, full: full, empty: Int(barn.emptyCount),
      capacity: capacity)
  }

  @Test("6.18: a cache that asks for sheaves is filled through the CPU's slab")
  func onRequest() throws {
    var runner = try PathRunner(cpus: 2, kernel: "6.18")
    let (asking, plain) = (
      try runner.makeCache("asking", size: 256, sheaf: 32), try runner.makeCache("plain", size: 256)
    )
    let capacities = [asking, plain].map { runner.world.slab.caches[$0].sizing.sheafCapacity }
    #expect(capacities == [32, 0])
    let objects = (0..<100).map { _ in runner.allocate(asking, on: 0) }
    let counts = [SlabStat.alloc_pcs, .sheaf_refill, .alloc_slab].map { runner.count($0, asking) }
    #expect(counts == [100, 128, 8] && Set(objects).count == 100)
    for object in objects { runner.free(object, on: 0) }
    // Four fill the main sheaf, 32 the spare one, and the barn takes a full one for each 32 more.
    let frees = [SlabStat.free_pcs, .free_slowpath, .barn_put].map { runner.count($0, asking) }
    #expect(frees == [100, 0, 2])
    _ = runner.call(.kmemCacheDestroy(.start(asking)), on: 1)
    let left = runner.world.slab.figures(of: asking).slabs
    #expect(left == [0] && runner.world.complaints.raised.isEmpty)
    try runner.world.slab.checkInvariants()
  }

  @Test(
    "bulk calls take and give whole batches, and lose nothing", arguments: [1, 2, 3] as [UInt64])
  func bulk(seed: UInt64) throws {
    var runner = try PathRunner(cpus: 2, nodes: 2, seed: seed, kernel: "7.2")
    let cache = try runner.makeCache("bulk", size: 512)
    var (held, random) = ([Address](), RandomStream(seed: seed, index: 0))
    for _ in 0..<400 {
      let (cpu, count) = (random.below(2), 1 + random.below(80))
      if held.count < 400 || random.below(2) == 0 {
        let array = runner.world.slab.sheaves.make(cache, capacity: count)
        let given = runner.call(.sheafAllocBulk(.start(array, .kernel)), on: cpu).number
        #expect(given == count)
        held += runner.takeArray(array)
      } else {
        let array = runner.world.slab.sheaves.make(cache, capacity: count)
        for _ in 0..<count { runner.put(held.remove(at: random.below(held.count)), in: array) }
        _ = runner.call(.sheafFreeBulk(.start(array)), on: cpu)
        runner.world.slab.sheaves.give(array)
      }
      try runner.world.slab.checkInvariants()
      let taken = runner.world.slab.allocatedCount(of: cache)
      #expect(taken == held.count && Set(held).count == held.count)
    }
    for object in held { runner.free(object, on: 0) }
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let slabs = runner.world.slab.figures(of: cache).slabs
    #expect(slabs == [0, 0] && runner.world.complaints.raised.isEmpty)
  }

  @Test("a free of another node's object goes past the sheaves to its slab")
  func remoteNode() throws {
    var runner = try PathRunner(cpus: 2, nodes: 2, kernel: "7.2")
    let cache = try runner.makeCache("remote", size: 512)
    let objects = (0..<28).map { _ in runner.allocate(cache, on: 0) }
    for object in objects { runner.free(object, on: 1) }
    let counts = [SlabStat.free_slowpath, .free_fastpath].map { runner.count($0, cache) }
    #expect(counts == [28, 0])
    let (local, shared) = runner.world.slab.sheafObjects(of: cache)
    #expect(local == 0 && shared == 0)
  }

  @Test("an interrupt in the middle of a refill goes past the sheaves")
  func interrupted() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let call = KmemCacheAlloc.start(cache: cache, gfp: .kernel, node: .any)
    runner.cpus[0].append(PathRunner.Thread(frames: [.kmemCacheAlloc(call)]))
    let place = runner.world.slab.cpu(cache, CPUID(0))
    while !runner.world.slab.sheaves.cpus[place].isLocked { runner.advance(0) }
    let other = runner.allocate(cache, gfp: .atomic, on: 0)
    runner.free(other, on: 0)
    let slow = [SlabStat.alloc_slowpath, .free_slowpath].map { runner.count($0, cache) }
    #expect(slow == [1, 1])
    while runner.cpus[0][0].result == nil { runner.advance(0) }
    let mine = runner.cpus[0].removeLast().result?.address
    #expect(mine != nil && mine != .null)
    try runner.world.slab.checkInvariants()
  }

  @Test("kmem_cache_destroy gives back sheaves and slabs; who comes next starts anew")
  func destroy() throws {
    var runner = try PathRunner(cpus: 4, nodes: 2, kernel: "7.2")
    let sheaves = runner.world.slab.kmallocCache(size: 256, gfp: .kernel)
    _ = runner.call(.kmalloc(.start(size: 256, gfp: .kernel, node: .any)), on: 0)
    let before = runner.world.slab.allocatedCount(of: sheaves)
    for round in 0..<3 {
      let cache = try runner.makeCache("short \(round)", size: 512)
      let made = runner.world.slab.allocatedCount(of: sheaves)
      #expect(made >= before + 4)
      let objects = (0..<900).map { runner.allocate(cache, on: $0 % 4) }
      for (number, object) in objects.enumerated() { runner.free(object, on: number % 4) }
      _ = runner.call(.kmemCacheDestroy(.start(cache)), on: 0)
      let (slabs, count) = (
        runner.world.slab.allocatedCount(of: cache), runner.count(.alloc_fastpath, cache)
      )
      #expect(slabs == 0 && count > 800)
      try runner.world.slab.checkInvariants()
    }
    let after = runner.world.slab.allocatedCount(of: sheaves)
    // kmalloc-256 has sheaves of its own, which stay.
    #expect(after - before <= 24)
    #expect(runner.world.complaints.raised.isEmpty)
  }

  @Test("memory that runs out fails allocations, and nothing is lost", arguments: [1, 2])
  func outOfMemory(cpus: Int) throws {
    var runner = try PathRunner(cpus: cpus, bytesPerNode: 64 << 20, kernel: "7.2")
    let cache = try runner.makeCache("large", size: 8192)
    var held: [Address] = []
    while held.count < 20_000 {
      let object = runner.allocate(cache, gfp: [.kernel, .noWarn], on: held.count % cpus)
      if object == .null { break }
      held.append(object)
    }
    #expect(held.count > 1_000 && held.count < 20_000)
    let taken = runner.world.slab.allocatedCount(of: cache)
    #expect(taken == held.count)
    for (number, object) in held.enumerated() { runner.free(object, on: number % cpus) }
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let figures = runner.world.slab.figures(of: cache).slabs
    #expect(figures == [0])
    try runner.world.slab.checkInvariants()
  }
}

extension PathRunner {
  /// The objects that an array names; the array ends.
  fileprivate mutating func takeArray(_ array: ID<Sheaf>) -> [Address] {
    var objects: [Address] = []
    while !world.slab.sheaves.isEmpty(array) {
      let object = world.slab.sheaves.takeLast(of: array)
      objects.append(world.slab.address(object.slab, object.index))
    }
    world.slab.sheaves.give(array)
    return objects
  }

  fileprivate mutating func put(_ address: Address, in array: ID<Sheaf>) {
    guard case .object(let slab, let index) = world.slab.owner(of: address) else { return }
    world.slab.sheaves.append(ObjectRef(slab: slab, index: index), to: array)
  }
}
