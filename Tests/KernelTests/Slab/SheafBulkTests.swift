import Hardware
import Simulation
import Testing

@testable import Kernel

/// Bulk calls of caches with sheaves, as those who use them make them.
@Suite struct SheafBulkTests {
  static let kernels = ["6.18", "7.0", "7.2"]

  /// A cache whose sheaves hold a few objects, and what of it is held.
  private struct Bench: ~Copyable {
    var runner: PathRunner
    let cache: CacheID
    var held: [Address] = []

    init(_ kernel: String, cpus: Int, nodes: Int, bytes: UInt64 = 64 << 20, size: Int) throws {
      var made = try PathRunner(cpus: cpus, nodes: nodes, bytesPerNode: bytes, kernel: kernel)
      cache = try made.makeCache("c", size: size, sheaf: kernel == "6.18" ? 6 : 0)
      runner = made
    }

    mutating func allocate(_ count: Int, gfp: GFPFlags = .kernel, on cpu: Int) -> Int {
      let (frame, id) = runner.world.bulkAllocation(cache, count: count, gfp: gfp)
      let got = runner.call(frame, on: cpu).number
      let objects = runner.world.closeBulk(id)
      #expect(objects.count == got && (got == 0 || got == count))
      held += objects
      return got
    }

    mutating func free(_ count: Int, on cpu: Int, _ random: inout RandomStream) {
      let objects = (0..<count).map { _ in held.remove(at: random.below(held.count)) }
      _ = runner.call(runner.world.bulkFree(cache, objects), on: cpu)
    }

    /// No object is lost or held twice, and no call is left open.
    func check() throws {
      let taken = try runner.world.slab.checkInvariants()
      let mine = runner.world.slab.allocatedCount(of: cache)
      let open = runner.world.slab.bulk.calls.liveCount
      let (count, distinct) = (held.count, Set(held).count)
      #expect(mine == count && distinct == count && taken >= mine && open == 0)
    }
  }

  @Test(
    "random bulk calls lose and double no object", arguments: SheafBulkTests.kernels,
    [(1, 1), (2, 2), (4, 2)])
  func random(kernel: String, machine: (Int, Int)) throws {
    var bench = try Bench(kernel, cpus: machine.0, nodes: machine.1, size: 512)
    var random = RandomStream(seed: 7, index: 0)
    for _ in 0..<200 {
      let (cpu, count) = (random.below(machine.0), 1 + random.below(90))
      if bench.held.count < 300 || random.below(2) == 0 {
        let got = bench.allocate(count, on: cpu)
        #expect(got == count)
      } else {
        bench.free(count, on: cpu, &random)
      }
      try bench.check()
    }
    let fast = bench.runner.count(.free_fastpath, bench.cache)
    #expect(fast > 0)
    bench.free(bench.held.count, on: 0, &random)
    try bench.check()
    _ = bench.runner.call(.kmemCacheShrink(.start(bench.cache)), on: 0)
    let slabs = bench.runner.world.slab.figures(of: bench.cache).slabs
    let complaints = bench.runner.world.complaints.raised.count
    #expect(slabs == [Int](repeating: 0, count: machine.1) && complaints == 0)
  }

  @Test(
    "when memory ends a bulk call gives nothing and keeps nothing",
    arguments: SheafBulkTests.kernels)
  func poor(kernel: String) throws {
    var bench = try Bench(kernel, cpus: 1, nodes: 1, bytes: 16 << 20, size: 8192)
    var random = RandomStream(seed: 9, index: 0)
    for _ in 0..<3 {
      var failures = 0
      for _ in 0..<4_000 where failures < 3 {
        let count = 1 + random.below(40)
        if bench.allocate(count, gfp: [.noWait, .noWarn], on: 0) == 0 { failures += 1 }
        try bench.check()
      }
      #expect(failures == 3)
      bench.free(bench.held.count / 2, on: 0, &random)
      try bench.check()
    }
  }

  @Test("an empty sheaf is not filled for a bulk call, which takes what it needs from slabs")
  func pastSheaves() throws {
    // Operation 2 of sheaf_bulk of the recordings of 7.2.9.
    var bench = try Bench("7.2", cpus: 8, nodes: 1, size: 256)
    for _ in 0..<33 { _ = bench.allocate(8, on: 0) }
    for count in (1...7).reversed() { _ = bench.allocate(count, on: 0) }
    let figures = bench.runner.world.slab.figures(of: bench.cache)
    let held = bench.held.count
    #expect(held == 292 && figures.objects == [292] && figures.slabs == [10])
  }

  @Test(
    "an object named twice in a bulk free is one double free", arguments: SheafBulkTests.kernels)
  func twice(kernel: String) throws {
    var bench = try Bench(kernel, cpus: 1, nodes: 1, size: 512)
    _ = bench.allocate(20, on: 0)
    let objects = bench.held + [bench.held[3], .null]
    _ = bench.runner.call(bench.runner.world.bulkFree(bench.cache, objects), on: 0)
    bench.held = []
    try bench.check()
    let kinds = bench.runner.world.complaints.raised.map(\.kind)
    #expect(kinds == [.doubleFree])
  }
}
