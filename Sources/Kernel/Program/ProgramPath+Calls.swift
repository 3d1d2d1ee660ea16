import Hardware
import Simulation

/// Ops that call the allocators: which function, with what, and what becomes of its answer.
extension ProgramPath {
  /// Calls `callee`, and has its answer if it needs nothing but its own CPU. Returns: `nil` when
  /// the machine must go on with it, at what `entered` asks.
  @inline(__always)
  private func callAhead<P: Path>(
    _ callee: P, _ wrap: (P) -> Frame, _ world: inout World, _ cpu: CPUID, entered: inout Step
  ) -> Reply? {
    var callee = callee
    guard world.cpus[cpu].isUndisturbedTask else {
      entered = .call(wrap(callee))
      return nil
    }
    world.cpus[cpu].path = P.name
    let step = callee.run(&world, on: cpu, .none)
    if case .return(let reply) = step, !world.hasComplaint {
      world.cpus[cpu].path = ProgramPath.name
      return reply
    }
    world.runAhead.firstStep = step
    entered = .enter(wrap(callee))
    return nil
  }

  /// Calls what an `allocate` op names. Returns: `nil` when it has answered already.
  @inline(__always)
  mutating func allocate(
    _ op: Int32, _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) -> Step? {
    let place = world.program.index(of: slot, id)
    if !slot.isShared { world.program.notes[place].freed = .null }
    world.program.activations.items[id].began = world.now
    world.cpus[cpu].allocationWay = 0
    guard world.program.allocations[Int(op)].isPlain else {
      return allocateElse(op, place, id, &world, cpu)
    }
    let (gfp, size) = (world.program.allocations[Int(op)].gfp, drawSize(op, id, &world))
    let bytes = UInt32(truncatingIfNeeded: min(size, UInt64(UInt32.max)))
    var entered = Step.sync
    if let reply = callAhead(
      Kmalloc.start(size: bytes, gfp: gfp, node: .any), Frame.kmalloc, &world, cpu,
      entered: &entered)
    {
      world.program.activations.items[id].filling = Int32(truncatingIfNeeded: place)
      answered(op, reply.address, place, id, &world, cpu)
      return nil
    }
    beginFilling(place, id, &world)
    return ask(entered, then: .allocating(id, allocation: op))
  }

  /// The slot is neither empty nor full until the answer.
  @inline(__always)
  func beginFilling(
    _ place: Int, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) {
    world.program.slots[place] = ProgramState.Slot(.null, filler: Int32(id.index))
    world.program.activations.items[id].filling = Int32(truncatingIfNeeded: place)
    world.program.activations.items[id].visibleFrom = .max
  }

  @inline(__always)
  func drawSize(
    _ op: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) -> UInt64 {
    let distribution = world.program.allocations[Int(op)].size
    if case .constant(let size) = world.program.distributions[Int(distribution)] { return size }
    var stream = world.program.activations.items[id].stream
    let size = world.program.draw(distribution, &stream)
    world.program.activations.items[id].stream = stream
    if world.program.sites.isOn { world.program.sites.note(asked: size, by: id) }
    return size
  }

  @inline(never)
  private mutating func allocateElse(
    _ op: Int32, _ place: Int, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    beginFilling(place, id, &world)
    let size = drawSize(op, id, &world)
    var stream = world.program.activations.items[id].stream
    let allocation = world.program.allocations[Int(op)]
    if allocation.api == .allocFromSheaf {
      let frame = frameFromSheaf(allocation, Int(size), place, id, &world, cpu)
      return ask(.call(frame), then: .allocating(id, allocation: op))
    }
    if allocation.api == .vmap || allocation.api == .vmMapRAM {
      let frame = mappingFrame(allocation, Int(size), place, id, &world, cpu)
      return ask(.call(frame), then: .allocating(id, allocation: op))
    }
    let frame = rareFrame(allocation, size, place, &stream, &world, cpu)
    world.program.activations.items[id].stream = stream
    return ask(.call(frame), then: .allocating(id, allocation: op))
  }

  /// The frame of any allocating call but the plain kmalloc.
  @inline(never)
  private func rareFrame(
    _ allocation: Allocation, _ size: UInt64, _ place: Int, _ stream: inout RandomStream,
    _ world: inout World, _ cpu: CPUID
  ) -> Frame {
    world.program.notes[place] = ProgramState.SlotNote(size: UInt32(clamping: size))
    let node = world.resolve(allocation.place, &stream, on: cpu)
    switch allocation.api {
    case .kmalloc where allocation.count > 1:
      let bytes = size.multipliedReportingOverflow(by: allocation.count)
      world.program.notes[place].size = bytes.overflow ? 0 : UInt32(clamping: bytes.partialValue)
      return KmallocArray.frame(
        count: allocation.count, size: size, gfp: allocation.gfp, node: node)
    case .kmalloc, .krealloc, .kvrealloc, .vrealloc:
      let bytes = UInt32(truncatingIfNeeded: min(size, UInt64(UInt32.max)))
      return .kmalloc(.start(size: bytes, gfp: allocation.gfp, node: node))
    case .kmemCacheAlloc:
      world.program.notes[place].cache = Int16(truncatingIfNeeded: allocation.cache)
      let cache = world.program.caches[Int(allocation.cache)]
      return .kmemCacheAlloc(.start(cache: cache, gfp: allocation.gfp, node: node))
    case .allocPages:
      let order = Order(Int(min(size, 255)))
      world.program.notes[place].order = UInt8(order.index)
      world.program.notes[place].size = UInt32(world.architecture.pageSize) << UInt32(order.index)
      return .allocPages(.start(order: order, gfp: allocation.gfp, node: node))
    case .vmalloc:
      return vmallocFrame(allocation, size, node, world)
    case .kvmalloc:
      let bytes = size.multipliedReportingOverflow(by: allocation.count)
      // A product that overflows is NULL, and silently so.
      guard !bytes.overflow else {
        return .kmallocArray(.start(bytes: KmallocArray.overflow, gfp: [], node: .any))
      }
      world.program.notes[place].size = UInt32(clamping: bytes.partialValue)
      return .kvmalloc(.start(bytes: bytes.partialValue, gfp: allocation.gfp, node: node))
    case .prefillSheaf:
      return .prefillSheaf(
        .start(
          cache: UInt16(world.program.caches[Int(allocation.cache)].index),
          size: UInt16(clamping: size), gfp: allocation.gfp))
    case .allocFromSheaf, .vmap, .vmMapRAM: preconditionFailure("it has a frame of its own")
    }
  }

  /// A call that was to fill a slot has answered.
  @inline(__always)
  func store(
    _ reply: Reply, _ index: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) {
    let place = Int(world.program.activations.items[id].filling)
    // Whoever began to fill the slot last has it; what an earlier one brings is lost.
    guard world.program.slots[place].filler == Int32(truncatingIfNeeded: id.index) else {
      return note(id, world.program.allocations[Int(index)].operation, &world)
    }
    let address: Address =
      switch world.program.allocations[Int(index)].api {
      case .allocPages:
        reply.pfn.isNone ? .null : world.architecture.address(of: reply.pfn)
      case .prefillSheaf: reply.number < 0 ? .null : Sheaves.pointer(to: ID(reply.number))
      default: reply.address
      }
    if !world.program.allocations[Int(index)].isPlain {
      world.program.notes[place].address = address
    }
    answered(index, address, place, id, &world, cpu)
  }

  /// Puts what was allocated into its slot; others see it there from now on.
  @inline(__always)
  func answered(
    _ op: Int32, _ address: Address, _ place: Int, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) {
    world.program.activations.items[id].visibleFrom = world.turn(of: cpu)
    let filler = world.isAhead ? Int32(truncatingIfNeeded: id.index) : -1
    world.program.slots[place] = ProgramState.Slot(address, filler: filler)
    let operation = world.program.allocations[Int(op)].operation
    note(id, operation, &world)
    if world.program.sites.isOn { world.noteSite(op, address, id, on: cpu) }
    if address == .null { failed(op, operation, id, &world) }
  }

  @inline(never)
  private func failed(
    _ op: Int32, _ operation: Int16, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) {
    world.program.failures[Int(operation)] &+= 1
    let onFailure = world.program.allocations[Int(op)].onFailure
    if onFailure >= 0 { world.program.activations.items[id].place = onFailure }
  }

  /// Empties a slot and frees what it held. Returns: `nil` when that is done already.
  @inline(__always)
  mutating func free(
    _ api: FreeAPI, _ slot: SlotRef, _ operation: Int16, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    let place = world.program.index(of: slot, id)
    var address = world.program.take(place, at: world.turn(of: cpu))
    if !slot.isShared { world.program.noteFreed(place, &address) }
    world.program.activations.items[id].began = world.now
    if world.program.sites.isOn { world.program.sites.freed(address, on: cpu, at: world.now) }
    guard api == .kfree else {
      return freeElse(api, place, address, .calling(id, operation: operation), &world)
    }
    var entered = Step.sync
    guard
      callAhead(Kfree.start(address), Frame.kfree, &world, cpu, entered: &entered) != nil
    else { return ask(entered, then: .calling(id, operation: operation)) }
    note(id, operation, &world)
    return nil
  }

  @inline(never)
  private mutating func freeElse(
    _ api: FreeAPI, _ place: Int, _ address: Address, _ next: ProgramPath,
    _ world: inout World
  ) -> Step {
    let note = world.program.note(of: place, address)
    switch api {
    case .kfree: return ask(.call(.kfree(.start(address))), then: next)
    case .kfreeRCU, .kfreeRCUMightSleep:
      let call = KvfreeCallRCU.start(address, mightSleep: api == .kfreeRCUMightSleep)
      return ask(.call(.kvfreeCallRCU(call)), then: next)
    case .kfreeSensitive: return ask(.call(.kfreeSensitive(.start(address))), then: next)
    case .kmemCacheFree:
      guard let cache = world.program.cache(of: note), address != .null else {
        return ask(.sync, then: next)
      }
      return ask(.call(.kmemCacheFree(.start(cache, address))), then: next)
    case .freePages:
      guard address != .null else { return ask(.sync, then: next) }
      let pfn = world.architecture.pfn(of: address)
      return ask(.call(.freePages(.start(pfn, Order(Int(note.order))))), then: next)
    case .vfree: return ask(.call(.vfree(.start(address))), then: next)
    case .vfreeAtomic: return ask(.call(.vfreeAtomic(.start(address))), then: next)
    case .vunmap: return ask(.call(.vunmap(.start(address))), then: next)
    case .vmUnmapRAM:
      guard address != .null else { return ask(.sync, then: next) }
      let count = Int32(note.size / UInt32(world.architecture.pageSize))
      return ask(.call(.vmUnmapRAM(.start(address, count: count))), then: next)
    case .kvfree: return ask(.call(.kvfree(.start(address))), then: next)
    case .returnSheaf:
      guard address != .null else { return ask(.sync, then: next) }
      return ask(
        .call(.returnSheaf(.start(Sheaves.sheaf(at: address), .noWait))), then: next)
    }
  }

  /// The calls that neither fill nor empty a slot.
  mutating func call(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    world.program.activations[id].began = world.now
    switch op {
    case .freeAt(let api, let slot, let offset, let operation):
      let place = world.program.index(of: slot, id)
      let object = world.program.address(in: place, at: world.turn(of: cpu))
      let address = object == .null ? object : object + Int(offset)
      return freeElse(api, place, address, .calling(id, operation: operation), &world)
    case .touch(let slot, let stride, let operation):
      return touch(slot, stride, operation, id, &world, cpu)
    case .translate(let api, let slot, let offset, let operation):
      return translate(api, slot, offset, operation, id, &world, cpu)
    case .reallocate(let allocation, let slot): return reallocate(allocation, slot, id, &world, cpu)
    case .refillSheaf(let allocation, let slot):
      return refillSheaf(allocation, slot, id, &world)
    case .allocateBulk(let bulk): return allocateBulk(bulk, id, &world, cpu)
    case .freeBulk(let bulk): return freeBulk(bulk, id, &world, cpu)
    case .ksize(let slot, let operation):
      let address = world.program.address(
        in: world.program.index(of: slot, id), at: world.turn(of: cpu))
      return ask(.call(.ksize(.start(address))), then: .calling(id, operation: operation))
    case .cacheCreate(let cache, let operation):
      return measured(.kmemCacheCreate(world.creation(of: Int(cache))), id, operation)
    case .cacheShrink(let cache, let operation):
      return measured(.kmemCacheShrink(.start(world.program.caches[Int(cache)])), id, operation)
    case .cacheDestroy(let cache, let operation):
      return measured(.kmemCacheDestroy(world.destruction(of: Int(cache))), id, operation)
    case .vmUnmapAliases(let operation): return measured(.vmUnmapAliases(.start), id, operation)
    case .synchronizeRCU(let operation): return measured(.synchronizeRCU(.start), id, operation)
    case .drainAllPages(let operation): return measured(.drainAllPages(.start), id, operation)
    default: preconditionFailure("interpret does it")
    }
  }

  private mutating func measured(
    _ frame: Frame, _ id: ID<ProgramState.Activation>, _ operation: Int16
  ) -> Step {
    ask(.call(frame), then: .calling(id, operation: operation))
  }
}

extension World {
  /// Reports a use of what was freed, if anything was.
  mutating func complainOfStaleTouch(_ freed: Address, on cpu: CPUID) {
    guard !freed.isZeroOrNull else { return }
    complain(
      .useAfterFree,
      "\(freed.text) was freed and is used again. Set the pointer to NULL after the "
        + "free, and free what others may use only when they are done.", on: cpu)
  }

  /// The node that an allocation asks for.
  func resolve(_ place: Allocation.Place, _ stream: inout RandomStream, on cpu: CPUID) -> NodeID {
    switch place {
    case .any: return .any
    case .node(let node): return node
    case .here: return node(of: cpu)
    case .elsewhere:
      let count = layout.nodeCount
      guard count > 1 else { return node(of: cpu) }
      let drawn = stream.below(count - 1)
      return NodeID(drawn >= node(of: cpu).index ? drawn + 1 : drawn)
    }
  }
}

extension ProgramState {
  /// What a slot holds for who comes at `turn`: nothing while a call fills it.
  @inline(__always)
  func address(in place: Int, at turn: UInt64) -> Address {
    isBeingFilled(slots[place], place, at: turn) ? .null : slots[place].address
  }

  /// A free through a slot of `address`, if it held one; if not, it is once more of what was freed
  /// through it last.
  mutating func noteFreed(_ place: Int, _ address: inout Address) {
    if address == .null { address = notes[place].freed } else { notes[place].freed = address }
  }

  /// Empties a slot. Returns: what it held; a slot that is being filled stays so.
  @inline(__always)
  mutating func take(_ place: Int, at turn: UInt64) -> Address {
    let held = slots[place]
    if isBeingFilled(held, place, at: turn) { return .null }
    slots[place] = .empty
    return held.address
  }

  /// What is noted of the object in the slot at `place`; nothing of one from a plain kmalloc.
  func note(of place: Int, _ address: Address) -> SlotNote {
    notes[place].address == address ? notes[place] : SlotNote()
  }

  func cache(of note: SlotNote) -> CacheID? {
    note.cache >= 0 ? caches[Int(note.cache)] : nil
  }
}
