import Hardware
import Simulation

/// Calls that make the object in a slot larger: others see the slot as being filled until they
/// answer.
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
    let oldBytes = world.size(of: old, notedAs: world.program.note(of: place, old))
    // The note keeps what the slot goes back to if there is no memory.
    world.program.notes[place] = ProgramState.SlotNote(address: old, size: UInt32(clamping: bytes))
    beginFilling(place, id, &world)
    let (gfp, wanted) = (allocation.gfp, UInt64(clamping: bytes))
    let frame: Frame =
      switch allocation.api {
      case .kvrealloc:
        Kvrealloc.frame(old, bytes: wanted, oldBytes: UInt64(oldBytes), gfp: gfp, &world)
      case .vrealloc: Vrealloc.frame(old, bytes: wanted, gfp: gfp, &world)
      default: Krealloc.frame(old, size: UInt32(clamping: bytes), gfp: gfp, &world)
      }
    return ask(.call(frame), then: .reallocating(id, allocation: op))
  }

  /// The answer: NULL leaves the object as it was, but where no bytes were asked for, which frees it.
  func storeAgain(
    _ reply: Reply, _ op: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) {
    let place = Int(world.program.activations.items[id].filling)
    let (old, bytes) = (world.program.notes[place].address, world.program.notes[place].size)
    if world.program.sites.isOn, reply.address != .null, reply.address != old {
      world.program.sites.freed(old, on: cpu, at: world.now)
    }
    let isMine = world.program.slots[place].filler == Int32(truncatingIfNeeded: id.index)
    answered(op, reply.address, place, id, &world, cpu)
    world.program.notes[place] = ProgramState.SlotNote()
    guard isMine else { return }
    if reply.address == .null, bytes > 0 { world.program.slots[place] = ProgramState.Slot(old) }
    let kept = reply.address == .null ? old : reply.address
    guard world.vmalloc.isVmalloc(kept), bytes > 0 else { return }
    let size = reply.address == .null ? UInt32(clamping: world.vmalloc.size(of: kept)) : bytes
    world.program.notes[place] = ProgramState.SlotNote(address: kept, size: size)
  }

  /// Asks where a byte of the object in a slot is.
  mutating func translate(
    _ api: TranslateAPI, _ slot: SlotRef, _ offset: UInt32, _ operation: Int16,
    _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    let place = world.program.index(of: slot, id)
    let object = world.program.address(in: place, at: world.turn(of: cpu))
    guard !object.isZeroOrNull else {
      world.complainOfStaleTouch(world.program.notes[place].freed, on: cpu)
      return nil
    }
    let address = object + Int(offset)
    let frame: Frame =
      switch api {
      case .vmallocToPage: .vmallocToPage(.start(address))
      case .virtToPhys: .virtToPhys(.start(address, isPage: false))
      case .virtToPage: .virtToPhys(.start(address, isPage: true))
      }
    return ask(.call(frame), then: .calling(id, operation: operation))
  }
}

extension World {
  /// What an object holds, by its note if it has one. Unit: bytes.
  fileprivate func size(of object: Address, notedAs note: ProgramState.SlotNote) -> Int {
    if note.size > 0 { return Int(note.size) }
    guard !object.isZeroOrNull else { return 0 }
    return vmalloc.isVmalloc(object) ? vmalloc.size(of: object) : slab.size(of: object)
  }
}
