import Hardware
import Simulation

/// Prefilled sheaves: a slot holds a pointer to one, as it does to an object. Its thread's or
/// handler's own, so others see nothing of it.
extension ProgramPath {
  /// The call that takes an object out of the sheaf in a slot; from an empty slot it is NULL.
  func frameFromSheaf(
    _ allocation: Allocation, _ slot: Int, _ place: Int, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) -> Frame {
    world.program.notes[place] = ProgramState.SlotNote(
      cache: Int16(truncatingIfNeeded: allocation.cache))
    let sheaf = world.program.index(of: SlotRef(slot), id)
    let pointer = world.program.slots[sheaf].address
    guard pointer != .null else {
      world.complainOfStaleTouch(world.program.notes[sheaf].freed, on: cpu)
      return .allocFromSheaf(.start(.none, allocation.gfp))
    }
    return .allocFromSheaf(.start(Sheaves.sheaf(at: pointer), allocation.gfp))
  }

  /// Asks for more objects in the sheaf of a slot. An empty slot stays so.
  mutating func refillSheaf(
    _ op: Int32, _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) -> Step {
    let allocation = world.program.allocations[Int(op)]
    let place = world.program.index(of: slot, id)
    world.program.activations[id].filling = Int32(place)
    let pointer = world.program.slots[place].address
    let next = ProgramPath.sheafRefilling(id, allocation: op)
    guard pointer != .null,
      case .constant(let size) = world.program.distributions[
        Int(allocation.size)]
    else { return ask(.sync, then: next) }
    let call = RefillPrefilled.start(
      Sheaves.sheaf(at: pointer), size: UInt16(clamping: size), gfp: allocation.gfp)
    return ask(.call(.refillPrefilled(call)), then: next)
  }

  /// The answer of a `kmem_cache_refill_sheaf()`: the sheaf, or none, which leaves the old one.
  func storeSheaf(
    _ reply: Reply, _ op: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) {
    let allocation = world.program.allocations[Int(op)]
    note(id, allocation.operation, &world)
    guard reply.tag == .number, reply.number >= 0 else {
      world.program.failures[Int(allocation.operation)] += 1
      if allocation.onFailure >= 0 { world.program.activations[id].place = allocation.onFailure }
      return
    }
    let place = Int(world.program.activations[id].filling)
    world.program.slots[place] = ProgramState.Slot(Sheaves.pointer(to: ID(reply.number)))
  }
}
