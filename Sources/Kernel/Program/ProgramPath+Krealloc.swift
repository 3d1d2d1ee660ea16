import Hardware
import Simulation

/// `krealloc()` of the object in a slot: others see the slot as being filled until it answers.
extension ProgramPath {
  mutating func reallocate(
    _ op: Int32, _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    let place = world.program.index(of: slot, id)
    let old = world.program.take(place, at: world.turn(of: cpu))
    world.program.activations.items[id].began = world.now
    world.cpus[cpu].allocationWay = 0
    let allocation = world.program.allocations[Int(op)]
    let size = drawSize(op, id, &world)
    let bytes = KmallocClasses.arrayBytes(count: allocation.count, size: size) ?? .max
    // The note keeps what the slot goes back to if there is no memory.
    world.program.notes[place] = ProgramState.SlotNote(address: old)
    beginFilling(place, id, &world)
    let frame = Krealloc.frame(
      old, size: UInt32(clamping: bytes), gfp: allocation.gfp, &world)
    return ask(.call(frame), then: .reallocating(id, allocation: op))
  }

  /// The answer of a `krealloc()`: NULL leaves the object as it was.
  func storeAgain(
    _ reply: Reply, _ op: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) {
    let place = Int(world.program.activations.items[id].filling)
    let old = world.program.notes[place].address
    if world.program.sites.isOn, reply.address != .null, reply.address != old {
      world.program.sites.freed(old, on: cpu, at: world.now)
    }
    let isMine = world.program.slots[place].filler == Int32(truncatingIfNeeded: id.index)
    answered(op, reply.address, place, id, &world, cpu)
    world.program.notes[place] = ProgramState.SlotNote()
    guard isMine, reply.address == .null else { return }
    world.program.slots[place] = ProgramState.Slot(old)
  }
}
