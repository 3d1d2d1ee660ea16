import Hardware
import Simulation

extension Op {
  /// Instead of a touch's stride: one access somewhere.
  package static let atRandom: Int32 = -1
}

/// The workload's own accesses to what it has.
extension ProgramPath {
  /// Touches an object from end to end, or one line of it. Returns: nil where there is none.
  mutating func touch(
    _ slot: SlotRef, _ stride: Int32, _ operation: Int16, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    let place = world.program.index(of: slot, id)
    let address = world.program.address(in: place, at: world.turn(of: cpu))
    guard !address.isZeroOrNull else {
      world.complainOfStaleTouch(world.program.notes[place].freed, on: cpu)
      return nil
    }
    let noted = Int(world.program.note(of: place, address).size)
    let size = noted > 0 ? noted : world.slab.size(of: address)
    guard stride != Op.atRandom else {
      let line = drawLine(of: size, id, &world)
      let touch = TouchMemory.start(address: address + line << 6, bytes: 1, stride: 1)
      return ask(.call(.touch(touch)), then: .calling(id, operation: operation))
    }
    // One access is all that a stride beyond the end leaves.
    let bytes = Int(stride) < size ? size : min(size, 1)
    let touch = TouchMemory.start(
      address: address, bytes: UInt32(clamping: bytes), stride: UInt16(clamping: stride))
    return ask(.call(.touch(touch)), then: .calling(id, operation: operation))
  }

  /// One of the cache lines of an object.
  private func drawLine(
    of size: Int, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) -> Int {
    var stream = world.program.activations[id].stream
    let line = stream.below(max((size + 63) >> 6, 1))
    world.program.activations[id].stream = stream
    return line
  }
}
