import Hardware
import Simulation
import Testing

@testable import Kernel

/// Objects of `kfree_rcu()` in sheaves, against a model that knows only sets of addresses.
@Suite struct RCUSheafTests {
  @Test("a sheaf that kfree_rcu() filled is the barn's after a grace period, not before")
  func full() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let objects = (0..<60).map { _ in runner.allocate(cache, on: 0) }
    for object in objects.prefix(27) { runner.freeLater(object, on: 0) }
    let (waiting, queued) = (runner.count(.free_rcu_sheaf, cache), runner.world.rcu.pending)
    #expect(waiting == 27 && queued == 0)
    runner.freeLater(objects[27], on: 0)
    let (callbacks, before) = (
      runner.world.rcu.pending, runner.world.slab.allocatedCount(of: cache)
    )
    #expect(callbacks == 1 && before == 60)
    try runner.world.slab.checkInvariants()
    runner.quiesce()
    let barn = runner.world.slab.sheaves.barns[runner.world.slab.node(cache, NodeID(0))]
    let after = runner.world.slab.allocatedCount(of: cache)
    #expect(barn.fullCount == 1 && after == 32)
    let puts = [SlabStat.barn_put, .barn_put_fail, .sheaf_flush].map { runner.count($0, cache) }
    #expect(puts == [1, 0, 0])
    try runner.world.slab.checkInvariants()
  }

  @Test("a flush hands what is not full to RCU too, and a barn with 10 full sheaves takes no more")
  func flush() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let objects = (0..<28 * 12).map { _ in runner.allocate(cache, on: 0) }
    for object in objects { runner.freeLater(object, on: 0) }
    runner.quiesce()
    let (puts, fails, flushed) = (
      runner.count(.barn_put, cache), runner.count(.barn_put_fail, cache),
      runner.count(.sheaf_flush, cache)
    )
    #expect(puts == 10 && fails == 2 && flushed == 56)
    let one = runner.allocate(cache, on: 0)
    runner.freeLater(one, on: 0)
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let (pending, taken) = (
      runner.world.rcu.pending, runner.world.slab.allocatedCount(of: cache)
    )
    #expect(pending == 1 && taken == 1)
    runner.quiesce()
    let left = runner.world.slab.allocatedCount(of: cache)
    #expect(left == 0 && runner.world.complaints.raised.isEmpty)
    try runner.world.slab.checkInvariants()
  }

  @Test("a double kfree_rcu() is reported once, when the grace period is over")
  func double() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 4096)
    let objects = (0..<3).map { _ in runner.allocate(cache, on: 0) }
    for object in objects + [objects[1]] { runner.freeLater(object, on: 0) }
    let early = runner.world.complaints.raised.count
    runner.quiesce()
    let kinds = runner.world.complaints.raised.map(\.kind)
    #expect(early == 0 && kinds == [.doubleFree])
    try runner.world.slab.checkInvariants()
  }

  /// What is handed out, and what waits for a grace period; nothing of sheaves.
  struct Naive {
    var held: [Address] = []
    /// In sheaves that are not full, and in full ones that wait.
    var filling: [[Address]]
    var inFlight: Set<Address> = []
    /// Of another node, or without a sheaf: in the blocks of kfree_rcu(), which no timer frees here.
    var elsewhere: Set<Address> = []
    var count: Int {
      held.count + filling.reduce(0) { $0 + $1.count } + inFlight.count + elsewhere.count
    }
  }

  @Test(
    "nothing is handed out before its grace period, lost or doubled",
    arguments: [
      (4096, 1, "7.2"), (1024, 2, "7.2"), (4096, 3, "7.0"), (512, 4, "6.18"), (2048, 5, "6.19"),
    ] as [(Int, UInt64, String)], [1, 3])
  func model(_ shape: (Int, UInt64, String), cpus: Int) throws {
    let (size, seed, kernel) = shape
    var runner = try PathRunner(cpus: cpus, nodes: min(cpus, 2), seed: seed, kernel: kernel)
    let cache = try runner.makeCache("c", size: size, sheaf: kernel < "7" ? 6 : 0)
    let capacity = runner.world.slab.caches[cache].sizing.sheafCapacity
    var naive = Naive(filling: [[Address]](repeating: [], count: cpus))
    var (random, inSheaves) = (RandomStream(seed: seed, name: "rcu sheaf", index: cpus), 0)
    for turn in 0..<6_000 {
      let cpu = random.below(cpus)
      runner.hasNoPages = turn % 1_000 > 900
      switch random.below(100) {
      case 0..<45:
        let object = runner.allocate(cache, gfp: [.kernel, .noWarn], on: cpu)
        guard object != .null else { break }
        let isNew =
          !naive.held.contains(object) && !naive.inFlight.contains(object)
          && !naive.elsewhere.contains(object)
          && !naive.filling.contains { $0.contains(object) }
        try #require(isNew)
        naive.held.append(object)
      case 45..<60 where !naive.held.isEmpty:
        runner.free(naive.held.remove(at: random.below(naive.held.count)), on: cpu)
      case 60..<98 where !naive.held.isEmpty:
        let object = naive.held.remove(at: random.below(naive.held.count))
        let before = runner.count(.free_rcu_sheaf, cache)
        runner.freeLater(object, on: cpu)
        guard runner.count(.free_rcu_sheaf, cache) > before else {
          naive.elsewhere.insert(object)
          break
        }
        inSheaves += 1
        naive.filling[cpu].append(object)
        if naive.filling[cpu].count == capacity {
          naive.inFlight.formUnion(naive.filling[cpu])
          naive.filling[cpu] = []
        }
      case 98:
        runner.quiesce()
        naive.inFlight = []
      default:
        guard turn % 3 == 0 else { break }
        _ = runner.call(.kmemCacheShrink(.start(cache)), on: cpu)
        for cpu in 0..<cpus {
          naive.inFlight.formUnion(naive.filling[cpu])
          naive.filling[cpu] = []
        }
      }
      let taken = runner.world.slab.allocatedCount(of: cache)
      try #require(taken == naive.count)
      if turn % 20 == 0 { try runner.world.slab.checkInvariants() }
    }
    // The runner performs work items at once, which may sleep where they were queued.
    let wrong = runner.world.complaints.raised.filter {
      $0.kind != .irqsOffGFP && $0.kind != .sleepingInAtomic
    }
    let (counted, complaints) = (runner.count(.free_rcu_sheaf, cache), wrong.count)
    #expect(counted == inSheaves && inSheaves > 500 && complaints == 0, "\(wrong)")
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    runner.quiesce()
    let (left, wanted) = (
      runner.world.slab.allocatedCount(of: cache), naive.held.count + naive.elsewhere.count
    )
    #expect(left == wanted)
    try runner.world.rcu.checkInvariants()
  }
}

extension PathRunner {
  fileprivate mutating func freeLater(_ object: Address, on cpu: Int) {
    _ = call(.kvfreeCallRCU(.start(object, mightSleep: false)), on: cpu)
  }

  /// Lets every CPU be quiescent until no callback is left.
  fileprivate mutating func quiesce() {
    for _ in 0..<400 where world.rcu.pending > 0 {
      for cpu in cpus.indices {
        world.rcu.noteSwitch(CPUID(cpu))
        _ = call(.rcuCore(.start), on: cpu)
      }
    }
  }
}
