import Hardware
import Simulation
import Testing

@testable import Kernel

/// Bulk calls, debug caches, and memory that ends.
@Suite struct SlabBulkTests {
  private func allocate(
    _ count: Int, _ cache: CacheID, _ runner: inout PathRunner, gfp: GFPFlags = .kernel,
    on cpu: Int = 0
  ) -> [Address] {
    let (frame, id) = runner.world.bulkAllocation(cache, count: count, gfp: gfp)
    let got = runner.call(frame, on: cpu).number
    let objects = runner.world.closeBulk(id)
    #expect(objects.count == got)
    return objects
  }

  @Test(
    "a bulk allocation gives as many objects as asked for, a bulk free takes them all back",
    arguments: ["2.6.39", "4.3", "4.4", "4.19", "5.15", "6.1", "6.12"])
  func allAndNothing(kernel: String) throws {
    var runner = try PathRunner(cpus: 2, kernel: kernel)
    let cache = try runner.makeCache("c", size: 512)
    let objects = allocate(100, cache, &runner)
    let taken = try runner.world.slab.checkInvariants()
    #expect(objects.count == 100 && Set(objects).count == 100 && taken == 100)
    let (slow, fast) = (
      runner.count(.alloc_slowpath, cache), runner.count(.alloc_fastpath, cache)
    )
    // Of each slab the slow path gives one; the others are counted from 6.8.
    let isCounted = runner.world.slab.rules.countsBulkObjects || kernel == "2.6.39"
    #expect(slow > 3 && fast == (isCounted ? 100 - slow : 0))
    _ = runner.call(runner.world.bulkFree(cache, objects), on: 1)
    let (left, calls, off) = (
      try runner.world.slab.checkInvariants(), runner.world.slab.bulk.calls.liveCount,
      (0..<2).map { runner.world.cpus[CPUID($0)].irqsOff }
    )
    #expect(left == 0 && calls == 0 && off == [0, 0])
    let complaints = runner.world.complaints.raised.count
    #expect(complaints == 0)
  }

  /// How many lists `build_detached_freelist()` makes of objects of these slabs, by its words: from
  /// the end, up to the third object of another slab.
  private func lists(_ slabs: [ID<Slab>]) -> Int {
    var (array, size, count) = (slabs, slabs.count, 0)
    while size > 0 {
      size -= 1
      count += 1
      var (same, place, misses) = (size, size, 0)
      while place > 0, misses < 3 {
        place -= 1
        if array[place] == array[size] {
          same -= 1
          array.swapAt(place, same)
        } else {
          misses += 1
        }
      }
      size = same
    }
    return count
  }

  @Test("near objects of one slab are freed together", arguments: 1...20 as ClosedRange<UInt64>)
  func lookahead(seed: UInt64) throws {
    var runner = try PathRunner(cpus: 2, seed: seed)
    let cache = try runner.makeCache("c", size: 1024)
    var objects = allocate(96, cache, &runner)
    var random = RandomStream(seed: seed, index: 3)
    for place in stride(from: 95, to: 0, by: -1) {
      objects.swapAt(place, random.below(place + 1 < 12 ? place + 1 : 12) + max(0, place - 11))
    }
    let slabs = objects.compactMap { runner.world.slab.slab(of: $0) }
    _ = runner.call(runner.world.bulkFree(cache, objects), on: 1)
    let calls = runner.count(.free_slowpath, cache)
    let left = try runner.world.slab.checkInvariants()
    #expect(left == 0)
    #expect(calls == lists(slabs) && calls < 96)
  }

  /// Kernel: `kmem_cache_free_bulk()` (mm/slub.c; 4.3, 4.4).
  @Test("to 4.3 a bulk free goes object by object, from 4.4 it gathers those of a slab")
  func gathering() throws {
    func freed(_ kernel: String, on cpu: Int) throws -> Int {
      var runner = try PathRunner(cpus: 2, kernel: kernel)
      let cache = try runner.makeCache("c", size: 256)
      let objects = allocate(320, cache, &runner)
      _ = runner.call(runner.world.bulkFree(cache, objects), on: cpu)
      let left = try runner.world.slab.checkInvariants()
      let off = (0..<2).map { runner.world.cpus[CPUID($0)].irqsOff }
      #expect(left == 0 && off == [0, 0])
      return runner.count(.free_slowpath, cache)
    }
    // Of 320 objects in twenty slabs of 16, the last slab is the freeing CPU's own.
    let (old, new) = (try freed("4.3", on: 0), try freed("4.4", on: 0))
    #expect(old == 304 && new == 19)
    let (far, near) = (try freed("4.3", on: 1), try freed("4.4", on: 1))
    #expect(far == 320 && near == 20)
  }

  @Test("a bulk free of 4.3 reports what is free, what is none and NULL, and frees the rest")
  func mistakesToEach() throws {
    var runner = try PathRunner(cpus: 1, kernel: "4.3")
    let cache = try runner.makeCache("c", size: 256)
    let objects = allocate(40, cache, &runner)
    let array = [objects[0], .null, objects[0]] + objects[1...] + [objects[39] + 8]
    _ = runner.call(runner.world.bulkFree(cache, array), on: 0)
    let (left, kinds, off) = (
      try runner.world.slab.checkInvariants(), runner.world.complaints.raised.map(\.kind),
      runner.world.cpus[CPUID(0)].irqsOff
    )
    #expect(left == 0 && kinds == [.doubleFree, .badFree] && off == 0)
  }

  @Test("kfree_bulk frees objects of all caches and pages; a second free in one array is found")
  func ofAllKinds() throws {
    var runner = try PathRunner(cpus: 1)
    let sizes: [UInt32] = [8, 100, 100, 100, 5000, 40_000, 100]
    let objects = sizes.map {
      runner.call(.kmalloc(.start(size: $0, gfp: .kernel, node: .any)), on: 0).address
    }
    let array = objects + [objects[1], .null]
    _ = runner.call(runner.world.bulkFree(.none, array), on: 0)
    let (left, kinds, given) = (
      try runner.world.slab.checkInvariants(), runner.world.complaints.raised.map(\.kind),
      runner.pagesGiven[4]
    )
    #expect(left == 0 && kinds == [.doubleFree] && given == 1)
  }

  @Test("what slab_debug=FZPU lays around 64 bytes", arguments: [("6.12", 256), ("4.4", 448)])
  func debugSizes(kernel: String, size: Int) throws {
    let rules = try #require(KernelVersion(named: kernel)).slab
    let flags = try #require(SlabFlags(debugLetters: "FZPU"))
    let sizing = try #require(
      SlabSizing(
        objectSize: 64, align: 64, flags: flags.union(.kmalloc), cpuCount: 4, rules: rules))
    #expect(sizing.size == size && sizing.cpuPartial == 0)
    let letters = SlabFlags(debugLetters: "FX")
    #expect(letters == nil)
  }

  @Test("a debug cache takes list_lock for each object from 6.1, and no CPU has its slabs")
  func debugLocks() throws {
    var runner = try PathRunner(cpus: 1, kernel: "6.1")
    let cache = try runner.makeCache("c", size: 64, flags: .debug)
    let objects = (0..<40).map { _ in runner.allocate(cache, on: 0) }
    let locks = runner.listLocks
    let slabs = runner.count(.alloc_slab, cache)
    #expect(locks[.___slab_alloc] == slabs)
    #expect(locks[.get_partial_node] == 40 - slabs)
    runner.free(objects[3], on: 0)
    runner.free(objects[3], on: 0)
    let message = runner.world.complaints.raised.first?.message ?? ""
    #expect(message.hasPrefix("BUG c: Object already free"))
    let (figures, fast) = (
      runner.world.slab.figures(of: cache), runner.count(.free_fastpath, cache)
    )
    #expect(figures.cpuSlabs == [0] && fast == 0)
    #expect(figures.objects == [39])
  }

  @Test(
    "memory that ends: every allocation is an object or NULL, and all comes back",
    arguments: ["2.6.24", "2.6.39", "3.10", "5.10", "5.15", "6.1", "6.12"], [false, true])
  func poor(kernel: String, debug: Bool) throws {
    var runner = try PathRunner(cpus: 1, bytesPerNode: 16 << 20, kernel: kernel)
    let cache = try runner.makeCache("c", size: 8192, flags: debug ? .debug : [])
    var random = RandomStream(seed: 5, index: 0)
    var held: [Address] = []
    for _ in 0..<3 {
      var failures = 0
      for _ in 0..<4_000 where failures < 3 {
        let object = runner.allocate(cache, gfp: [.noWait, .noWarn], on: 0)
        if object == .null { failures += 1 } else { held.append(object) }
      }
      #expect(failures == 3)
      let taken = try runner.world.slab.checkInvariants()
      #expect(taken == held.count)
      let none = allocate(2_000, cache, &runner, gfp: [.noWait, .noWarn])
      let after = try runner.world.slab.checkInvariants()
      #expect(none == [] && after == held.count)
      for _ in 0..<held.count / 2 {
        runner.free(held.remove(at: random.below(held.count)), on: 0)
      }
    }
    #expect(Set(held).count == held.count)
    _ = runner.call(runner.world.bulkFree(cache, held), on: 0)
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let left = try runner.world.slab.checkInvariants()
    let figures = runner.world.slab.figures(of: cache)
    #expect(left == 0 && figures.slabs == [0])
  }

  @Test(
    "before 3.2: 200 objects, freed in the order of allocation", arguments: ["2.6.36", "2.6.39"])
  func beforeCPULists(kernel: String) throws {
    var trace = try SlabGoldenTests.Trace(kernel)
    let objects = trace.allocate(200)
    trace.free(objects)
    let all = trace.counts(.alloc_slab, .alloc_slowpath, .alloc_fastpath, .deactivate_full)
    #expect(all == [7, 7, 193, 6])
    let frees = trace.counts(.free_slowpath, .free_fastpath, .free_add_partial, .free_frozen)
    #expect(frees == [192, 8, 6, 0])
    // An empty slab is given back at once.
    let lists = trace.counts(.free_remove_partial, .free_slab)
    #expect(lists == [6, 6])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == 12 && partials == [0, 0])
  }
}
