import Hardware
import Simulation

/// SLUB's bulk free to 4.3: the array from its beginning, an object at a time, interrupts off.
///
/// Objects of the CPU's slab go on its freelist by two stores each. For any other one interrupts are
/// on again, and the slow path frees it alone: a bulk free of many slabs is no cheaper than as many
/// single ones.
/// Kernel: `kmem_cache_free_bulk()` (mm/slub.c, 4.3), before `build_detached_freelist()`.
extension KmemCacheFreeBulk {
  mutating func freeEach(_ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .masking: return ask(.disable(.irqs), then: .masked(id))
    case .masked:
      let count = world.giveEachLocal(id, on: cpu)
      guard count > 0 else { return ask(.enable(.irqs), then: .unmasked(id)) }
      return ask(.work(.slubBulkObject, times: Int32(count)), then: .pushed(id))
    case .pushed: return ask(.enable(.irqs), then: .unmasked(id))
    case .unmasked: return freeOther(id, &world, cpu)
    default: return ask(.ahead(.irqDisableEnable), then: .masking(id))
    }
  }

  /// Frees the next object, which was not of this CPU's slab; ends the call when nothing is left.
  private mutating func freeOther(
    _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let call = world.slab.bulk.calls[id]
    guard call.left > 0 else {
      world.slab.bulk.close(id)
      return .return()
    }
    let address = world.slab.bulk[id, Int(call.count - call.left)]
    world.slab.bulk.calls[id].left -= 1
    let owner = world.slab.owner(of: address)
    guard case .object(let slab, let index) = owner else {
      if !address.isZeroOrNull { world.complainBadFree(address, owner, on: cpu) }
      return ask(.ahead(.irqDisableEnable), then: .masking(id))
    }
    return ask(.call(world.slubSlowFree(slab, index)), then: .freedOne(id))
  }
}

extension SlabAllocator {
  /// Whether bulk frees of a cache are of 4.3's kind.
  @inline(__always)
  func freesEach(_ cache: CacheID) -> Bool { !rules.gathersBulkFrees && takesBulk(cache) }
}

extension World {
  /// Puts the next objects of a bulk call on the CPU's freelist, up to the first of another slab.
  ///
  /// Returns: how many. Complexity: O(them).
  mutating func giveEachLocal(_ id: ID<BulkCall>, on cpu: CPUID) -> Int {
    let call = slab.bulk.calls[id]
    guard slab.layouts[call.cache.index].cpus >= 0 else { return 0 }
    let place = slab.cpu(call.cache, cpu)
    var next = Int(call.count - call.left)
    let first = next
    while next < Int(call.count) {
      guard case .object(let id, let index) = slab.owner(of: slab.bulk[id, next]),
        id == slab.cpus[place].slab, slab.isTaken(id, index)
      else { break }
      slab.countOrigin(id, index, on: cpu, memoryNode: memoryNode(of: cpu))
      slab.links[Int(slab.slabs[id].links) + Int(index)] = slab.cpus[place].freelist
      slab.cpus[place].freelist = index
      next += 1
    }
    slab.bulk.calls[id].left -= Int32(next - first)
    slab.cpus[place].tid &+= KmemCacheCPU.tidStep
    return next - first
  }
}
