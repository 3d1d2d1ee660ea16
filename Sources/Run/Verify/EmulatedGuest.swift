import Hardware
import Kernel
import Simulation

/// The emulated counterpart of the recorded machine: it carries out a list's operations one at a
/// time and can say everything that the recording says.
///
/// What runs is the whole emulator: an operation's calls are made by a task (or an interrupt) on
/// the CPU that the list names, and the state is read where they end. Work that an operation left
/// to others (a purge by a worker) goes on afterwards for `pause`, as it did while the recorder
/// wrote its answers.
///
/// The recorded kernel had been up for a while. So is this one: `warmUp` has every CPU use each
/// kmalloc class and vmalloc once, which leaves a slab with free objects on it, and page tables.
struct EmulatedGuest: ~Copyable {
  var machine: Machine
  var sets: [String: [HeldObject]] = [:]
  /// Caches whose state is reported, by the name that the list gave.
  var caches: [String: CacheID] = [:]
  var events = PageEvents()
  /// Nodes of the tree that files user mappings, where a list watches their cache.
  var tree = MappingTree()
  /// Areas of vm_map_ram() that the recorded kernel had from its boot.
  var areasOfBoot = 0
  /// Pages that mapping operations map; none before the first.
  var lentPages = PFN.none
  /// The counts of vmalloc at the beginning of the operation.
  var before: VmallocStatistics
  let cpuCount: Int
  let slab: SlabKind
  /// Whether the release is the one whose recorder read its own answers otherwise: 7.2.
  let isOfSheavesOnly: Bool
  /// Whether the recorder's own thread was recorded too: in the kernels with a small configuration,
  /// and on 7.2.
  var countsRecorder: Bool { slab != .slub || isOfSheavesOnly }

  /// Emulated time between the end of an operation and the reading of its counts.
  static let pause = Duration(picoseconds: 1_000_000_000) * 20

  init(_ boot: consuming Boot) {
    cpuCount = boot.cpuCount
    slab = boot.config.slab
    isOfSheavesOnly = boot.version.name == "7.2"
    machine = Machine(boot)
    before = machine.world.vmalloc.statistics
    machine.world.probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
    warmUp()
  }

  /// Brings caches and page tables to where a kernel in use has them.
  ///
  /// On each CPU: an object of every kmalloc class, then areas of one page and one as large as a
  /// thread's stack, then all of it freed and the areas purged. So page tables reach to somewhere
  /// in a table, not to its end. No figure of any list is used here.
  private mutating func warmUp() {
    let sizes = machine.world.slab.classes.indices.map { KmallocClasses.size(of: $0) }
    for cpu in 0..<cpuCount {
      let site = OperationSite(cpu: cpu, context: .task)
      let objects = call(
        sizes.map { .kmalloc(.start(size: UInt32($0), gfp: .kernel, node: .any)) }, at: site)
      let sizes = Array(repeating: Int32(1), count: EmulatedGuest.warmAreas)
      let areas = call(
        (sizes + [EmulatedGuest.stackPages]).map {
          .vmalloc(.start(pages: $0, gfp: .kernel, node: .any))
        }, at: site)
      _ = call(objects.map { .kfree(.start($0.address)) }, at: site)
      _ = call(areas.map { .vfree(.start($0.address)) }, at: site)
    }
    _ = call([.vmUnmapAliases(.start)], at: OperationSite(cpu: 0, context: .task))
    wait(EmulatedGuest.pause)
    if slab == .slab { rest(sizes) }
    holdBlocks()
  }

  /// SLAB's reapers take from idle caches until nothing is left, which a kernel that has been up for
  /// a while shows. CPU 0, which the recorder's own thread keeps busy, uses each class again.
  private mutating func rest(_ sizes: [Int]) {
    wait(EmulatedGuest.pause * EmulatedGuest.restPauses)
    let site = OperationSite(cpu: 0, context: .task)
    let objects = call(
      sizes.map { .kmalloc(.start(size: UInt32($0), gfp: .kernel, node: .any)) }, at: site)
    _ = call(objects.map { .kfree(.start($0.address)) }, at: site)
  }
  /// Half a minute: an array of 120 objects is empty after 7 turns of its reaper, its slabs after
  /// as many of twice the length.
  private static let restPauses: Int32 = 1500

  /// Areas of one page that the warm-up has at a time on each CPU.
  static let warmAreas = 64
  /// Kernel: `THREAD_SIZE` (arch/x86/include/asm/page_64_types.h, 6.12). Unit: pages.
  static let stackPages: Int32 = 4

  /// Has tables hang in the first part of vmalloc space, as the lists that ran before in the same
  /// boot leave it, vmalloc_concurrent last: the flushes of the recorded guests reach over 50 to 60
  /// MiB.
  mutating func hangTables() {
    let site = OperationSite(cpu: 0, context: .task)
    let areas = call(
      [.vmalloc(.start(pages: EmulatedGuest.usedPages, gfp: .kernel, node: .any))], at: site)
    _ = call(areas.map { .vfree(.start($0.address)) }, at: site)
    _ = call([.vmUnmapAliases(.start)], at: site)
    wait(EmulatedGuest.pause)
  }
  /// Unit: pages.
  static let usedPages: Int32 = 64 << 8

  /// Has pages to map, which the recorder had before its list began.
  mutating func lendPages() {
    guard lentPages.isNone else { return }
    let reply = call([.allocPages(.start(order: .max, gfp: .kernel, node: .any))], at: .any)
    lentPages = reply.first?.pfn ?? .none
    beginOperation()
  }
  static let mappedPages = 1024

  // MARK: Running

  /// Makes the calls and stops where the last has returned. Returns: their replies.
  mutating func call(
    _ frames: [Frame], at site: OperationSite, endsAtNull: Bool = false
  ) -> [Reply] {
    let place: Visit.Place =
      switch site.context {
      case .task: .task
      case .irqoff: .irqsOff
      case .soft: .softirq
      case .hard: .hardirq
      }
    machine.visit(CPUID(site.cpu ?? 0), at: place, endsAtNull: endsAtNull, frames)
    while !machine.world.visit.isDone {
      let halt = machine.run(events: 1)
      if halt == .probeIsFull { collectEvents() }
      if halt == .nothingLeft || halt == .deadlock { break }
    }
    return (0..<machine.world.visit.returned).map { machine.world.visit.replies[$0] }
  }

  /// Runs the loop on all these CPUs at once, until the last has ended.
  mutating func churn(_ kind: Churn.Kind, rounds: Int, batch: Int, on cpus: [Int]) {
    machine.churn(kind, rounds: Int32(rounds), batch: Int32(batch), on: cpus.map { CPUID($0) })
    while !machine.world.visit.churn.isDone {
      let halt = machine.run(events: 1)
      if halt == .probeIsFull { collectEvents() }
      if halt == .nothingLeft || halt == .deadlock { break }
    }
  }

  /// Whether the last calls came to their end.
  var isAlive: Bool { machine.world.visit.isDone && machine.world.visit.churn.isDone }

  /// Lets time pass.
  mutating func wait(_ length: Duration) {
    let end = machine.now + length
    while machine.run(until: end) == .probeIsFull { collectEvents() }
    machine.settle(at: end)
    collectEvents()
  }

  mutating func collectEvents() {
    for index in 0..<machine.world.probe.count {
      let record = machine.world.probe[index]
      let pid = events.unknownThread(of: record)
      if let pid { events.learn(pid, isKernel: isKernelThread(pid)) }
      events.note(record)
    }
    machine.world.probe.clear()
  }

  private func isKernelThread(_ pid: Int32) -> Bool {
    let count = machine.world.tasks.all.highWater
    // Threads are numbered from 1 in the order of their places, and none is given back.
    let place = Int(pid) - 1
    if place < count, machine.world.tasks.all[TaskID(place)].pid == pid {
      return machine.world.tasks.all[TaskID(place)].isKernelThread
    }
    for index in 0..<count {
      let task = machine.world.tasks.all[TaskID(index)]
      if task.pid == pid { return task.isKernelThread }
    }
    return false
  }

  /// Forgets the counts of the operation before.
  mutating func beginOperation() {
    collectEvents()
    events.forget()
    before = machine.world.vmalloc.statistics
  }
}

/// What a list holds in a set.
enum HeldObject {
  case object(CacheID, Address)
  case kmalloc(Address)
  case pages(PFN, Order)
  case vmalloc(Address, pages: Int)
  case kvmalloc(Address, bytes: Int)
  case vmap(Address, pages: Int)
  case mapRAM(Address, pages: Int)

  var isOfSlabs: Bool {
    switch self {
    case .object, .kmalloc: true
    case .pages, .vmalloc, .kvmalloc, .vmap, .mapRAM: false
    }
  }

  /// The call that gives it back.
  var free: Frame {
    switch self {
    case .object(let cache, let address): .kmemCacheFree(.start(cache, address))
    case .kmalloc(let address): .kfree(.start(address))
    case .pages(let pages, let order): .freePages(.start(pages, order))
    case .vmalloc(let address, _): .vfree(.start(address))
    case .kvmalloc(let address, _): .kvfree(.start(address))
    case .vmap(let address, _): .vunmap(.start(address))
    case .mapRAM(let address, let pages): .vmUnmapRAM(.start(address, count: Int32(pages)))
    }
  }
}

/// Counts page events as the recordings do: those of the threads that carry out the list, not
/// those of kernel threads.
struct PageEvents {
  /// By the figure's name: `page_alloc.o0.m0`.
  private(set) var counts: [String: Int] = [:]
  /// Who runs on each CPU; 0 is idle.
  private var running: [Int32: Int32] = [:]
  private var kernelThreads: [Int32: Bool] = [:]
  /// CPUs that run what another CPU called them for, which no list's thread does.
  private var called: Set<Int32> = []
  /// CPUs in the softirq of RCU.
  private var inCallbacks: Set<Int32> = []

  mutating func forget() { counts = [:] }

  /// The thread that a record says is next on its CPU, if it was not seen before.
  func unknownThread(of record: ProbeRecord) -> Int32? {
    guard record.event == TraceEvent.schedSwitch.rawValue else { return nil }
    let pid = Int32(truncatingIfNeeded: record.a >> 32)
    return pid == 0 || kernelThreads[pid] != nil ? nil : pid
  }

  mutating func learn(_ pid: Int32, isKernel: Bool) { kernelThreads[pid] = isKernel }

  mutating func note(_ record: ProbeRecord) {
    guard let event = TraceEvent(rawValue: record.event) else { return }
    let (low, high) = (record.b & 0xFF, record.b >> 8 & 0xFF)
    let name: String
    switch event {
    case .schedSwitch:
      running[record.cpu] = Int32(truncatingIfNeeded: record.a >> 32)
      return
    case .callFunctionEntry:
      called.insert(record.cpu)
      return
    case .callFunctionExit:
      called.remove(record.cpu)
      return
    case .softirqEntry where record.a == UInt64(SoftIRQ.rcu.rawValue):
      inCallbacks.insert(record.cpu)
      return
    case .softirqExit where record.a == UInt64(SoftIRQ.rcu.rawValue):
      inCallbacks.remove(record.cpu)
      return
    case .mmPageAlloc: name = "page_alloc.o\(low).m\(high)"
    case .mmPageFree: name = "page_free.o\(low)"
    case .mmPageAllocZoneLocked: name = "zone_locked.o\(low).m\(high)"
    case .mmPagePcpuDrain: name = "pcpu_drain.o\(low).m\(high)"
    case .mmPageAllocExtfrag:
      let (order, type) = (record.b >> 16 & 0xFF, record.b >> 24 & 0xFF)
      name = "extfrag.ao=\(low).fo=\(order).amt=\(high).fmt=\(type)"
    default: return
    }
    // An interrupt counts for the thread it interrupts; none is a list's own. Callbacks of RCU come
    // over an idle CPU, whose pid was filtered out: the driver sleeps while it waits for them.
    let pid = running[record.cpu] ?? 0
    if called.contains(record.cpu) || kernelThreads[pid] == true { return }
    if pid == 0, inCallbacks.contains(record.cpu) { return }
    counts[name, default: 0] += 1
  }
}
