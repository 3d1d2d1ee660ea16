import Hardware
import Simulation

/// A running workload: its program in buffers, its objects, its random streams, its measurements.
///
/// Nothing here costs emulated time: it stands for the code that uses the allocators.
package struct ProgramState: ~Copyable {
  /// What holds an object: its address, and who is filling it.
  ///
  /// That is 0, or 1 + the number of the activation whose call fills the slot or has filled it ahead
  /// of the queue: until that one's `visibleFrom` the slot is neither full nor empty to others.
  package struct Slot: BitwiseCopyable, Equatable {
    package let address: Address
    private let fillerPlusOne: Int32
    package static let empty = Slot(.null)

    @inline(__always) init(_ address: Address, filler: Int32 = -1) {
      (self.address, fillerPlusOne) = (address, filler &+ 1)
    }
    @inline(__always) var filler: Int32 { fillerPlusOne &- 1 }
  }

  /// What is known of an object that did not come from a plain kmalloc.
  package struct SlotNote: BitwiseCopyable {
    /// The object that it speaks of; a note of another one is stale.
    package var address = Address.null
    /// What was freed through the slot and nothing put into it since: the pointer that a careless
    /// driver would free or use again. Null for slots of a pool, whose users ask if they are full.
    var freed = Address.null
    /// Unit: bytes.
    package var size: UInt32 = 0
    package var cache: Int16 = -1
    package var order: UInt8 = 0
  }

  /// A thread or a handler on its way through the code. 64 bytes.
  package struct Activation: BitwiseCopyable {
    /// Activations there can be. Unit: activations.
    static let countMax = 65_535
    /// Loops that may nest.
    static let depthMax = 4
    var place: Int32 = 0
    var slotBase: Int32 = 0
    var picked: Int32 = -1
    /// The slot that its call fills, before the turn `visibleFrom`.
    var filling: Int32 = -1
    var visibleFrom: UInt64 = 0
    var began = Instant.zero
    var stream = RandomStream(seed: 0, index: 0)
    var loops = InlineArray<4, Int32>(repeating: 0)
    var thread: Int16 = -1
    var source: Int16 = -1
    var unitsLeft: Int32 = 0
  }

  /// What one hand-over carries.
  struct Message: BitwiseCopyable {
    var slots = InlineArray<4, Slot>(repeating: .empty)
    var notes = InlineArray<4, SlotNote>(repeating: SlotNote())
    var count: Int32 = 0
    var next = ID<Message>.none
  }

  /// Objects on their way to a thread.
  struct Box: BitwiseCopyable {
    var first = ID<Message>.none
    var last = ID<Message>.none
    var count: Int32 = 0
    var isAwaited = false
    var line = LineID.none
  }

  struct ThreadRecord: BitwiseCopyable {
    var task = TaskID.none
    var activation = ID<Activation>.none
    var slotBase: Int32 = 0
    /// The next thread of its group.
    var next: Int32 = 0
    var group: Int32 = 0
    var index: Int32 = 0
    var box = Box()
  }

  struct GroupRecord: BitwiseCopyable {
    var first: Int32 = 0
    var count: Int32 = 0
  }

  struct SourceRecord: BitwiseCopyable {
    var firstCPU: Int32 = 0
    var cpuCount: Int32 = 0
    var turn: Int32 = 0
    var interval: Int32 = 0
    var units: Int32 = 0
    var hardirqEntry: Int32 = 0
    var softirqEntry: Int32 = 0
    /// The vector, or -1.
    var softirq: Int32 = -1
    var budget: Int32 = 64
    var slotCount: Int32 = 0
    /// A number among the locks' names, for timelines.
    var name: Int32 = 0
    var stream = RandomStream(seed: 0, index: 0)
    package var arrivals: UInt64 = 0
  }

  /// A work item, timer or tasklet of the workload.
  struct DeferredRecord: BitwiseCopyable {
    var kind = Program.Deferred.Kind.work
    var entry: Int32 = 0
    var activation = ID<Activation>.none
    /// Queued, or its timer runs. Kernel: `WORK_STRUCT_PENDING`, `TASKLET_STATE_SCHED`.
    var isPending = false
    /// Kernel: `TASKLET_STATE_RUN`.
    var isRunning = false
    /// Where it is queued, waits for its time, or ran last.
    var cpu = CPUID.none
    /// Of a timer, also a delayed work item's.
    var expires = Instant.never
    /// Tasklets of a CPU run in this order.
    var order: UInt32 = 0
  }

  struct ChoiceRecord: BitwiseCopyable {
    var first: Int32 = 0
    var count: Int32 = 0
    var weight: Int32 = 0
  }

  /// Messages a box holds before its senders are told that it is full.
  package static let boxMax: Int32 = 4096

  var code: Buffer<Instruction>
  var allocations: Buffer<Allocation>
  var distributions: Buffer<Distribution>
  var bulks: Buffer<Bulk>
  var bulkSlots: Buffer<SlotRef>
  var picks: Buffer<Pick>
  var handOvers: Buffer<HandOver>
  var choices: Buffer<ChoiceRecord>
  /// Places and cumulative weights of all choices.
  var choicePlaces: Buffer<Int32>
  var choiceWeights: Buffer<Int32>
  var threads: Buffer<ThreadRecord>
  var groups: Buffer<GroupRecord>
  var sources: Buffer<SourceRecord>
  var sourceCPUs: Buffer<Int32>
  var locks: Buffer<LockID>
  /// Where a local lock's run in `localLocks` begins, one for each CPU; -1 for others.
  var localPlaces: Buffer<Int32>
  var localLocks: Buffer<LockID>
  /// The kmem_caches of the workload, by their number in `Program.caches`.
  package var caches: Buffer<CacheID>
  /// Which of them a step has destroyed and none created since.
  var isDestroyed: Buffer<Bool>
  package var slots: Buffer<Slot>
  package var notes: Buffer<SlotNote>
  var activations: Pool<Activation>
  var messages: Pool<Message>
  /// For each source and CPU: units that wait for the softirq, and the handlers' activations.
  var pendingUnits: Buffer<Int32>
  /// Hardirqs that ran for each source on each CPU. Kernel: `kstat_irqs`.
  var handledInterrupts: Buffer<UInt32>
  var handlers: Buffer<ID<Activation>>
  var deferred: Buffer<DeferredRecord>
  /// How often a tasklet was scheduled.
  var taskletOrder: UInt32
  package var counters: Buffer<UInt64>
  package var latencies: Histograms
  package var failures: Buffer<UInt64>
  package var sites: CallSites
  /// What they are called, for reports.
  package let siteNames: [String]
  /// Measured operations until the run ends; below zero: no limit.
  package var operationsLeft: Int
  /// Sources whose interrupts cannot be masked, one bit each.
  private(set) var nmiSources: UInt32
  let cpuCount: Int
  var usedSlots: Int
  let seed: UInt64

  /// No workload at all.
  init(cpuCount: Int) { self.init(Program(), cpuCount: cpuCount, seed: 0) }

  package init(_ program: Program, cpuCount: Int, seed: UInt64) {
    self.cpuCount = cpuCount
    self.seed = seed
    code = filled(Instruction.all(of: program.code), Instruction(op: .end, next: 0))
    allocations = filled(
      program.allocations, Allocation(api: .kmalloc, size: 0, operation: 0))
    distributions = filled(program.distributions, .constant(0))
    bulks = filled(
      program.bulks, Bulk(first: 0, count: 0, cache: nil, gfp: [], operation: 0, site: 0))
    bulkSlots = filled(program.bulkSlots, SlotRef(0))
    picks = filled(program.picks, Pick(slot: SlotRef(0), count: 1, own: 1, next: 0))
    handOvers = filled(
      program.handOvers, HandOver(group: 0, slots: [], otherwise: -1, operation: 0))
    choices = Buffer(program.choices.count, ChoiceRecord())
    choicePlaces = Buffer(program.choices.reduce(0) { $0 + $1.places.count }, 0)
    choiceWeights = Buffer(program.choices.reduce(0) { $0 + $1.places.count }, 0)
    threads = Buffer(program.threads.count, ThreadRecord())
    groups = Buffer(program.groups.count, GroupRecord())
    sources = Buffer(program.sources.count, SourceRecord())
    sourceCPUs = Buffer(program.sources.reduce(0) { $0 + $1.cpus.count }, 0)
    locks = Buffer(program.locks.count, .none)
    localPlaces = Buffer(program.locks.count, -1)
    localLocks = Buffer(0, .none)
    caches = Buffer(program.caches.count, .none)
    isDestroyed = Buffer(program.caches.count, false)
    let slotCount =
      program.threads.reduce(0) { $0 + $1.slotCount }
      + program.deferred.reduce(0) { $0 + $1.slotCount } + 64
    slots = Buffer(slotCount, .empty)
    notes = .zeroed(slotCount)
    activations = Pool(capacity: program.threads.count + 8, blank: Activation())
    messages = Pool(capacity: 16, blank: Message())
    pendingUnits = Buffer(program.sources.count * cpuCount, 0)
    handledInterrupts = Buffer(program.sources.count * cpuCount, 0)
    handlers = Buffer(program.sources.count * cpuCount * 2, .none)
    deferred = Buffer(program.deferred.count, DeferredRecord())
    taskletOrder = 0
    counters = Buffer(program.counters.count, 0)
    latencies = Histograms(count: program.operations.count)
    failures = Buffer(program.operations.count, 0)
    sites = CallSites(siteCount: program.sites.count, isOn: program.followsSites)
    siteNames = program.sites
    (usedSlots, nmiSources) = (0, 0)
    operationsLeft = -1
    fillChoices(program)
    fillThreads(program)
    fillSources(program)
    fillDeferred(program)
  }

  private init(cloning other: borrowing ProgramState) {
    code = other.code.clone()
    allocations = other.allocations.clone()
    distributions = other.distributions.clone()
    bulks = other.bulks.clone()
    bulkSlots = other.bulkSlots.clone()
    picks = other.picks.clone()
    handOvers = other.handOvers.clone()
    choices = other.choices.clone()
    choicePlaces = other.choicePlaces.clone()
    choiceWeights = other.choiceWeights.clone()
    threads = other.threads.clone()
    groups = other.groups.clone()
    sources = other.sources.clone()
    sourceCPUs = other.sourceCPUs.clone()
    locks = other.locks.clone()
    localPlaces = other.localPlaces.clone()
    localLocks = other.localLocks.clone()
    caches = other.caches.clone()
    isDestroyed = other.isDestroyed.clone()
    slots = other.slots.clone()
    notes = other.notes.clone()
    activations = other.activations.clone()
    messages = other.messages.clone()
    pendingUnits = other.pendingUnits.clone()
    handledInterrupts = other.handledInterrupts.clone()
    handlers = other.handlers.clone()
    deferred = other.deferred.clone()
    taskletOrder = other.taskletOrder
    counters = other.counters.clone()
    latencies = other.latencies.clone()
    failures = other.failures.clone()
    sites = other.sites.clone()
    siteNames = other.siteNames
    (cpuCount, usedSlots, seed) = (other.cpuCount, other.usedSlots, other.seed)
    (operationsLeft, nmiSources) = (other.operationsLeft, other.nmiSources)
  }
  func clone() -> ProgramState { ProgramState(cloning: self) }

  /// Counts the messages of all boxes. Complexity: O(messages + threads).
  func checkInvariants() throws(BrokenInvariant) {
    try activations.checkInvariants("activations")
    try messages.checkInvariants("messages")
    try sites.checkInvariants()
    var all = 0
    for thread in 0..<threads.count {
      let box = threads[thread].box
      var (mail, last, count) = (box.first, ID<Message>.none, Int32(0))
      while !mail.isNone, count <= box.count {
        count += 1
        (last, mail) = (mail, messages[mail].next)
      }
      try ensure(
        count == box.count && last == box.last,
        "box of thread \(thread): \(box.count) messages counted, \(count) there")
      all += Int(count)
    }
    try ensure(
      all == messages.liveCount, "messages: \(messages.liveCount) counted, \(all) in boxes")
  }

  private mutating func fillChoices(_ program: Program) {
    var used = 0
    for (index, choice) in program.choices.enumerated() {
      var weight = 0
      choices[index].first = Int32(used)
      for (place, share) in zip(choice.places, choice.weights) {
        weight += share
        choicePlaces[used] = Int32(place)
        choiceWeights[used] = Int32(weight)
        used += 1
      }
      choices[index].count = Int32(choice.places.count)
      choices[index].weight = Int32(weight)
    }
  }

  private mutating func fillThreads(_ program: Program) {
    for (index, group) in program.groups.enumerated() {
      groups[index] = GroupRecord(first: Int32(group.first), count: Int32(group.count))
    }
    for (index, thread) in program.threads.enumerated() {
      let group = program.groups[thread.group]
      let stream = RandomStream(seed: seed, name: "thread \(thread.name)", index: thread.index)
      threads[index].activation = activations.take(
        Activation(
          place: Int32(thread.entry), slotBase: Int32(usedSlots), stream: stream,
          thread: Int16(truncatingIfNeeded: index)))
      threads[index].slotBase = Int32(usedSlots)
      threads[index].next = Int32(group.first + (thread.index + 1) % group.count)
      threads[index].group = Int32(thread.group)
      threads[index].index = Int32(thread.index)
      usedSlots += thread.slotCount
    }
  }

  private mutating func fillSources(_ program: Program) {
    var used = 0
    for (index, source) in program.sources.enumerated() {
      if source.isNMI { nmiSources |= 1 << UInt32(index) }
      sources[index] = SourceRecord(
        firstCPU: Int32(used), cpuCount: Int32(source.cpus.count), turn: 0,
        interval: Int32(source.interval), units: Int32(source.unitsPerArrival),
        hardirqEntry: Int32(source.hardirqEntry), softirqEntry: Int32(source.softirqEntry),
        softirq: source.softirq.map { Int32($0.rawValue) } ?? -1, budget: Int32(source.budget),
        slotCount: Int32(source.slotCount),
        stream: RandomStream(seed: seed, name: "source \(source.name)", index: index))
      for cpu in source.cpus {
        sourceCPUs[used] = Int32(cpu)
        used += 1
      }
    }
  }

  /// One draw from a distribution.
  @inline(__always)
  func draw(_ distribution: Int32, _ stream: inout RandomStream) -> UInt64 {
    switch distributions[Int(distribution)] {
    case .constant(let value): value
    case .uniform(let from, let through):
      from &+ UInt64(truncatingIfNeeded: stream.below(Int(through &- from) &+ 1))
    case .exponential(let mean): Exponential.draw(mean: mean, &stream)
    }
  }

  /// A lock as `cpu` has it.
  @inline(__always)
  func lock(_ index: Int32, on cpu: CPUID) -> LockID {
    let place = localPlaces[Int(index)]
    return place < 0 ? locks[Int(index)] : localLocks[Int(place) + cpu.index]
  }

  /// Room for a local lock's run.
  mutating func makeLocal(_ index: Int) {
    localPlaces[index] = Int32(localLocks.count)
    localLocks.grow(to: localLocks.count + cpuCount, .none)
  }

  /// Whether as many operations were measured as the run was to have.
  package var isDone: Bool { operationsLeft == 0 }

  var hasSources: Bool { sources.count > 0 }

  /// How often a device interrupted.
  package func arrivals(of source: Int) -> UInt64 { sources[source].arrivals }

  /// How often the hardirq of a device ran on a CPU.
  package func handledInterrupts(of source: Int, on cpu: CPUID) -> UInt64 {
    UInt64(handledInterrupts[source * cpuCount + cpu.index])
  }

  /// Unit: bytes of the host.
  var byteCount: Int {
    slots.byteCount + activations.byteCount + threads.byteCount + pendingUnits.byteCount
      + handlers.byteCount
  }

  /// Counts one operation that took `length`. Returns: whether it was the last.
  @inline(__always)
  mutating func measure(_ operation: Int16, _ length: Duration) -> Bool {
    latencies.note(Int(operation), length)
    guard operationsLeft > 0 else { return false }
    operationsLeft -= 1
    return operationsLeft == 0
  }

  /// Forgets all measurements, as at the end of a warm-up; objects and streams stay.
  mutating func resetMeasurements() {
    latencies.reset()
    sites.reset()
    for index in 0..<failures.count { failures[index] = 0 }
    for index in 0..<counters.count { counters[index] = 0 }
    for index in 0..<sources.count { sources[index].arrivals = 0 }
    for index in 0..<handledInterrupts.count { handledInterrupts[index] = 0 }
  }
}

/// A buffer of an array's elements.
private func filled<Element: BitwiseCopyable>(
  _ elements: [Element], _ blank: Element
) -> Buffer<Element> {
  var buffer = Buffer(elements.count, blank)
  for (index, element) in elements.enumerated() { buffer[index] = element }
  return buffer
}
