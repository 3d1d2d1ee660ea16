import Hardware
import Simulation

/// Ops that call the allocators.
extension ProgramPath {
  @inline(__always)
  mutating func allocate(
    _ op: Int32, _ slot: SlotRef, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    world.program.activations.items[id].began = world.now
    return ask(.sync, then: .go(id))
  }

  @inline(__always)
  mutating func free(
    _ api: FreeAPI, _ slot: SlotRef, _ operation: Int16, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.program.activations.items[id].began = world.now
    return ask(.sync, then: .go(id))
  }

  /// A call that was to fill a slot has answered.
  @inline(__always)
  func store(
    _ reply: Reply, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) {
  }

  mutating func call(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    nil
  }
}
