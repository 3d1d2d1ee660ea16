import Hardware
import Simulation

/// Bulk calls: objects of several slots in one call. Others see nothing of these slots, which are
/// the thread's or the handler's own.
extension ProgramPath {
  mutating func allocateBulk(
    _ index: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let bulk = world.program.bulks[Int(index)]
    world.program.activations[id].began = world.now
    world.cpus[cpu].allocationWay = 0
    let cache = world.program.caches[Int(bulk.cache)]
    let (frame, call) = world.bulkAllocation(cache, count: Int(bulk.count), gfp: bulk.gfp)
    return ask(.call(frame), then: .bulkAllocating(id, bulk: index, call))
  }

  /// All objects have come, or none.
  func storeBulk(
    _ index: Int32, _ call: ID<BulkCall>, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) {
    let bulk = world.program.bulks[Int(index)]
    let objects = world.closeBulk(call)
    note(id, bulk.operation, &world)
    guard objects.count == Int(bulk.count) else {
      world.program.failures[Int(bulk.operation)] += 1
      if world.program.sites.isOn { world.program.sites.failed(site: bulk.site) }
      if bulk.onFailure >= 0 { world.program.activations[id].place = bulk.onFailure }
      return
    }
    for (number, object) in objects.enumerated() {
      let slot = world.program.bulkSlots[Int(bulk.first) + number]
      let place = world.program.index(of: slot, id)
      world.program.slots[place] = ProgramState.Slot(object)
      world.program.notes[place] = ProgramState.SlotNote(
        address: object, cache: Int16(truncatingIfNeeded: bulk.cache))
      guard world.program.sites.isOn else { continue }
      let size = world.slab.size(of: object)
      world.program.sites.allocated(
        object, site: bulk.site, size: UInt64(size), given: size,
        way: CallSites.Way(rawValue: world.cpus[cpu].allocationWay) ?? .fast,
        took: world.now - world.program.activations[id].began, on: cpu, at: world.now)
    }
  }

  /// Frees what the slots hold; nothing where all are empty.
  mutating func freeBulk(
    _ index: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let bulk = world.program.bulks[Int(index)]
    world.program.activations[id].began = world.now
    var objects: [Address] = []
    for number in 0..<Int(bulk.count) {
      let slot = world.program.bulkSlots[Int(bulk.first) + number]
      let place = world.program.index(of: slot, id)
      let address = world.program.take(place, at: world.turn(of: cpu))
      guard !address.isZeroOrNull else { continue }
      objects.append(address)
      if world.program.sites.isOn { world.program.sites.freed(address, on: cpu, at: world.now) }
    }
    let next = ProgramPath.calling(id, operation: bulk.operation)
    guard !objects.isEmpty else { return ask(.sync, then: next) }
    let cache = bulk.cache >= 0 ? world.program.caches[Int(bulk.cache)] : CacheID.none
    return ask(.call(world.bulkFree(cache, objects)), then: next)
  }
}
