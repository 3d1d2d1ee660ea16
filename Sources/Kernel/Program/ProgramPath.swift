import Hardware
import Simulation

/// Runs a workload's code: the one path that is not a kernel function.
///
/// It goes from op to op in no time until one asks the machine for something. An op that other
/// CPUs may see (of a picked slot, `handOver`, `receive`) is done in the order of emulated time:
/// after a call that ran ahead it first lets the queue catch up (`sync`).
package enum ProgramPath: Path {
  case go(ID<ProgramState.Activation>)
  /// A call that fills a slot is under way, or has answered.
  case allocating(ID<ProgramState.Activation>, allocation: Int32)
  case bulkAllocating(ID<ProgramState.Activation>, bulk: Int32, ID<BulkCall>)
  case reallocating(ID<ProgramState.Activation>, allocation: Int32)
  case sheafRefilling(ID<ProgramState.Activation>, allocation: Int32)
  /// Any other call that is measured.
  case calling(ID<ProgramState.Activation>, operation: Int16)
  /// Back from user mode.
  case ranInUser(ID<ProgramState.Activation>)
  case tryingLock(ID<ProgramState.Activation>, otherwise: Int32)
  case boxHere(ID<ProgramState.Activation>, handOver: Int32)
  case boxGiven(ID<ProgramState.Activation>, operation: Int16)
  case mailHere(ID<ProgramState.Activation>, into: SlotRef)
  /// The softirq of a vector: the sources that raised it, one after the other.
  case softirq(SoftIRQ)
  case softirqUnit(SoftIRQ, ID<ProgramState.Activation>)
  /// The handler of a work item, timer or tasklet.
  case deferred(UInt16)
  case raised(ID<ProgramState.Activation>)

  package static var name: PathName { .program }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .go(let id): return interpret(id, &world, cpu)
    case .allocating(let id, let allocation):
      store(reply, allocation, id, &world, cpu)
      return interpret(id, &world, cpu)
    case .bulkAllocating(let id, let bulk, let call):
      storeBulk(bulk, call, id, &world, cpu)
      return interpret(id, &world, cpu)
    case .reallocating(let id, let allocation):
      storeAgain(reply, allocation, id, &world, cpu)
      return interpret(id, &world, cpu)
    case .sheafRefilling(let id, let allocation):
      storeSheaf(reply, allocation, id, &world)
      return interpret(id, &world, cpu)
    case .calling(let id, let operation):
      note(id, operation, &world)
      return interpret(id, &world, cpu)
    case .ranInUser(let id):
      world.cpus[cpu].yielding &= ~CPU.isInUser
      return interpret(id, &world, cpu)
    case .tryingLock(let id, let otherwise):
      if !reply.bool { world.program.activations[id].place = otherwise }
      return interpret(id, &world, cpu)
    case .boxHere(let id, let handOver): return deliver(id, Int(handOver), &world, cpu)
    case .boxGiven(let id, let operation):
      note(id, operation, &world)
      return interpret(id, &world, cpu)
    case .mailHere(let id, let into):
      return receive(id, into, &world, cpu)
    case .softirq(let vector): return nextUnit(vector, &world, cpu)
    case .softirqUnit(let vector, let id): return endUnit(vector, id, &world, cpu)
    case .deferred(let index): return beginDeferred(index, &world)
    case .raised(let id): return wakeKsoftirqd(id, &world, cpu)
    }
  }

  /// One turn of a thread from `go` on, as the machine runs most of them.
  @inline(__always)
  mutating func turn(
    _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.cpus[cpu].path = ProgramPath.name
    return interpret(id, &world, cpu)
  }

  @inline(__always)
  func note(
    _ id: ID<ProgramState.Activation>, _ operation: Int16, _ world: inout World
  ) {
    let began = world.program.activations.items[id].began
    if world.program.measure(operation, world.now - began) { world.isStopped = true }
  }

  /// Runs ops until one asks.
  private mutating func interpret(
    _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var place = Int(world.program.activations.items[id].place)
    while true {
      let here = place
      let op = world.program.code[here].op
      place = Int(world.program.code[here].next)
      switch op {
      case .work(let distribution):
        let length = drawTime(distribution, id, &world)
        if case .pick(let pick) = world.program.code[place].op {
          // A choice reads nothing of others, so it is made now: the host can fetch the slot.
          choose(Int(pick), id, &world)
          place = Int(world.program.code[place].next)
        }
        world.cpus[cpu].nextSlot = world.program.activations.items[id].picked
        world.program.activations.items[id].place = Int32(truncatingIfNeeded: place)
        return ask(.run(length), then: .go(id))
      case .jump(let target): place = Int(target)
      case .pick where world.hasFilledAhead(id): return again(id, here, &world)
      case .pick(let pick): choose(Int(pick), id, &world)
      case .whenFull(let slot, _) where slot.isShared && world.isAhead,
        .whenEmpty(let slot, _) where slot.isShared && world.isAhead,
        .allocate(_, let slot)
      where slot.isShared && world.isAhead || world.hasFilledAhead(id),
        .free(_, let slot, _) where slot.isShared && world.isAhead,
        .touch(let slot, _, _) where slot.isShared && world.isAhead,
        .freeAt(_, let slot, _, _) where slot.isShared && world.isAhead,
        .translate(_, let slot, _, _) where slot.isShared && world.isAhead,
        .whenVmalloc(let slot, _) where slot.isShared && world.isAhead,
        .reallocate(_, let slot) where slot.isShared && world.isAhead,
        .ksize(let slot, _) where slot.isShared && world.isAhead,
        .forget(let slot) where slot.isShared && world.isAhead:
        return again(id, here, &world)
      case .whenFull(let slot, let otherwise):
        if !isFull(slot, id, world, cpu) { place = Int(otherwise) }
      case .whenEmpty(let slot, let otherwise):
        if !isEmpty(slot, id, world, cpu) { place = Int(otherwise) }
      default:
        world.program.activations.items[id].place = Int32(truncatingIfNeeded: place)
        if let step = act(op, id, here, &world, cpu) { return step }
        place = Int(world.program.activations.items[id].place)
      }
    }
  }

  /// An op that may ask the machine for something, or jump.
  @inline(__always)
  private mutating func act(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ place: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    switch op {
    case .allocate(let allocation, let slot): return allocate(allocation, slot, id, &world, cpu)
    case .free(let api, let slot, let operation):
      return free(api, slot, operation, id, &world, cpu)
    default: return interpretRare(op, id, place, &world, cpu)
    }
  }

  @inline(__always)
  private func drawTime(
    _ distribution: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) -> Duration {
    var stream = world.program.activations.items[id].stream
    let length = world.program.draw(distribution, &stream)
    world.program.activations.items[id].stream = stream
    return Duration(picoseconds: length)
  }

  /// Lets the queue catch up, then does the op at `place` again.
  mutating func again(
    _ id: ID<ProgramState.Activation>, _ place: Int, _ world: inout World
  ) -> Step {
    world.program.activations[id].place = Int32(place)
    return ask(.sync, then: .go(id))
  }

  @inline(__always)
  private func choose(
    _ pick: Int, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) {
    let pick = world.program.picks[pick]
    let draw = world.program.activations.items[id].stream.next()
    let shares = UInt64(truncatingIfNeeded: pick.own &+ pick.next)
    let share = Int32(truncatingIfNeeded: ((draw & 0xFFFF_FFFF) &* shares) >> 32)
    let slot = Int32(
      truncatingIfNeeded: ((draw >> 32) &* UInt64(truncatingIfNeeded: pick.count)) >> 32)
    var base = world.program.activations.items[id].slotBase
    if share >= pick.own {
      let thread = Int(world.program.activations.items[id].thread)
      base = world.program.threads[Int(world.program.threads[thread].next)].slotBase
    }
    world.program.activations.items[id].picked = base &+ Int32(pick.slot.raw) &+ slot
  }

  @inline(__always)
  private func isFull(
    _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: borrowing World, _ cpu: CPUID
  ) -> Bool {
    let place = world.program.index(of: slot, id)
    let held = world.program.slots[place]
    return held.address != .null
      && !world.program.isBeingFilled(held, place, at: world.turn(of: cpu))
  }

  @inline(__always)
  private func isEmpty(
    _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: borrowing World, _ cpu: CPUID
  ) -> Bool {
    let place = world.program.index(of: slot, id)
    let held = world.program.slots[place]
    return held.address == .null
      && !world.program.isBeingFilled(held, place, at: world.turn(of: cpu))
  }
}

extension ProgramState {
  /// Whether a call is under way, in the order of turns, that fills the slot at `place`.
  @inline(__always)
  func isBeingFilled(_ slot: Slot, _ place: Int, at turn: UInt64) -> Bool {
    let filler = slot.filler
    guard filler >= 0 else { return false }
    let activation = ID<Activation>(Int(filler))
    return Int(activations.items[activation].filling) == place
      && activations.items[activation].visibleFrom > turn
  }

  /// Where a slot of an activation lies.
  @inline(__always)
  func index(of slot: SlotRef, _ id: ID<Activation>) -> Int {
    slot.raw < 0
      ? Int(activations.items[id].picked)
      : Int(activations.items[id].slotBase) &+ Int(slot.raw)
  }
}

extension World {
  /// Asks the host for what the next turn on `cpu` reads first.
  @inline(__always) func prefetchTurn(of cpu: CPUID) {
    program.activations.items.prefetch(cpus[cpu].turn.index)
    program.slots.prefetch(Int(cpus[cpu].nextSlot))
  }

  /// Whether the running CPU filled a picked slot past its turn: an activation knows but one slot that
  /// others do not see yet.
  @inline(__always) func hasFilledAhead(_ id: ID<ProgramState.Activation>) -> Bool {
    isAhead
      && program.activations.items[id].filling == program.activations.items[id].picked
  }

  /// Whether the running CPU is past its turn in the queue.
  @inline(__always) var isAhead: Bool { now != queueTime }

  /// Where the running step of `cpu` comes in the queue's order: at equal times the lower CPU goes
  /// first, so what a CPU did ahead at that very time is not yet seen by a lower one.
  @inline(__always) func turn(of cpu: CPUID) -> UInt64 {
    now.picoseconds &<< WinnerTree.leafBits | UInt64(truncatingIfNeeded: cpu.programLeaf)
  }
}
