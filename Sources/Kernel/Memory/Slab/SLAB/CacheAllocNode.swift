import Hardware
import Simulation

/// Allocates from the slabs of one node, past all arrays. Interrupts are off.
///
/// Kernel: `____cache_alloc_node()` (mm/slab.c; 3.10 and 6.1 compared).
package enum CacheAllocNode: Path {
  case start(SlabRequest)
  case locked(SlabRequest)
  case slabHere(SlabRequest, ID<Slab>)
  case taken(Address, LockID)
  case unlocked(Address)
  case dry(SlabRequest)
  case grown(SlabRequest)
  case growLocked(SlabRequest, ID<Slab>)
  case added(SlabRequest, ID<Slab>)
  case fallback

  package static var name: PathName { .____cache_alloc_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      let lock = world.listLock(request.cacheID, request.node)
      return ask(.acquire(lock), then: .locked(request))
    case .locked(let request):
      let slab = world.slab.firstSlab(world.slab.node(request.cacheID, request.node))
      guard !slab.isNone else {
        return ask(
          .release(world.listLock(request.cacheID, request.node)), then: .dry(request))
      }
      return ask(.touch(world.slab.slabs[slab].line), then: .slabHere(request, slab))
    case .slabHere(let request, let slab):
      let place = world.slab.node(request.cacheID, request.node)
      let object = world.slab.takeOne(slab, on: cpu)
      world.slab.relist(slab, took: 1)
      world.slab.arrays.nodes[place].freeObjects -= 1
      let lock = world.listLock(request.cacheID, request.node)
      return ask(.work(.slabSlabObject), then: .taken(object, lock))
    case .taken(let object, let lock):
      return ask(.release(lock), then: .unlocked(object))
    case .unlocked(let object): return .return(.address(object))
    case .dry(let request):
      return ask(.call(.cacheGrow(.startOwn(request))), then: .grown(request))
    case .grown(let request):
      let slab = reply.slab
      guard !slab.isNone else {
        return ask(.call(.fallbackAlloc(.start(request))), then: .fallback)
      }
      return ask(.acquire(world.listLock(slab)), then: .growLocked(request, slab))
    case .growLocked(let request, let slab):
      world.slab.addGrown(slab)
      world.slab.note(.alloc_slab, of: request.cacheID)
      world.traceSlabs(of: request.cacheID)
      guard world.slab.rules.checksNodeUnlocked else {
        return ask(.release(world.listLock(slab)), then: .added(request, slab))
      }
      // The kernel takes the object before the slab is on a list; with the lock that is the same.
      self = .slabHere(request, slab)
      return step(&world, on: cpu, .none)
    case .added(let request, _):
      self = .start(request)
      return step(&world, on: cpu, .none)
    case .fallback: return .return(reply)
    }
  }
}

/// Allocates from any node: first what is free in slabs, in the order of the zonelist, then from a
/// new slab of wherever pages are left. Interrupts are off, but for that.
///
/// Kernel: `fallback_alloc()` (mm/slab.c; 3.10 and 6.1 compared). Not modelled: cpusets.
package enum FallbackAlloc: Path {
  case start(SlabRequest)
  case look(SlabRequest, at: UInt16)
  case counted(SlabRequest, at: UInt16)
  case tried(SlabRequest, at: UInt16)
  case grown(SlabRequest)
  case growLocked(SlabRequest, ID<Slab>)
  case added(SlabRequest, ID<Slab>)
  case taken(SlabRequest)

  package static var name: PathName { .fallback_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      guard !request.gfp.contains(.thisNode) else { return .return(.address(.null)) }
      return look(request, at: 0, &world, cpu)
    case .look(let request, let place): return look(request, at: place, &world, cpu)
    case .counted(let request, let place):
      let node = world.pages.zonelist.entry(world.memoryNode(of: cpu), Int(place)).node
      guard world.slab.arrays.nodes[world.slab.node(request.cacheID, node)].freeObjects > 0 else {
        return look(request, at: place + 1, &world, cpu)
      }
      return ask(
        .call(.cacheAllocNode(.start(request.exactly(node)))), then: .tried(request, at: place))
    case .tried(let request, let place):
      guard reply.address == .null else { return .return(reply) }
      return look(request, at: place + 1, &world, cpu)
    case .grown(let request):
      let slab = reply.slab
      guard !slab.isNone else { return .return(.address(.null)) }
      return ask(.acquire(world.listLock(slab)), then: .growLocked(request, slab))
    case .growLocked(let request, let slab):
      world.slab.addGrown(slab)
      world.slab.note(.alloc_slab, of: request.cacheID)
      world.traceSlabs(of: request.cacheID)
      return ask(.release(world.listLock(slab)), then: .added(request, slab))
    case .added(let request, let slab):
      let node = world.slab.slabs[slab].nodeID
      return ask(
        .call(.cacheAllocNode(.start(request.exactly(node)))), then: .taken(request))
    case .taken(let request):
      // Another CPU may have taken them all meanwhile.
      guard reply.address == .null else { return .return(reply) }
      return look(request, at: 0, &world, cpu)
    }
  }

  private mutating func look(
    _ request: SlabRequest, at place: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let own = world.memoryNode(of: cpu)
    let count = world.pages.zonelist.count(of: own, thisNodeOnly: false)
    let next = world.pages.zonelist.next(
      own, from: Int(place), count: count, highest: ZoneKind(request.gfp))
    guard let next else {
      var request = request
      request.node = own
      return ask(.call(.cacheGrow(.start(request))), then: .grown(request))
    }
    let node = world.pages.zonelist.entry(own, next).node
    return ask(
      .read(world.nodeLine(request.cacheID, node)), then: .counted(request, at: UInt16(next)))
  }
}

extension SlabRequest {
  /// The same of one node and no other, without waiting for memory. Kernel: `gfp_exact_node()`.
  func exactly(_ node: NodeID) -> SlabRequest {
    var request = self
    request.node = node
    request.gfp = gfp.union([.thisNode, .noWarn]).subtracting([.reclaim, .noFail])
    return request
  }
}
