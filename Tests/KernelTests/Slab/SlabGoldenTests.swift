import Hardware
import Simulation
import Testing

@testable import Kernel

/// Counts of fixed sequences, as the project's SLUB page (section 8) has them for three families of
/// releases: one node, 16 CPUs, kmalloc-256 with 32 objects a slab, nothing else running.
@Suite struct SlabGoldenTests {
  /// Releases and the column of the table that is theirs: CPU lists that count objects, that count
  /// slabs, and whose slabs are not frozen.
  static let kernels = [
    ("4.19", 0), ("5.4", 0), ("5.10", 0), ("5.12", 0), ("5.14", 0), ("5.15", 0), ("5.16", 1),
    ("6.1", 1), ("6.6", 1), ("6.8", 2), ("6.9", 2), ("6.11", 2), ("6.12", 2), ("6.18", 2),
    ("6.19", 2),
  ]

  struct Trace: ~Copyable {
    var runner: PathRunner
    let cache: CacheID
    init(_ kernel: String) throws {
      runner = try PathRunner(cpus: 16, kernel: kernel)
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

  @Test("A: 200 objects of one CPU, freed in the order of allocation", arguments: kernels)
  func a(kernel: String, family: Int) throws {
    var trace = try Trace(kernel)
    let objects = trace.allocate(200)
    trace.free(objects)
    let all = trace.counts(.alloc_slab, .alloc_slowpath, .alloc_fastpath, .deactivate_bypass)
    #expect(all == [7, 7, 193, 6])
    let frees = trace.counts(.free_slowpath, .free_fastpath, .cpu_partial_free, .free_frozen)
    #expect(frees == [192, 8, 6, [186, 186, 0][family]])
    let lists = trace.counts(.cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(lists == [[0, 0, 0], [1, 4, 0], [1, 4, 0]][family])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == [0, 0, 6][family] && partials == [[0, 6], [4, 2], [4, 2]][family])
  }

  @Test(
    "B: 1,000 objects, freed in the order of allocation; C: the same once more",
    arguments: kernels)
  func bAndC(kernel: String, family: Int) throws {
    var trace = try Trace(kernel)
    var objects = trace.allocate(1000)
    trace.free(objects)
    let first = trace.counts(
      .alloc_slab, .cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(first == [32, [2, 7, 7][family], 5, 23])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == [0, 0, 31][family] && partials == [5, 3])
    objects = trace.allocate(1000)
    trace.free(objects)
    let second = trace.counts(
      .alloc_slab, .alloc_slowpath, .cpu_partial_alloc, .alloc_from_partial, .cpu_partial_node)
    #expect(second == [55, 63] + [[3, 5, 0], [6, 2, 3], [6, 2, 3]][family])
  }

  @Test("D: 1,000 objects freed by another CPU", arguments: kernels)
  func d(kernel: String, family: Int) throws {
    var trace = try Trace(kernel)
    let objects = trace.allocate(1000)
    trace.free(objects, on: 1)
    let frees = trace.counts(.free_slowpath, .free_fastpath, .free_frozen)
    #expect(frees == [1000, 0, [969, 969, 8][family]])
    let lists = trace.counts(.cpu_partial_drain, .free_add_partial, .free_slab)
    #expect(lists == [[2, 7, 7][family], 5, 23])
    let (partials, remote) = (trace.partials(of: 1), trace.counts(.free_remote_cpu))
    #expect(partials[1] == 3 && remote == [1000])
  }

  @Test("E: 1,000 objects freed one of each slab at a time", arguments: kernels)
  func e(kernel: String, family: Int) throws {
    var trace = try Trace(kernel)
    let objects = trace.allocate(1000)
    let order = (0..<32).flatMap { first in stride(from: first, to: 1000, by: 32) }
    trace.free(order.map { objects[$0] })
    let frees = trace.counts(.free_frozen, .cpu_partial_drain, .free_add_partial)
    #expect(frees == [[93, 93, 0][family], [2, 7, 7][family], 28])
    let removed = trace.counts(.free_remove_partial, .free_slab)
    #expect(removed == [24, 24])
    let (locks, partials) = (trace.locksOfFrees, trace.partials())
    #expect(locks == [28, 28, 31][family] && partials == [4, 3])
  }
}
