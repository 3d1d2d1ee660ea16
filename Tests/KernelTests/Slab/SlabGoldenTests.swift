import Hardware
import Simulation
import Testing

@testable import Kernel

/// Counts of fixed sequences, as the project's SLUB page (section 8, releases 6.8 to 6.19) has
/// them: one node, 16 CPUs, kmalloc-256 with 32 objects a slab, nothing else running.
@Suite struct SlabGoldenTests {
  struct Trace: ~Copyable {
    var runner: PathRunner
    let cache: CacheID
    init() throws {
      runner = try PathRunner(cpus: 16)
      cache = runner.world.slab.kmallocCache(size: 256, gfp: .kernel)
    }
    mutating func allocate(_ count: Int) -> [Address] {
      (0..<count).map { _ in
        runner.call(.kmalloc(.start(size: 256, gfp: .kernel, node: .any)), on: 0).address
      }
    }
    mutating func free(_ objects: [Address], on cpu: Int = 0) {
      for object in objects { runner.free(object, on: cpu) }
    }
    func counts(_ stats: SlabStat...) -> [Int] { stats.map { runner.count($0, cache) } }
    var locksOfFrees: Int { runner.listLocks[.__slab_free, default: 0] }
    /// Partial slabs of the node and of a CPU.
    func partials(of cpu: Int = 0) -> [Int] {
      let figures = runner.world.slab.figures(of: cache)
      return [figures.partial[0], figures.slabsCPUPartial[cpu]]
    }
  }

  @Test("A: 200 objects of one CPU, freed in the order of allocation")
  func a() throws {
    var trace = try Trace()
    let objects = trace.allocate(200)
    trace.free(objects)
    let all = trace.counts(.alloc_slab, .alloc_slowpath, .alloc_fastpath, .deactivate_bypass)
    #expect(all == [7, 7, 193, 6])
    let frees = trace.counts(.free_slowpath, .free_fastpath, .cpu_partial_free, .free_frozen)
    #expect(frees == [192, 8, 6, 0])
    let lists = trace.counts(.cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(lists == [1, 4, 0])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == 6 && partials == [4, 2])
  }

  @Test("B: 1,000 objects, freed in the order of allocation; C: the same once more")
  func bAndC() throws {
    var trace = try Trace()
    var objects = trace.allocate(1000)
    trace.free(objects)
    let first = trace.counts(
      .alloc_slab, .cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(first == [32, 7, 5, 23])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == 31 && partials == [5, 3])
    objects = trace.allocate(1000)
    trace.free(objects)
    let second = trace.counts(
      .alloc_slab, .alloc_slowpath, .cpu_partial_alloc, .alloc_from_partial, .cpu_partial_node)
    #expect(second == [55, 63, 6, 2, 3])
  }

  @Test("D: 1,000 objects freed by another CPU")
  func d() throws {
    var trace = try Trace()
    let objects = trace.allocate(1000)
    trace.free(objects, on: 1)
    let frees = trace.counts(.free_slowpath, .free_fastpath, .free_frozen)
    #expect(frees == [1000, 0, 8])
    let lists = trace.counts(.cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(lists == [7, 5, 23])
    let (partials, remote) = (trace.partials(of: 1), trace.counts(.free_remote_cpu))
    #expect(partials[1] == 3 && remote == [1000])
  }

  @Test("E: 1,000 objects freed one of each slab at a time")
  func e() throws {
    var trace = try Trace()
    let objects = trace.allocate(1000)
    let order = (0..<32).flatMap { first in stride(from: first, to: 1000, by: 32) }
    trace.free(order.map { objects[$0] })
    let frees = trace.counts(.free_frozen, .cpu_partial_drain, .free_add_partial)
    #expect(frees == [0, 7, 28])
    let removed = trace.counts(.free_remove_partial, .free_slab)
    #expect(removed == [24, 24])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == 31 && partials == [4, 3])
  }
}
