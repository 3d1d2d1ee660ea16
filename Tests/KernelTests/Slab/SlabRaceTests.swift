import Hardware
import Simulation
import Testing

@testable import Kernel

/// The slab paths in all orders that a seed draws: every CPU may stop between any two steps, and
/// interrupts come wherever they are not off.
@Suite struct SlabRaceTests {
  /// One release of each family of paths.
  static let kernels = ["2.6.24", "2.6.39", "3.10", "4.19", "5.12", "5.15", "6.1", "6.8", "6.12"]

  /// A slab of 8, of 1 and of 4 objects: lists change at nearly every free.
  @Test(
    "no object is lost or handed out twice, whoever comes between",
    arguments: [(4096, 1), (4096, 2), (32768, 3), (8192, 4), (4096, 5)] as [(Int, UInt64)],
    Self.kernels)
  func storm(_ shape: (Int, UInt64), kernel: String) throws {
    let (size, seed) = shape
    var storm = try Storm(size: size, seed: seed, kernel: kernel)
    for turn in 0..<20_000 {
      storm.turn()
      if turn % 97 == 0 {
        let (taken, least, most) = (
          try storm.runner.world.slab.checkInvariants(), storm.held.count,
          storm.held.count + storm.underWay
        )
        #expect(taken >= least && taken <= most)
      }
    }
    storm.finish()
    let (problems, left) = (storm.problems, try storm.runner.world.slab.checkInvariants())
    #expect(problems == [] && left == 0)
    let figures = storm.runner.world.slab.figures(of: storm.cache)
    #expect(figures.slabs == [0, 0])
    // Every decision of the slow paths was taken at least once.
    let counts = [
      SlabStat.free_frozen, .free_remove_partial, .alloc_from_partial, .alloc_refill, .free_slab,
      .cpu_partial_drain, .cpu_partial_alloc, .alloc_node_mismatch, .deactivate_to_head,
    ].map { storm.runner.count($0, storm.cache) > 0 }
    // 3.10 keeps one empty slab more, which so few objects do not always exceed; before 3.2 no CPU
    // has partial slabs.
    if size == 4096, kernel != "3.10", !kernel.hasPrefix("2") {
      #expect(counts == [Bool](repeating: true, count: 9), "\(kernel)")
    }
    let slabs = storm.runner.count(.alloc_slab, storm.cache)
    let emptied = storm.runner.count(.free_slab, storm.cache) + storm.shrunk
    #expect(slabs == emptied)
  }

  @Test(
    "debug caches lose no object either",
    arguments: ["2.6.39", "3.10", "5.10", "5.15", "6.1", "6.12", "6.18", "7.0", "7.2"],
    [4096, 1000])
  func debugStorm(kernel: String, size: Int) throws {
    var storm = try Storm(size: size, seed: 9, kernel: kernel, flags: .debug)
    for turn in 0..<6_000 {
      storm.turn()
      if turn % 97 == 0 { try storm.runner.world.slab.checkInvariants() }
    }
    storm.finish()
    let (problems, left) = (storm.problems, try storm.runner.world.slab.checkInvariants())
    #expect(problems == [] && left == 0)
    let figures = storm.runner.world.slab.figures(of: storm.cache)
    #expect(figures.slabs == [0, 0])
    let fast = storm.runner.count(.alloc_fastpath, storm.cache)
    if kernel != "2.6.39" { #expect(fast == 0) }
  }

  /// Every free beyond one for each allocation is found, wherever it comes: each allocation is
  /// ended by one free, so there are as many complaints as there were frees too many.
  @Test(
    "each free too many is reported once and breaks nothing, whoever frees at the same time",
    arguments: [(4096, "4.19"), (4096, "6.1")] + [4096, 32768, 8192].map { ($0, "6.12") },
    1...6 as ClosedRange<UInt64>)
  func doubleFrees(_ shape: (Int, String), seed: UInt64) throws {
    let (size, kernel) = shape
    var storm = try Storm(size: size, seed: seed, kernel: kernel, freesTwice: true)
    for turn in 0..<16_000 {
      storm.turn()
      if turn % 29 == 0 { try storm.runner.world.slab.checkInvariants() }
    }
    storm.finish()
    let (left, kinds) = (
      try storm.runner.world.slab.checkInvariants(),
      storm.runner.world.complaints.raised.map(\.kind)
    )
    #expect(left == 0 && Set(kinds).isSubset(of: [.doubleFree, .badFree]))
    let (asked, races, slabs) = (
      storm.freedTwice, storm.races, storm.runner.world.slab.figures(of: storm.cache).slabs
    )
    #expect(asked > 100)
    #expect(kinds.count == asked)
    #expect(kinds.count { $0 == .doubleFree } > 50)
    // Found while the other free of the object was under way on another CPU.
    #expect(races > 10)
    #expect(slabs == [0, 0])
  }

  struct Storm: ~Copyable {
    var runner: PathRunner
    /// Whether one object in three is freed once more, by whatever CPU is next to begin something.
    let freesTwice: Bool
    /// Objects whose second free is due, and how many have been begun.
    private var due: [Address] = []
    var freedTwice = 0
    /// Complaints that came while another CPU was freeing the same object.
    var races = 0
    let cache: CacheID
    var random: RandomStream
    var held: [Address] = []
    var all: Set<Address> = []
    var problems: [String] = []
    /// Slabs that the last kmem_cache_shrink gave back.
    var shrunk = 0
    let cpuCount = 4

    init(
      size: Int, seed: UInt64, kernel: String, freesTwice: Bool = false, flags: SlabFlags = [],
      sheaf: Int = 0
    ) throws {
      self.freesTwice = freesTwice
      var runner = try PathRunner(cpus: 4, nodes: 2, seed: seed, kernel: kernel)
      cache = try runner.makeCache("storm", size: size, flags: flags, sheaf: sheaf)
      self.runner = runner
      random = RandomStream(seed: seed, index: 0)
    }

    var underWay: Int { runner.cpus.reduce(0) { $0 + $1.count } }

    mutating func turn() {
      let cpu = random.below(cpuCount)
      if runner.cpus[cpu].last?.result != nil { collect(cpu) }
      if runner.cpus[cpu].isEmpty {
        begin(on: cpu, atomic: false)
      } else if runner.cpus[cpu].count < 2, runner.world.cpus[CPUID(cpu)].irqsOff == 0,
        random.below(16) == 0
      {
        begin(on: cpu, atomic: true)
      }
      if runner.isReady(cpu) { advance(cpu) }
    }

    private mutating func advance(_ cpu: Int) {
      let before = runner.world.complaints.raised.count
      let object = runner.cpus[cpu].last?.freed ?? .null
      runner.advance(cpu)
      guard runner.world.complaints.raised.count > before else { return }
      let others = (0..<cpuCount).filter { $0 != cpu }
      let isRace = others.contains { other in
        runner.cpus[other].contains { $0.freed == object && $0.result == nil }
      }
      races += isRace ? 1 : 0
    }

    private mutating func begin(on cpu: Int, atomic: Bool) {
      if !due.isEmpty, random.below(2) == 0 {
        freedTwice += 1
        return free(due.removeLast(), on: cpu)
      }
      if held.isEmpty || random.below(100) < (held.count < 150 ? 52 : 30) {
        let node = random.below(8) == 0 ? NodeID(random.below(2)) : .any
        let call = KmemCacheAlloc.start(cache: cache, gfp: atomic ? .atomic : .kernel, node: node)
        runner.cpus[cpu].append(PathRunner.Thread(frames: [.kmemCacheAlloc(call)]))
      } else {
        let place = random.below(held.count)
        held.swapAt(place, held.count - 1)
        let object = held.removeLast()
        all.remove(object)
        free(object, on: cpu)
        if freesTwice, random.below(3) == 0 { due.append(object) }
      }
    }

    private mutating func free(_ object: Address, on cpu: Int) {
      runner.cpus[cpu].append(PathRunner.Thread(frames: [.kfree(.start(object))], freed: object))
    }

    private mutating func collect(_ cpu: Int) {
      let reply = runner.cpus[cpu].removeLast().result ?? .none
      guard reply.tag == .address else { return }
      if reply.address == .null { return problems.append("an allocation failed") }
      if !all.insert(reply.address).inserted { problems.append("handed out twice") }
      held.append(reply.address)
    }

    /// Ends what is under way, frees all, and shrinks.
    mutating func finish() {
      while underWay > 0 {
        for cpu in 0..<cpuCount {
          if runner.cpus[cpu].last?.result != nil { collect(cpu) }
          if runner.isReady(cpu) { advance(cpu) }
        }
      }
      for object in held { runner.free(object, on: random.below(cpuCount)) }
      let before = runner.count(.free_slab, cache)
      let slabs = runner.world.slab.figures(of: cache).slabs.reduce(0, +)
      let left = runner.call(.kmemCacheShrink(.start(cache)), on: 0).number
      if left != 0 { problems.append("slabs are left after the last free") }
      shrunk = slabs - (runner.count(.free_slab, cache) - before)
      problems += runner.world.complaints.raised.map(\.message)
    }
  }

  @Test("an interrupt that allocates in the slow path costs the task its slab, no object")
  func interruptedSlowPath() throws {
    var runner = try PathRunner(cpus: 1)
    let cache = try runner.makeCache("c", size: 4096)
    let call = KmemCacheAlloc.start(cache: cache, gfp: .kernel, node: .any)
    runner.cpus[0].append(PathRunner.Thread(frames: [.kmemCacheAlloc(call)]))
    // Into the page allocator, where the slab is neither the CPU's nor on a list.
    while runner.pagesTaken.isEmpty { runner.advance(0) }
    let other = runner.allocate(cache, gfp: .atomic, on: 0)
    while runner.cpus[0][0].result == nil { runner.advance(0) }
    let mine = runner.cpus[0].removeLast().result?.address
    #expect(mine != nil && mine != other)
    let (flushes, slabs) = (runner.count(.cpuslab_flush, cache), runner.count(.alloc_slab, cache))
    #expect(flushes == 1 && slabs == 2)
    let partial = runner.world.slab.figures(of: cache).partial
    #expect(partial == [1])
    try runner.world.slab.checkInvariants()
  }
}
