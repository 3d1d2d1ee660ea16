import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Performs paths with no engine and no time: one after the other, or in an order drawn by seed.
///
/// Whoever acquires a lock that is held waits; work items run at once, on their CPU. It counts
/// what the facts of a test speak of: who took list_lock, and which pages came and went.
struct PathRunner: ~Copyable {
  /// One thread of control of a CPU: a task, or the interrupt above it.
  struct Thread {
    var frames: [Frame]
    var reply = Reply.none
    var waitsFor = LockID.none
    /// What its first frame returned.
    var result: Reply?
    /// What a free gives back, so that the model may forget it.
    var freed = Address.null
  }

  var world: World
  /// Each CPU's stack of threads.
  var cpus: [[Thread]]
  var holders: [LockID: Int] = [:]
  /// How often list_lock was taken, by the function that took it.
  var listLocks: [PathName: Int] = [:]
  /// Blocks of pages taken and given back by order, but for those of work items.
  var pagesTaken: [Int: Int] = [:]
  var pagesGiven: [Int: Int] = [:]
  private var isInWorkItem = false
  /// Whether every request for pages fails.
  var hasNoPages = false
  /// What is left of a machine's memory that is smaller than any the page allocator boots with.
  var pagesLeft = Int.max

  init(
    cpus: Int, nodes: Int = 1, bytesPerNode: UInt64 = 1 << 30, seed: UInt64 = 1,
    freelistRandom: Bool = false, kernel: String = "6.12", slab: SlabKind = .slub
  ) throws {
    var machine = MachineDescription.plain(cpus: cpus, nodes: nodes)
    for node in 0..<nodes { machine.nodes[node].memoryBytes = bytesPerNode }
    var config = KernelConfig()
    config.slabFreelistRandom = freelistRandom
    config.slab = slab
    world = World(
      Boot(
        machine: machine, version: try #require(KernelVersion(named: kernel)),
        costs: try CostFile.named("generic-x86"), config: config, seed: seed))
    self.cpus = [[Thread]](repeating: [], count: cpus)
  }

  /// Runs `frame` on an otherwise idle CPU to its end. Returns: what it returned.
  mutating func call(_ frame: Frame, on cpu: Int) -> Reply {
    cpus[cpu].append(Thread(frames: [frame]))
    let depth = cpus[cpu].count
    while cpus[cpu][depth - 1].result == nil { advance(cpu) }
    return cpus[cpu].removeLast().result ?? .none
  }

  /// Whether the top thread of a CPU could go on.
  func isReady(_ cpu: Int) -> Bool {
    guard let thread = cpus[cpu].last, thread.result == nil else { return false }
    return thread.waitsFor.isNone || holders[thread.waitsFor] == nil
  }

  /// Lets the top thread of a CPU run on to its next step, and performs that.
  mutating func advance(_ cpu: Int) {
    let top = cpus[cpu].count - 1
    let lock = cpus[cpu][top].waitsFor
    if !lock.isNone {
      precondition(holders[lock] == nil, "a thread waits for a lock that it holds")
      holders[lock] = cpu
      cpus[cpu][top].waitsFor = .none
    }
    let frame = cpus[cpu][top].frames.count - 1
    var path = cpus[cpu][top].frames[frame]
    let step = path.run(&world, on: CPUID(cpu), cpus[cpu][top].reply)
    cpus[cpu][top].frames[frame] = path
    cpus[cpu][top].reply = .none
    perform(step, path.name, cpu, top)
  }

  private mutating func perform(_ step: Step, _ name: PathName, _ cpu: Int, _ top: Int) {
    switch step {
    case .acquire(let lock, let irqs):
      if irqs == .off { world.cpus[CPUID(cpu)].irqsOff += 1 }
      cpus[cpu][top].waitsFor = lock
      if world.locks.locks[lock].lockClass == .listLock { listLocks[name, default: 0] += 1 }
      if holders[lock] == nil {
        holders[lock] = cpu
        cpus[cpu][top].waitsFor = .none
      }
    case .tryAcquire(let lock, let irqs):
      let isFree = holders[lock] == nil
      if isFree {
        holders[lock] = cpu
        if irqs == .off { world.cpus[CPUID(cpu)].irqsOff += 1 }
      }
      cpus[cpu][top].reply = .bool(isFree)
    case .release(let lock, let irqs):
      precondition(holders.removeValue(forKey: lock) == cpu, "released by another")
      if irqs == .off { world.cpus[CPUID(cpu)].irqsOff -= 1 }
    case .disable(.irqs): world.cpus[CPUID(cpu)].irqsOff += 1
    case .enable(.irqs): world.cpus[CPUID(cpu)].irqsOff -= 1
    case .disable(.preemption):
      world.cpus[CPUID(cpu)].preemptCount.add(PreemptCount.preemption)
    case .enable(.preemption):
      world.cpus[CPUID(cpu)].preemptCount.subtract(PreemptCount.preemption)
    case .call(.onEachCPU(.start(.flushCPUSlab(let cache)))): flush(CacheID(Int(cache)))
    case .call(.allocPages) where hasNoPages: cpus[cpu][top].reply = .pfn(.none)
    case .call(.allocPages(.start(let order, _, _))) where pagesLeft < order.pageCount:
      cpus[cpu][top].reply = .pfn(.none)
    case .call(.onEachCPU(.start(let function))):
      for target in cpus.indices { _ = call(function.frame, on: target) }
    case .call(let frame): cpus[cpu][top].frames.append(frame)
    case .return(let reply):
      cpus[cpu][top].frames.removeLast()
      cpus[cpu][top].reply = reply
      if cpus[cpu][top].frames.isEmpty { cpus[cpu][top].result = reply }
    case .queueWork(let item, let target):
      isInWorkItem = true
      _ = call(item.frame, on: target.index)
      isInWorkItem = false
      cpus[cpu][top].reply = .bool(true)
    default: break
    }
    if case .call(let frame) = step { note(called: frame) }
  }

  /// The interrupts of flush_all(), each at its CPU's next chance, which is now or when interrupts
  /// are on: a CPU that has them off finishes what it is at.
  private mutating func flush(_ cache: CacheID) {
    isInWorkItem = true
    for target in cpus.indices where world.slab.hasCPUSlab(cache, on: CPUID(target)) {
      while world.cpus[CPUID(target)].irqsOff > 0, isReady(target) { advance(target) }
      world.cpus[CPUID(target)].irqsOff += 1
      _ = call(.flushCPUSlab(.start(cache: UInt16(cache.index))), on: target)
      world.cpus[CPUID(target)].irqsOff -= 1
    }
    isInWorkItem = false
  }

  private mutating func note(called frame: Frame) {
    if pagesLeft < .max {
      if case .freePages(.start(_, let order)) = frame { pagesLeft += order.pageCount }
      if case .allocPages(.start(let order, _, _)) = frame, !hasNoPages,
        pagesLeft >= order.pageCount
      {
        pagesLeft -= order.pageCount
      }
    }
    guard !isInWorkItem else { return }
    if case .freePages(.start(_, let order)) = frame { pagesGiven[order.index, default: 0] += 1 }
    if case .allocPages(.start(let order, _, _)) = frame {
      pagesTaken[order.index, default: 0] += 1
    }
  }

  /// A live cache of objects of `size` bytes.
  mutating func makeCache(
    _ name: String, size: Int, align: Int = 0, flags: SlabFlags = [], sheaf: Int = 0
  ) throws
    -> CacheID
  {
    let cache = world.slab.declare(
      name, objectSize: size, align: align, flags: flags, sheaf: sheaf)
    let id = try #require(cache)
    let isMade = call(.kmemCacheCreate(.start(id)), on: 0).bool
    #expect(isMade)
    return id
  }

  mutating func allocate(
    _ cache: CacheID, gfp: GFPFlags = .kernel, node: NodeID = .any, on cpu: Int
  ) -> Address {
    call(.kmemCacheAlloc(.start(cache: cache, gfp: gfp, node: node)), on: cpu).address
  }

  mutating func free(_ address: Address, on cpu: Int) {
    _ = call(.kfree(.start(address)), on: cpu)
  }

  func count(_ stat: SlabStat, _ cache: CacheID) -> Int {
    Int(world.slab.count(stat, of: cache))
  }
}
