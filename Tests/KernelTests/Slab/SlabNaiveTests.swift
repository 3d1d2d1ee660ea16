import Hardware
import Simulation
import Testing

@testable import Kernel

/// The paths of each family of releases beside `NaiveSLUB`, fed the same random operations.
@Suite struct SlabNaiveTests {
  static let kernels = ["3.10", "4.19", "5.12", "5.15", "5.16", "6.1", "6.8", "6.9", "6.12"]

  /// CPUs, nodes and bytes of an object: 8, 4 and 16 objects a slab, and one CPU alone.
  static let shapes = [(4, 2, 4096), (4, 2, 8192), (3, 1, 512), (1, 1, 4096)]

  @Test(
    "every count, and the slab of every object, is the naive model's", arguments: kernels, 0..<4)
  func agrees(kernel: String, shape: Int) throws {
    let (cpus, nodes, size) = Self.shapes[shape]
    var runner = try PathRunner(cpus: cpus, nodes: nodes, seed: 1, kernel: kernel)
    let cache = try runner.makeCache("c", size: size)
    // No draws: a search of other nodes would be one.
    runner.world.slab.caches[cache].remoteNodeDefragRatio = 0
    let (rules, sizing) = (runner.world.slab.rules, runner.world.slab.caches[cache].sizing)
    var naive = NaiveSLUB(rules, sizing, cpus: cpus, nodes: nodes)
    let cpuNodes = (0..<cpus).map { runner.world.memoryNode(of: CPUID($0)).index }
    var random = RandomStream(seed: UInt64(shape), index: 7)
    var held: [(object: Address, slab: NaiveSLUB.Slab)] = []
    var names: [ID<Slab>: ObjectIdentifier] = [:]
    for turn in 0..<4_000 {
      let cpu = random.below(cpus)
      let wanted = turn / 500 % 2 == 0 ? 60 : 40
      if held.isEmpty || held.count < 400 && random.below(100) < wanted {
        let node = random.below(6) == 0 ? random.below(nodes) : nil
        let object = runner.allocate(
          cache, node: node.map { NodeID($0) } ?? .any, on: cpu)
        let made = naive.counts[.alloc_slab]
        let slab = naive.allocate(cpu, node: node, local: cpuNodes[cpu])
        let found = runner.world.slab.slab(of: object)
        let id = try #require(found)
        // A slab that ended in this very call may have left its record to the new one.
        if let name = names[id], made == naive.counts[.alloc_slab] {
          #expect(name == ObjectIdentifier(slab))
        }
        names[id] = ObjectIdentifier(slab)
        held.append((object, slab))
      } else {
        let (object, slab) = held.remove(at: random.below(held.count))
        runner.free(object, on: cpu)
        naive.free(slab, cpu)
      }
      if turn % 50 == 0 { try compare(naive, runner, cache, turn) }
      // A record of a slab that ended serves another.
      for id in names.keys where runner.world.slab.slabs[id].objects == 0 { names[id] = nil }
    }
    try compare(naive, runner, cache, -1)
    let taken = try runner.world.slab.checkInvariants()
    #expect(taken == held.count)
  }

  private func compare(
    _ naive: NaiveSLUB, _ runner: borrowing PathRunner, _ cache: CacheID, _ turn: Int
  ) throws {
    for stat in SlabStat.allCases where stat.isCountedNaively {
      let count = runner.count(stat, cache)
      #expect(count == naive.counts[stat, default: 0], "\(stat) at \(turn)")
    }
    let figures = runner.world.slab.figures(of: cache)
    #expect(figures.partial == naive.nodes.map(\.count), "at \(turn)")
    #expect(figures.slabsCPUPartial == naive.cpus.map { $0.list.count }, "at \(turn)")
    #expect(figures.slabs.reduce(0, +) == naive.slabs, "at \(turn)")
  }
}

extension SlabStat {
  fileprivate var isCountedNaively: Bool {
    switch self {
    case .free_remote_cpu, .free_remote_node, .alloc_failed, .order_fallback, .cpuslab_flush,
      .cmpxchg_double_fail, .cmpxchg_double_cpu_fail:
      false
    default: true
    }
  }
}
