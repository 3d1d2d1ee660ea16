import Simulation

/// What interrupts run: a device's hardirq once an arrival, its softirq once a unit.
extension ProgramState {
  /// The hardirq of a device on `cpu`. Its `raise` is what makes the softirq see the units.
  mutating func hardirqFrame(_ source: Int, on cpu: CPUID) -> Frame {
    let id = handler(of: source, on: cpu, level: 0)
    handledInterrupts[source * cpuCount + cpu.index] &+= 1
    activations[id].place = sources[source].hardirqEntry
    return .program(.go(id))
  }

  /// The handler of a softirq vector.
  func softirqFrame(_ vector: SoftIRQ, on cpu: CPUID) -> Frame { .program(.softirq(vector)) }

  /// The activation of a handler, made when its CPU first runs it. A hardirq of a device does not
  /// nest on a CPU, nor does a softirq, so one each is enough.
  private mutating func handler(of source: Int, on cpu: CPUID, level: Int) -> ID<Activation> {
    let place = (source * cpuCount + cpu.index) * 2 + level
    if handlers[place].isNone {
      var activation = Activation()
      activation.source = Int16(source)
      activation.slotBase = Int32(usedSlots)
      activation.stream = RandomStream(
        seed: seed, name: "handler \(source) \(level)", index: cpu.index)
      usedSlots += Int(sources[source].slotCount)
      if slots.count < usedSlots { growSlots() }
      handlers[place] = activations.take(activation)
    }
    return handlers[place]
  }

  private mutating func growSlots() {
    let count = max(usedSlots, 2 * slots.count)
    slots.grow(to: count, .empty)
    notes.grow(to: count, SlotNote())
  }

  /// A softirq's next unit on `cpu`: the first source of `vector` that has any. Returns: its
  /// activation, ready to run, or `nil` when none is left.
  mutating func nextUnit(of vector: SoftIRQ, on cpu: CPUID) -> ID<Activation>? {
    for source in 0..<sources.count where sources[source].softirq == Int32(vector.rawValue) {
      let pending = source * cpuCount + cpu.index
      guard pendingUnits[pending] > 0 else { continue }
      let id = handler(of: source, on: cpu, level: 1)
      if activations[id].unitsLeft == 0 { activations[id].unitsLeft = sources[source].budget + 1 }
      activations[id].unitsLeft -= 1
      guard activations[id].unitsLeft > 0 else { return nil }
      pendingUnits[pending] -= 1
      activations[id].place = sources[source].softirqEntry
      return id
    }
    return nil
  }

  /// Whether units wait for a vector on `cpu`: its budget ran out.
  func hasUnits(for vector: SoftIRQ, on cpu: CPUID) -> Bool {
    for source in 0..<sources.count where sources[source].softirq == Int32(vector.rawValue) {
      if pendingUnits[source * cpuCount + cpu.index] > 0 { return true }
    }
    return false
  }

  /// Ends a run of a vector's softirq: the next begins with a whole budget.
  mutating func endRun(of vector: SoftIRQ, on cpu: CPUID) {
    for source in 0..<sources.count where sources[source].softirq == Int32(vector.rawValue) {
      let id = handlers[(source * cpuCount + cpu.index) * 2 + 1]
      if !id.isNone { activations[id].unitsLeft = 0 }
    }
  }
}

extension World {
  /// Timers of the workload: whether one of a CPU is due, the first of all, the first after a time.
  func hasDueTimer(on cpu: CPUID) -> Bool { program.dueTimer(of: cpu, at: now) != nil }
  var firstWorkloadTimer: Instant { program.firstTimer }
  func workloadTimer(after time: Instant) -> Instant { program.firstTimer(after: time) }

  /// Sources whose interrupts cannot be masked, one bit each.
  var nmiSources: UInt32 { program.nmiSources }
  func isNMI(_ source: Int) -> Bool { program.nmiSources & 1 << UInt32(source) != 0 }

  /// What the workload hangs on a softirq that the kernel has too; `nil` without interrupts.
  @inline(__always)
  func workloadFrame(_ vector: SoftIRQ) -> Frame? {
    program.hasSources ? .program(.softirq(vector)) : nil
  }

  mutating func traceHandler(_ source: UInt8, on cpu: CPUID) {
    guard probe.isOn, Int(source) < program.sources.count else { return }
    let name = TraceNames.index(of: program.sources[Int(source)].name)
    trace(.irqHandlerEntry, on: cpu, a: UInt64(source), b: name)
  }
}

extension ProgramPath {
  mutating func nextUnit(_ vector: SoftIRQ, _ world: inout World, _ cpu: CPUID) -> Step {
    if let id = world.program.nextUnit(of: vector, on: cpu) {
      return ask(.call(.program(.go(id))), then: .softirqUnit(vector, id))
    }
    world.program.endRun(of: vector, on: cpu)
    guard world.program.hasUnits(for: vector, on: cpu) else { return .return() }
    // As NAPI: the budget is used up, so the rest comes with the next round. The next place finds
    // no units only if they were handled there, so it returns.
    return ask(.raise(vector), then: .softirqUnit(vector, .none))
  }

  mutating func endUnit(
    _ vector: SoftIRQ, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    id.isNone ? .return() : nextUnit(vector, &world, cpu)
  }
}

extension Machine {
  /// Gives the machine its workload: threads sleep until their start, devices have a first arrival.
  package mutating func load(_ program: Program, seed: UInt64) {
    world.program = ProgramState(program, cpuCount: cpuCount, seed: seed)
    for (index, name) in program.locks.enumerated() {
      let kind = program.lockKinds.indices.contains(index) ? program.lockKinds[index] : .spinlock
      let lock = world.locks.make(.workload, name: name, lines: &world.lines, kind: kind)
      world.program.locks[index] = lock
      guard kind == .localLock else { continue }
      world.program.makeLocal(index)
      for cpu in 0..<cpuCount {
        let own = cpu == 0 ? lock : world.locks.makeLike(lock, &world.lines)
        world.program.localLocks[Int(world.program.localPlaces[index]) + cpu] = own
      }
    }
    for (index, cache) in program.caches.enumerated() { declare(cache, as: index) }
    world.makeBuckets(program.buckets)
    if world.slab.settings.hasRandomCopies {
      for (index, allocation) in program.allocations.enumerated()
      where program.sites.indices.contains(Int(allocation.site))
        && !allocation.gfp.contains(.ofBuckets)
      {
        let site = program.sites[Int(allocation.site)]
        let copy = KmallocFamily.copy(site: site, seed: world.slab.seed)
        world.program.allocations[index].gfp.formUnion(.copy(copy))
      }
    }
    for (index, thread) in program.threads.enumerated() {
      let entry = Frame.program(.go(world.program.threads[index].activation))
      let task = world.tasks.make(
        thread.name, on: CPUID(thread.cpu), isKernelThread: false, entry: entry)
      world.program.threads[index].task = task
      start(task, at: thread.start)
    }
    for (index, source) in program.sources.enumerated() {
      world.program.sources[index].name = world.locks.addName(source.name)
      scheduleArrival(index)
    }
  }

  /// Gives the workload a cache: there from the start, or for a `kmem_cache_create` to bring up.
  private mutating func declare(_ cache: Program.Cache, as index: Int) {
    var flags: SlabFlags = []
    if cache.isHardwareAligned { flags.insert(.hwCacheAlign) }
    if cache.isReclaimable { flags.insert(.reclaimAccount) }
    if cache.isTypesafeByRCU { flags.insert(.typesafeByRCU) }
    flags.formUnion(cache.debug)
    if cache.hasConstructor { flags.insert(.constructor) }
    let line = world.architecture.cacheLineSize
    if let older = world.slab.mergeable(
      objectSize: cache.size, align: cache.align, flags: flags, sheaf: cache.sheaf,
      cacheLine: line)
    {
      world.slab.addAlias(cache.name, of: older)
      world.program.caches[index] = older
      return
    }
    let declared = world.slab.declare(
      cache.name, objectSize: cache.size, align: cache.align, flags: flags, sheaf: cache.sheaf,
      cacheLine: world.architecture.cacheLineSize)
    guard let declared else { return }
    if cache.isMadeAtStart { world.slab.caches[declared].state = .live }
    world.program.caches[index] = declared
  }

  private mutating func scheduleArrival(_ source: Int) {
    var stream = world.program.sources[source].stream
    let interval = world.program.draw(world.program.sources[source].interval, &stream)
    world.program.sources[source].stream = stream
    push(.arrival(source: source), at: now + Duration(picoseconds: max(interval, 1)))
  }

  /// A device's interrupt comes: the next of its CPUs takes it.
  mutating func arrive(_ source: Int) {
    let record = world.program.sources[source]
    world.program.sources[source].turn = (record.turn + 1) % record.cpuCount
    world.program.sources[source].arrivals += 1
    let cpu = CPUID(Int(world.program.sourceCPUs[Int(record.firstCPU + record.turn)]))
    if record.softirq >= 0 {
      // A handler that never keeps up: beyond what is counted, units are lost as in a full ring.
      let place = source * cpuCount + cpu.index
      let sum = world.program.pendingUnits[place].addingReportingOverflow(record.units)
      world.program.pendingUnits[place] = sum.overflow ? .max : sum.partialValue
    }
    scheduleArrival(source)
    deviceInterrupts(cpu, source: source)
  }
}
