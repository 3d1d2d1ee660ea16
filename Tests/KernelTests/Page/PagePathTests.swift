import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// The page allocator's paths on a machine: what they ask, count, trace and leave behind.
@Suite struct PagePathTests {
  /// A machine of few CPUs that records everything, and its own programs.
  final class Bench {
    var machine: Machine
    private var used = 0
    private var time: UInt64 = 1000

    init(
      cpus: Int = 4, nodes: Int = 1, megabytes: UInt64 = 1024, runsAhead: Bool = true,
      boost: Int = 15_000
    ) throws {
      var description = MachineDescription.plain(cpus: cpus, nodes: nodes)
      for node in 0..<nodes { description.nodes[node].memoryBytes = megabytes << 20 }
      let costs = try CostFile.named("generic-x86")
      var config = KernelConfig()
      (config.transparentHugePages, config.watermarkBoostFactor) = (false, boost)
      machine = Machine(
        Boot(machine: description, costs: costs, config: config), runsAhead: runsAhead)
      machine.world.probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
    }

    /// A frame that performs `steps`.
    func script(_ steps: [Step]) -> Frame {
      let end = used + steps.count
      machine.world.scripts.grow(to: max(end, 2 * used), .return())
      for (place, step) in steps.enumerated() { machine.world.scripts[used + place] = step }
      defer { used = end }
      return .script(Script(from: used, to: end))
    }

    /// Starts `steps` on each CPU given, and runs until nothing is left.
    func run(_ steps: [Step], on cpus: [Int] = [0]) {
      for cpu in cpus {
        machine.start(
          script(steps), on: CPUID(cpu), at: Instant(picoseconds: time * 1000 + UInt64(cpu)))
      }
      finish()
    }
    func finish() {
      // What the probe holds is looked at later.
      var halt = machine.run()
      while halt == .probeIsFull { halt = machine.run() }
      #expect(halt == .nothingLeft)
      time = max(time, machine.now.picoseconds / 1000) + 1000
    }
    func start(_ steps: [Step], on cpu: Int, after nanoseconds: UInt64) {
      let at = Instant(picoseconds: (time + nanoseconds) * 1000)
      machine.start(script(steps), on: CPUID(cpu), at: at)
    }

    func records(of event: TraceEvent) -> [ProbeRecord] {
      (0..<machine.world.probe.count).map { machine.world.probe[$0] }
        .filter { $0.event == event.rawValue }
    }
    func forget() { machine.world.probe.clear() }

    /// Allocates on a CPU and says what it got.
    func alloc(
      _ count: Int = 1, _ order: Int = 0, _ gfp: GFPFlags = .kernel, node: NodeID = .any,
      on cpus: [Int] = [0]
    ) -> [PFN] {
      forget()
      let call = AllocPages.start(order: Order(order), gfp: gfp, node: node)
      run([Step](repeating: .call(.allocPages(call)), count: count), on: cpus)
      return records(of: .mmPageAlloc).map { PFN(Int(Int64(bitPattern: $0.a))) }
    }

    func free(_ blocks: [PFN], _ order: Int = 0, on cpu: Int = 0) {
      forget()
      run(blocks.map { .call(.freePages(.start($0, Order(order)))) }, on: [cpu])
    }

    func zone(_ node: Int, _ kind: ZoneKind) -> Int {
      let zones = 0..<machine.world.pages.zones.count
      return zones.first {
        machine.world.pages.zones[$0].node == NodeID(node)
          && machine.world.pages.zones[$0].kind == kind
      }!
    }
    func freePages(_ zone: Int) -> Int { machine.world.pages.zones[zone].freePages }
    func lists(_ zone: Int, _ cpu: Int) -> PerCPUPages {
      machine.world.pages.lists(zone, CPUID(cpu))
    }
    func count(_ counter: VMStat) -> Int { Int(machine.world.counters[counter]) }
    var fault: String? { machine.world.pages.checkInvariants() }
    var kinds: [Violation.Kind] { machine.world.complaints.violations.map(\.kind) }
    /// Pages free or on a CPU's list, over all zones.
    var unused: Int {
      (0..<machine.world.pages.zones.count).reduce(0) { sum, zone in
        (0..<machine.world.layout.cpuCount).reduce(sum + freePages(zone)) {
          $0 + Int(lists(zone, $1).count)
        }
      }
    }
  }

  /// One refill of 31 or so, then the list alone: as the recorded operation lists show it.
  @Test func firstPageFetchesABatch() throws {
    let bench = try Bench()
    let zone = bench.zone(0, .dma32)
    let batch = Int(bench.machine.world.pages.zones[zone].sizing.batch)
    #expect(batch == 63)
    let before = bench.freePages(zone)
    let first = bench.alloc()
    #expect(first.count == 1 && bench.records(of: .mmPageAllocZoneLocked).count == batch - 1)
    #expect(bench.records(of: .mmPageAllocExtfrag).count == 1)
    #expect(bench.freePages(zone) == before - batch && bench.lists(zone, 0).count == 62)
    let next = bench.alloc(2)
    #expect(next == [PFN(first[0].index + 1), PFN(first[0].index + 2)])
    #expect(bench.records(of: .mmPageAllocZoneLocked).isEmpty)
    #expect(bench.count(.pgalloc_dma32) == 3 && bench.count(.numa_hit) == 3)
    #expect(bench.count(.numa_local) == 3 && bench.count(.numa_other) == 0)
    bench.free(first + next)
    #expect(bench.records(of: .mmPageFree).count == 3 && bench.count(.pgfree) == 3)
    #expect(bench.lists(zone, 0).count == 63 && bench.fault == nil)
  }

  /// Orders 4 to 8 and 10 never go to a CPU's lists.
  @Test func highOrdersGoToTheZone() throws {
    let bench = try Bench()
    let zone = bench.zone(0, .dma32)
    let before = bench.freePages(zone)
    let block = bench.alloc(1, 4, [.kernel, .comp, .zero])
    #expect(bench.freePages(zone) == before - 16)
    let head = bench.machine.world.pages.map.head(of: PFN(block[0].index + 15))
    #expect(head == block[0])
    bench.free(block, 4)
    #expect(bench.freePages(zone) == before && bench.fault == nil)
    let large = bench.alloc(1, 10)
    bench.free(large, 10)
    #expect(bench.freePages(zone) == before && bench.fault == nil)
  }

  /// Zeroing is paid for by the page.
  @Test func zeroingTakesTime() throws {
    func length(_ gfp: GFPFlags) throws -> UInt64 {
      let bench = try Bench()
      _ = bench.alloc(1, 3)
      let start = bench.machine.accounting.spent(in: .pageAllocator)
      _ = bench.alloc(1, 3, gfp)
      return (bench.machine.accounting.spent(in: .pageAllocator) - start).picoseconds / 1000
    }
    #expect(try length([.kernel, .zero]) == length(.kernel) + 8 * 60)
  }

  /// With the lists' lock held here, as an interrupt may find it, the zone serves.
  @Test func aHeldListIsPassedBy() throws {
    let bench = try Bench()
    let zone = bench.zone(0, .dma32)
    _ = bench.alloc()
    let (before, listed) = (bench.freePages(zone), bench.lists(zone, 0).count)
    let place = bench.machine.world.pages.perCPUPlace(zone, CPUID(0))!
    let lock = bench.machine.world.pages.locks.lists[place]
    bench.forget()
    let call = Frame.allocPages(.start(order: .zero, gfp: .atomic, node: .any))
    bench.run([.acquire(lock), .call(call), .release(lock)])
    let got = bench.records(of: .mmPageAlloc).map { PFN(Int($0.a)) }
    #expect(got.count == 1 && bench.freePages(zone) == before - 1)
    #expect(bench.lists(zone, 0).count == listed)
    bench.run([.acquire(lock), .call(.freePages(.start(got[0], .zero))), .release(lock)])
    #expect(bench.freePages(zone) == before && bench.lists(zone, 0).count == listed)
    #expect(bench.kinds.isEmpty && bench.fault == nil)
  }

  @Test func sleepingMasksAreRefusedWhereNoOneMaySleep() throws {
    let bench = try Bench()
    let kernel = Frame.allocPages(.start(order: .zero, gfp: .kernel, node: .any))
    let atomic = Frame.allocPages(.start(order: .zero, gfp: .atomic, node: .any))
    bench.run([.disable(.irqs), .call(atomic), .call(kernel), .enable(.irqs)])
    #expect(bench.kinds == [.irqsOffGFP])
    #expect(bench.machine.world.complaints.violations[0].path == ["script", "__alloc_pages"])
    #expect(bench.records(of: .mmPageAlloc).count == 2)
  }

  /// Ordinary requests stop at the low mark, then at the lowest; urgent ones go on to three
  /// eighths of it; each failure is reported as the kernel does.
  @Test func reservesEndWhereTheyShould() throws {
    let bench = try Bench(cpus: 1, megabytes: 48, boost: 0)
    let zone = bench.zone(0, .dma32)
    let marks = bench.machine.world.pages.zones[zone].marks
    func exhaust(_ gfp: GFPFlags) -> Int {
      while let block = bench.alloc(1, 4, gfp).first, !block.isNone {}
      return bench.freePages(zone)
    }
    let dma32: GFPFlags = [.dma32, .thisNode]
    let ordinary = exhaust([.kernel, dma32])
    #expect((marks.min..<marks.min + 48).contains(ordinary))
    #expect(bench.count(.would_reclaim) == 0 && bench.count(.page_alloc_failures) == 1)
    #expect(bench.machine.world.complaints.warnings.count == 1)
    #expect(
      bench.machine.world.complaints.warnings[0].message.hasPrefix(
        "page allocation failure: order:4, mode:0x200cc4(GFP_KERNEL|"))
    let single = bench.alloc(1, 0, [.kernel, .noRetry, .noWarn])
    #expect(bench.count(.would_reclaim) == 0)
    let urgent = exhaust([.atomic, dma32, .noWarn])
    let lowest = marks.min - marks.min / 2
    #expect(urgent < ordinary && urgent > lowest - lowest / 4 - 32)
    #expect(single.count == 1 && bench.count(.kswapd_wakeups) > 0 && bench.fault == nil)
  }

  /// A small request that may wait fails too, and is marked.
  @Test func smallRequestsWouldReclaim() throws {
    let bench = try Bench(cpus: 1, megabytes: 24)
    while let block = bench.alloc(16).last, !block.isNone {}
    #expect(bench.count(.would_reclaim) > 0)
    #expect(bench.machine.world.complaints.warnings[0].message.contains("would-reclaim"))
    #expect(bench.count(.would_reclaim) == bench.count(.page_alloc_failures))
    #expect(bench.fault == nil)
  }

  @Test func ordersAboveTheHighestAreRefused() throws {
    let bench = try Bench()
    #expect(bench.alloc(1, 11).isEmpty)
    #expect(bench.machine.world.complaints.warnings.count == 1)
    _ = bench.alloc(1, 11, [.kernel, .noWarn])
    #expect(bench.machine.world.complaints.warnings.count == 1)
  }

  /// Requests go to the own node, then to the others; a bound one stays.
  @Test func nodesStandInForEachOther() throws {
    let bench = try Bench(cpus: 4, nodes: 2, megabytes: 64)
    let (near, far) = (bench.zone(1, .dma32), bench.zone(0, .dma32))
    #expect(near != far)
    let before = bench.freePages(far)
    while bench.count(.numa_miss) == 0 { _ = bench.alloc(1, 8, [.kernel, .noWarn], on: [3]) }
    #expect(bench.count(.numa_foreign) == 1 && bench.freePages(far) == before - 256)
    let bound = bench.alloc(1, 8, [.kernel, .thisNode, .noWarn], on: [3])
    #expect(bound == [.none])
    let asked = bench.alloc(1, 0, node: NodeID(0), on: [3])
    let node = bench.machine.world.pages.zones[Int(bench.machine.world.pages.map[asked[0]].zone)]
    #expect(node.node == NodeID(0) && bench.count(.numa_other) >= 2)
  }

  @Test func wrongFreesAreReported() throws {
    let bench = try Bench()
    let block = bench.alloc(1, 1, [.kernel, .comp])
    bench.free(block, 0)
    bench.free([PFN(block[0].index + 1)], 0)
    bench.free(block, 1)
    bench.free(block, 1)
    bench.free([PFN(1 << 30)], 0)
    #expect(bench.kinds == [.badFree, .badFree, .doubleFree, .badFree])
    #expect(bench.fault == nil)
  }

  /// Many pages at once: no event of each, one count, a chain in order.
  @Test(arguments: [2, 20, 63, 64, 500]) func bulk(count: Int) throws {
    let bench = try Bench()
    let zone = bench.zone(0, .dma32)
    let before = bench.freePages(zone)
    let call = AllocPagesBulk.start(count: Int32(count), gfp: .kernel, node: .any)
    bench.run([.call(.allocPagesBulk(call))])
    #expect(bench.records(of: .mmPageAlloc).isEmpty)
    #expect(bench.count(.pgalloc_dma32) == count && bench.count(.numa_hit) == count)
    let listed = Int(bench.lists(zone, 0).count)
    #expect(bench.freePages(zone) + listed == before - count && bench.fault == nil)
    #expect(bench.machine.world.pages.contexts.liveCount == 0)
    let pages = bench.machine.world.pages.zones[zone].first..<bench.machine.world.pages.map.end
    let held = pages.map { PFN($0) }.filter { bench.machine.world.pages.isHeld($0, .zero) }
    var chain: [PFN] = []
    let followers = Set(held.map { bench.machine.world.pages.next(of: $0) })
    var page = held.first { !followers.contains($0) } ?? .none
    while !page.isNone {
      chain.append(page)
      page = bench.machine.world.pages.next(of: page)
    }
    #expect(chain == held && held.count == count)
  }

  /// One page, or a charged one, is asked for singly.
  @Test func bulkOfOneIsSingle() throws {
    let bench = try Bench()
    for (count, gfp) in [(Int32(1), GFPFlags.kernel), (5, .kernelAccount)] {
      bench.forget()
      bench.run([.call(.allocPagesBulk(.start(count: count, gfp: gfp, node: .any)))])
      #expect(bench.records(of: .mmPageAlloc).count == 1)
    }
  }

  /// Once a second the lists give up an eighth of what they may hold.
  @Test func theWorkerOfTheCountersLetsHighSink() throws {
    let bench = try Bench()
    let zone = bench.zone(0, .dma32)
    let held = (0..<5).map { _ in bench.alloc(400) }
    for blocks in held { bench.free(blocks) }
    bench.forget()
    let (high, count) = (bench.lists(zone, 0).high, bench.lists(zone, 0).count)
    bench.run([.call(.refreshCPUVMStats(.start))])
    let after = bench.lists(zone, 0)
    #expect(
      after.high == max(high - high / 8, bench.machine.world.pages.zones[zone].sizing.highMin))
    #expect(after.count == min(count, after.high))
    for _ in 0..<80 { bench.run([.call(.refreshCPUVMStats(.start))]) }
    #expect(bench.lists(zone, 0).high == bench.machine.world.pages.zones[zone].sizing.highMin)
    #expect(bench.lists(zone, 0).count <= bench.lists(zone, 0).high && bench.fault == nil)
  }

  @Test func drainingEmptiesAllLists() throws {
    let bench = try Bench(cpus: 8, nodes: 2)
    let blocks = bench.alloc(3, on: Array(0..<8)) + bench.alloc(1, 2, on: [1, 5])
    #expect(blocks.count == 26)
    bench.run([.call(.drainAllPages(.start))], on: [2, 6])
    for zone in 0..<bench.machine.world.pages.zones.count {
      for cpu in 0..<8 { #expect(bench.lists(zone, cpu).count == 0) }
    }
    #expect(bench.fault == nil && bench.kinds.isEmpty)
  }

  /// Goal: whatever CPUs do at once, no page is lost or handed out twice, no lock stays held, and
  /// running ahead changes nothing. Method: all CPUs allocate, free each other's and drain.
  @Test(arguments: [1, 2, 3] as [UInt64]) func storm(seed: UInt64) throws {
    func run(ahead: Bool) throws -> (fingerprint: UInt64, pages: [Int]) {
      let bench = try Bench(cpus: 8, nodes: 2, megabytes: 256, runsAhead: ahead)
      let whole = bench.unused
      var random = RandomStream(seed: seed, index: 0)
      var held: [(PFN, Int)] = []
      for _ in 0..<6 {
        let order = random.below(2) == 0 ? 0 : random.below(6)
        let gfp: GFPFlags = random.below(3) == 0 ? [.kernel, .movable] : .atomic
        let got = bench.alloc(20 + random.below(60), order, gfp, on: Array(0..<8))
        for block in got where !block.isNone { held.append((block, order)) }
        bench.forget()
        for cpu in 0..<8 {
          var steps: [Step] = []
          for _ in 0..<min(random.below(80), held.count) {
            let (block, order) = held.remove(at: random.below(held.count))
            steps.append(.call(.freePages(.start(block, Order(order)))))
          }
          if random.below(8) == 0 { steps.insert(.call(.drainAllPages(.start)), at: 0) }
          bench.start(steps, on: cpu, after: UInt64(random.below(300)))
        }
        bench.finish()
        #expect(bench.fault == nil && bench.kinds.isEmpty)
        let pages = held.reduce(0) { $0 + 1 << $1.1 }
        #expect(bench.unused + pages == whole)
      }
      #expect(Set(held.map(\.0)).count == held.count)
      return (bench.machine.fingerprint, held.map(\.0.index))
    }
    let (a, b) = (try run(ahead: true), try run(ahead: false))
    #expect(a.fingerprint == b.fingerprint && a.pages == b.pages)
  }
}
