import Hardware
import Simulation

/// Fills a sheaf from slabs: partial ones of this node, of others, then new ones; up to 6.19 from
/// this CPU's slab, and then as a single allocation goes.
///
/// Kernel: `refill_sheaf()`, `refill_objects()` (mm/slub.c, 7.0), `__kmem_cache_alloc_bulk()` (6.18).
/// There `min` is always `max`.
package enum RefillSheaf: Path {
  case start(ID<Sheaf>, GFPFlags)
  case ownNodeSought(ID<Sheaf>, GFPFlags)
  case othersSought(ID<Sheaf>, GFPFlags)
  case slabGiven(ID<Sheaf>, GFPFlags)
  case slabUsed(ID<Sheaf>, GFPFlags)
  // Up to 6.19.
  case moved(ID<Sheaf>, GFPFlags)
  case objectGiven(ID<Sheaf>, GFPFlags)

  package static var name: PathName { .refill_objects }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let gfp):
      guard !world.slab.sheaves.isFull(sheaf) else { return .return() }
      guard world.slab.rules.sheaves == .all else { return fillLocally(sheaf, gfp, &world, cpu) }
      let node = world.memoryNode(of: cpu)
      return ask(
        .call(.refillFromNode(.start(sheaf, node: node, waits: true))),
        then: .ownNodeSought(sheaf, gfp))
    case .ownNodeSought(let sheaf, let gfp):
      guard !world.slab.sheaves.isFull(sheaf) else { return .return() }
      let request = SlabRequest(world.slab.sheaves.all[sheaf].cacheID, gfp, .any)
      return ask(
        .call(.searchNodes(.start(request, sheaf))), then: .othersSought(sheaf, gfp))
    case .othersSought(let sheaf, let gfp), .slabUsed(let sheaf, let gfp):
      guard !world.slab.sheaves.isFull(sheaf) else { return .return() }
      let cache = world.slab.sheaves.all[sheaf].cacheID
      let request = SlabRequest(cache, gfp, world.memoryNode(of: cpu))
      return ask(.call(.allocateSlab(.start(request))), then: .slabGiven(sheaf, gfp))
    case .slabGiven(let sheaf, let gfp):
      guard !reply.slab.isNone else { return .return() }
      return ask(
        .call(.allocFromNewSlab(.start(reply.slab, sheaf))), then: .slabUsed(sheaf, gfp))
    case .moved(let sheaf, let gfp):
      guard !world.slab.sheaves.isFull(sheaf) else { return .return() }
      let request = SlabRequest(world.slab.sheaves.all[sheaf].cacheID, gfp, .any)
      return ask(
        .call(world.slubSlowAllocation(request)), then: .objectGiven(sheaf, gfp))
    case .objectGiven(let sheaf, let gfp):
      guard case .object(let slab, let index) = world.slab.owner(of: reply.address) else {
        return .return()
      }
      let object = ObjectRef(slab: slab, index: index)
      world.slab.markCached(object)
      world.slab.sheaves.append(object, to: sheaf)
      return fillLocally(sheaf, gfp, &world, cpu)
    }
  }

  private mutating func fillLocally(
    _ sheaf: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.slab.activate(world.slab.sheaves.all[sheaf].cacheID, &world.locks, &world.lines)
    let count = world.slab.fillLocally(sheaf, on: cpu)
    return ask(
      .work(.slubInitObject, times: Int32(max(count, 1))), then: .moved(sheaf, gfp))
  }
}

/// Takes objects of a new slab: as many as a sheaf has room for, or one.
///
/// Kernel: `alloc_from_new_slab()` (mm/slub.c, 7.0).
package enum AllocFromNewSlab: Path {
  /// Without a sheaf it answers with one object's address.
  case start(ID<Slab>, ID<Sheaf>)
  case taken(ID<Slab>, UInt16)
  case locked(ID<Slab>, UInt16)
  case edited(ID<Slab>, UInt16)
  case unlocked(ID<Slab>, UInt16)
  case nodeHere(ID<Slab>, UInt16)

  package static var name: PathName { .alloc_from_new_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let sheaf):
      world.slab.note(.alloc_slab, of: world.slab.slabs[slab].cacheID)
      return take(slab, sheaf, &world, cpu)
    case .taken(let slab, let object):
      // Nobody else knows the slab yet.
      guard world.slab.slabs[slab].freelist != Link.end else {
        return count(slab, object, &world)
      }
      return ask(.acquire(world.listLock(slab), irqs: .off), then: .locked(slab, object))
    case .locked(let slab, let object):
      // Counted here, where the kernel does it just after: the line is the lock's own.
      world.slab.addToNode(slab)
      world.slab.addPartial(slab, to: .head)
      return ask(.work(.slubListEdit), then: .edited(slab, object))
    case .edited(let slab, let object):
      return ask(.release(world.listLock(slab), irqs: .off), then: .unlocked(slab, object))
    case .unlocked(let slab, let object): return finish(slab, object, &world)
    case .nodeHere(let slab, let object):
      world.slab.addToNode(slab)
      return finish(slab, object, &world)
    }
  }

  private func finish(_ slab: ID<Slab>, _ object: UInt16, _ world: inout World) -> Step {
    world.traceSlabs(of: world.slab.slabs[slab].cacheID)
    guard object != Link.end else { return .return(.address(.null)) }
    return .return(.address(world.slab.address(slab, object)))
  }

  private mutating func take(
    _ slab: ID<Slab>, _ sheaf: ID<Sheaf>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let list = world.slab.slabs[slab].freelist
    guard !sheaf.isNone else {
      let (_, rest) = world.slab.pop(slab, list, on: cpu)
      (world.slab.slabs[slab].freelist, world.slab.slabs[slab].inuse) = (rest, 1)
      return ask(.work(.slubSlowStep), then: .taken(slab, list))
    }
    let (rest, count) = world.slab.fill(sheaf, from: slab, list)
    (world.slab.slabs[slab].freelist, world.slab.slabs[slab].inuse) = (rest, UInt16(count))
    return ask(.work(.slubInitObject, times: Int32(count)), then: .taken(slab, Link.end))
  }

  private mutating func count(
    _ slab: ID<Slab>, _ object: UInt16, _ world: inout World
  ) -> Step {
    let record = world.slab.slabs[slab]
    return ask(
      .touch(world.nodeLine(record.cacheID, record.nodeID)), then: .nodeHere(slab, object))
  }
}
