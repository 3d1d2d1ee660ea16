import Hardware
import Simulation
import Testing

@testable import Kernel

/// Grace periods against their definition: each callback remembers which CPUs have been quiescent
/// since it was queued.
@Suite struct RCUModelTests {
  /// Knows no grace periods: only when a callback may run.
  struct Naive {
    var waiting: [Int: (cpu: Int, quiescent: Set<Int>)] = [:]
    mutating func quiesce(_ cpu: Int) {
      for number in waiting.keys { waiting[number]?.quiescent.insert(cpu) }
    }
  }

  /// One run of the softirq on a CPU. Returns: the callbacks that ran.
  private static func softirq(
    _ cpu: Int, at now: Instant, _ rcu: inout RCU, _ naive: inout Naive,
    _ random: inout RandomStream
  ) -> Int {
    let id = CPUID(cpu)
    if rcu.mayReport(id) { rcu.report(id, at: now) }
    rcu.advance(id)
    rcu.beginIfWanted(at: now)
    var ran = 0
    for _ in 0..<random.below(4) {
      guard let callback = rcu.takeDone(id), case .wake(let task) = callback else { break }
      let known = naive.waiting.removeValue(forKey: task.index)
      #expect(known?.cpu == cpu)
      let cpus = rcu.cpus.count
      #expect(known?.quiescent.count == cpus, "callback \(task.index) came too soon")
      ran += 1
    }
    return ran
  }

  @Test("no callback runs before every CPU was quiescent, and all run", arguments: 1...30)
  func model(seed: UInt64) throws {
    var random = RandomStream(seed: seed, name: "rcu model", index: 0)
    let cpuCount = [1, 2, 5, 40][Int(seed) % 4]
    let ticks = Ticks(cpuCount: cpuCount, hz: 250)
    var rcu = RCU(cpuCount: cpuCount)
    var naive = Naive()
    var (next, ran, now) = (0, 0, Instant.zero)

    for round in 0..<3000 {
      now += .nanoseconds(100_000)
      let cpu = random.below(cpuCount)
      switch random.below(8) {
      case 0 where round < 1500:
        rcu.enqueue(.wake(TaskID(next)), on: CPUID(cpu))
        naive.waiting[next] = (cpu, [])
        next += 1
      case 1, 2, 3:
        rcu.noteSwitch(CPUID(cpu))
        naive.quiesce(cpu)
      case 4:
        // Found idle by the one who looks for idle CPUs.
        guard rcu.isScanDue(at: now, ticks) else { break }
        naive.quiesce(cpu)
        rcu.report(CPUID(cpu), at: now)
      default: ran += Self.softirq(cpu, at: now, &rcu, &naive, &random)
      }
      if round % 50 == 0 { try rcu.checkInvariants() }
    }
    // All that is left runs once every CPU goes on being quiescent.
    for _ in 0..<400 {
      for cpu in 0..<cpuCount {
        naive.quiesce(cpu)
        rcu.noteSwitch(CPUID(cpu))
        ran += Self.softirq(cpu, at: now, &rcu, &naive, &random)
      }
    }
    try rcu.checkInvariants()
    let (pending, isActive) = (rcu.pending, rcu.isActive)
    #expect(pending == 0 && naive.waiting.isEmpty && ran == next && next > 0)
    #expect(!isActive)
  }

  @Test("blocks, lists and batches of kfree_rcu lose nothing and double nothing", arguments: 1...20)
  func kfreeRCU(seed: UInt64) throws {
    var random = RandomStream(seed: seed, name: "kfree_rcu model", index: 0)
    var rules = KernelVersion.standard.slab
    rules.kfreeRCUBlock = 7
    var gathering = KfreeRCU(cpuCount: 2, rules)
    var now = Instant.zero
    var (gone, freed, next, page) = (Set<UInt64>(), Set<UInt64>(), UInt64(1), 0)
    for _ in 0..<2000 {
      now += .nanoseconds(1000)
      let cpu = CPUID(random.below(2))
      switch random.below(5) {
      case 0, 1:
        let address = Address(next << 12)
        gone.insert(address.raw)
        next += 1
        if !gathering.add(address, isVmalloc: random.below(3) == 0, on: cpu) {
          gathering.addToHead(address, on: cpu)
        }
      case 2:
        page += 1
        _ = gathering.addSpare(PFN(page), on: cpu)
      case 3: _ = gathering.beginBatch(on: cpu)
      default:
        let batch = UInt8(random.below(2))
        gathering.beginFreeing(batch, on: cpu)
        free: while true {
          switch gathering.nextToFree(on: cpu) {
          case .pointer(let address):
            #expect(freed.insert(address.raw).inserted, "freed twice")
          case .emptied(let block): _ = gathering.giveUp(block, on: cpu)
          case .nothing: break free
          }
        }
      }
      let inside = try gathering.checkInvariants()
      try #require(inside + freed.count == gone.count)
    }
    #expect(!freed.isEmpty && freed.isSubset(of: gone))
  }
}
