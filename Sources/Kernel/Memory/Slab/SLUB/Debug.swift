import Hardware
import Simulation

/// Allocates from a debug cache: one object of a node's slab, under list_lock. From 6.1.
///
/// No CPU ever has a slab of such a cache. To 6.0 the slow paths of other caches serve it, and give
/// the slab up after each object.
/// Kernel: `___slab_alloc()`, `alloc_single_from_partial()`, `alloc_single_from_new_slab()`
/// (mm/slub.c, 6.12). Not modelled: what the checks would find, but for a free of what is free.
package enum DebugAlloc: Path {
  case start(SlabRequest)
  case entered(SlabRequest)
  case newObjects(SlabRequest)
  case partialSought(SlabRequest)
  case pagesWanted(SlabRequest)
  case pagesGiven(SlabRequest)
  case slabGiven(ID<Slab>)
  case checked(ID<Slab>, UInt16)
  case locked(ID<Slab>, UInt16)
  case edited(ID<Slab>, UInt16)
  case taken(ID<Slab>, UInt16)
  case tracked(Address)
  case leave(Address)

  package static var name: PathName { .___slab_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      world.slab.note(.alloc_slowpath, of: request.cacheID)
      return ask(.ahead(.slubSlowStep), then: .entered(request))
    case .entered(var request):
      world.slab.activate(request.cacheID, &world.locks, &world.lines)
      if request.node != .any, !world.slab.hasMemory(request.node) { request.node = .any }
      return ask(.disable(.migration), then: .newObjects(request))
    case .newObjects(let request):
      let asked = request.narrowed(by: world.slab.rules)
      return ask(.call(.getPartial(.start(asked))), then: .partialSought(request))
    case .partialSought(let request):
      guard reply.slab.isNone else { return track(reply.slab, reply.freelist, &world) }
      return ask(.enable(.migration), then: .pagesWanted(request))
    case .pagesWanted(let request):
      let asked = request.narrowed(by: world.slab.rules)
      return ask(.call(.allocateSlab(.start(asked))), then: .pagesGiven(request))
    case .pagesGiven(let request): return given(request, reply.slab, &world, cpu)
    case .slabGiven, .checked, .locked, .edited: return newSlab(&world, cpu)
    case .taken(let slab, let index): return track(slab, index, &world)
    case .tracked(let object): return ask(.enable(.migration), then: .leave(object))
    case .leave(let object): return .return(.address(object))
    }
  }

  private mutating func given(
    _ asked: SlabRequest, _ slab: ID<Slab>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var request = asked
    guard slab.isNone else { return ask(.disable(.migration), then: .slabGiven(slab)) }
    if request.prefersNode, !request.isSecondTry, world.slab.rules.triesNodeFirst {
      request.isSecondTry = true
      return ask(.disable(.migration), then: .newObjects(request))
    }
    world.failSlabAllocation(request, on: cpu)
    return .return(.address(.null))
  }

  /// Takes an object of a new slab, and lists the slab.
  private mutating func newSlab(_ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .slabGiven(let slab):
      let cache = world.slab.slabs[slab].cacheID
      world.slab.note(.alloc_slab, of: cache)
      let index = world.slab.takeSingle(slab, on: cpu)
      return ask(
        .work(.slubDebugLine, times: world.slab.debugLines(of: cache)),
        then: .checked(slab, index))
    case .checked(let slab, let index):
      return ask(.acquire(world.listLock(slab), irqs: .off), then: .locked(slab, index))
    case .locked(let slab, let index):
      if world.slab.slabs[slab].freelist != Link.end { world.slab.addPartial(slab, to: .head) }
      world.slab.addToNode(slab)
      world.traceSlabs(of: world.slab.slabs[slab].cacheID)
      return ask(.work(.slubListEdit), then: .edited(slab, index))
    case .edited(let slab, let index):
      return ask(.release(world.listLock(slab), irqs: .off), then: .taken(slab, index))
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func track(
    _ slab: ID<Slab>, _ index: UInt16, _ world: inout World
  ) -> Step {
    let object = world.slab.address(slab, index)
    guard world.slab.caches[world.slab.slabs[slab].cacheID].flags.contains(.storeUser) else {
      return ask(.enable(.migration), then: .leave(object))
    }
    return ask(.work(.slubDebugTrack), then: .tracked(object))
  }
}

/// Frees an object of a debug cache, checked under list_lock. From 6.1 all is done there; before,
/// the free goes on as any other.
///
/// Kernel: `free_to_partial_list()` (mm/slub.c, 6.12), `free_debug_processing()` (5.10).
package enum DebugFree: Path {
  case start(ID<Slab>, UInt16)
  case tracked(ID<Slab>, UInt16)
  case locked(ID<Slab>, UInt16)
  case here(ID<Slab>, UInt16)
  case checked(ID<Slab>, UInt16)
  case unlockedFirst(ID<Slab>, UInt16)
  case edited(ID<Slab>, isEmpty: Bool)
  case unlocked(empty: ID<Slab>)
  case done

  package static var name: PathName { .__slab_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let index):
      let cache = world.slab.slabs[slab].cacheID
      if world.slab.rules.isDebugUnderListLock { world.slab.note(.free_slowpath, of: cache) }
      guard world.slab.caches[cache].flags.contains(.storeUser) else {
        return ask(.ahead(.slubFreeSlow), then: .tracked(slab, index))
      }
      return ask(.work(.slubDebugTrack), then: .tracked(slab, index))
    case .tracked(let slab, let index):
      return ask(.acquire(world.listLock(slab), irqs: .off), then: .locked(slab, index))
    case .locked(let slab, let index):
      return ask(.touch(world.slab.slabs[slab].line), then: .here(slab, index))
    case .here(let slab, let index):
      guard world.slab.isTaken(slab, index) else {
        world.complainDoubleFree(slab, index, on: cpu)
        return ask(.release(world.listLock(slab), irqs: .off), then: .done)
      }
      let lines = world.slab.debugLines(of: world.slab.slabs[slab].cacheID)
      return ask(.work(.slubDebugLine, times: lines), then: .checked(slab, index))
    case .checked(let slab, let index):
      guard world.slab.rules.isDebugUnderListLock else {
        return ask(.release(world.listLock(slab), irqs: .off), then: .unlockedFirst(slab, index))
      }
      return free(slab, index, &world, cpu)
    case .unlockedFirst(let slab, let index):
      return ask(.call(.slabFree(.start(slab, .one(index)))), then: .done)
    case .edited(let slab, let isEmpty):
      return ask(
        .release(world.listLock(slab), irqs: .off), then: .unlocked(empty: isEmpty ? slab : .none))
    case .unlocked(let slab):
      guard !slab.isNone else { return .return() }
      world.slab.note(.free_slab, of: world.slab.slabs[slab].cacheID)
      return ask(.call(.discardSlab(.freeSlab(slab))), then: .done)
    case .done: return .return()
    }
  }

  private mutating func free(
    _ slab: ID<Slab>, _ index: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.slabs[slab].cacheID
    let wasFull = world.slab.slabs[slab].freelist == Link.end
    world.slab.give(.one(index), to: slab, on: cpu, memoryNode: world.memoryNode(of: cpu))
    let isEmpty = world.slab.isSurplus(slab)
    if wasFull, !isEmpty {
      world.slab.addPartial(slab, to: .tail)
      world.slab.note(.free_add_partial, of: cache)
    } else if !wasFull, isEmpty {
      world.slab.removePartial(slab)
      world.slab.note(.free_remove_partial, of: cache)
    }
    if isEmpty {
      world.slab.removeFromNode(slab)
      world.traceSlabs(of: cache)
    }
    return ask(.work(.slubListEdit), then: .edited(slab, isEmpty: isEmpty))
  }
}

extension SlabAllocator {
  /// Takes the first object of a slab's own freelist for a debug cache. Returns: its number.
  mutating func takeSingle(_ id: ID<Slab>, on cpu: CPUID) -> UInt16 {
    let index = slabs[id].freelist
    let (_, rest) = pop(id, index, on: cpu)
    slabs[id].freelist = rest
    slabs[id].inuse += 1
    return index
  }

  /// What the checks of an object look at. Unit: lines of 64 bytes.
  func debugLines(of cache: CacheID) -> Int32 { Int32((caches[cache].sizing.size + 63) / 64) }
}
