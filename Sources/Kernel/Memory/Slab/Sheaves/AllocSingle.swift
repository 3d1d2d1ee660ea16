import Hardware
import Simulation

/// One object past the sheaves: of a partial slab of the node asked for, of others, of a new slab.
///
/// Kernel: `___slab_alloc()`, `get_from_partial()` (mm/slub.c, 7.0).
package enum AllocSingle: Path {
  case start(SlabRequest)
  case nodeSought(SlabRequest)
  case othersSought(SlabRequest)
  case slabGiven(SlabRequest)
  case done

  package static var name: PathName { .___slab_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(var request):
      world.slab.note(.alloc_slowpath, of: request.cacheID)
      if request.node != .any, !world.slab.hasMemory(request.node) { request.node = .any }
      return search(request, &world, cpu)
    case .nodeSought(let request):
      guard reply.address == .null else { return .return(reply) }
      guard !narrowed(request).gfp.contains(.thisNode) || request.node == .any else {
        return newSlab(request)
      }
      return ask(
        .call(.searchNodes(.start(request, .none))), then: .othersSought(request))
    case .othersSought(let request):
      guard reply.address == .null else { return .return(reply) }
      return newSlab(request)
    case .slabGiven(var request):
      guard reply.slab.isNone else {
        return ask(.call(.allocFromNewSlab(.start(reply.slab, .none))), then: .done)
      }
      if request.prefersNode, !request.isSecondTry {
        request.isSecondTry = true
        return search(request, &world, cpu)
      }
      world.failSlabAllocation(request, on: cpu)
      return .return(.address(.null))
    case .done: return .return(reply)
    }
  }

  private mutating func search(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let node = request.node == .any ? world.memoryNode(of: cpu) : request.node
    return ask(
      .call(.getFromPartialNode(.start(cache: request.cache, node: node))),
      then: .nodeSought(request))
  }

  private mutating func newSlab(_ request: SlabRequest) -> Step {
    ask(.call(.allocateSlab(.start(narrowed(request)))), then: .slabGiven(request))
  }

  /// The first attempt for a node takes only what that node has without reclaim.
  private func narrowed(_ request: SlabRequest) -> SlabRequest {
    guard request.prefersNode, !request.isSecondTry else { return request }
    var narrowed = request
    narrowed.gfp = [.noWait, .thisNode]
    return narrowed
  }
}

/// Takes one object of a node's first partial slab, which stays on the list unless it is full now.
///
/// Kernel: `get_from_partial_node()` (mm/slub.c, 7.0).
package enum GetFromPartialNode: Path {
  case start(cache: UInt16, node: NodeID)
  case looked(cache: UInt16, node: NodeID)
  case locked(cache: UInt16, node: NodeID)
  case here(cache: UInt16, node: NodeID)
  case edited(Address, lock: LockID)
  case unlocked(Address)

  package static var name: PathName { .get_from_partial_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let node):
      let line = world.nodeLine(CacheID(Int(cache)), node)
      return ask(.read(line), then: .looked(cache: cache, node: node))
    case .looked(let cache, let node):
      let id = CacheID(Int(cache))
      guard world.slab.nodes[world.slab.node(id, node)].partialCount > 0 else {
        return .return(.address(.null))
      }
      return ask(
        .acquire(world.listLock(id, node), irqs: .off), then: .locked(cache: cache, node: node))
    case .locked(let cache, let node):
      let id = CacheID(Int(cache))
      let first = world.slab.nodes[world.slab.node(id, node)].first
      guard !first.isNone else {
        let lock = world.listLock(id, node)
        return ask(.release(lock, irqs: .off), then: .unlocked(.null))
      }
      return ask(.touch(world.slab.slabs[first].line), then: .here(cache: cache, node: node))
    case .here(let cache, let node):
      let id = CacheID(Int(cache))
      let slab = world.slab.nodes[world.slab.node(id, node)].first
      let (object, rest) = world.slab.pop(slab, world.slab.slabs[slab].freelist, on: cpu)
      world.slab.slabs[slab].freelist = rest
      world.slab.slabs[slab].inuse += 1
      if rest == Link.end { world.slab.removePartial(slab) }
      return ask(
        .work(.slubListEdit), then: .edited(object, lock: world.listLock(id, node)))
    case .edited(let object, let lock):
      return ask(.release(lock, irqs: .off), then: .unlocked(object))
    case .unlocked(let object): return .return(.address(object))
    }
  }
}

/// Looks for partial slabs on other nodes that have more than they should keep: for one object, or
/// to fill a sheaf, without waiting for a lock then.
///
/// Kernel: `get_from_any_partial()`, `__refill_objects_any()` (mm/slub.c, 7.0). Not modelled:
/// memory policies, cpusets.
package enum SearchNodes: Path {
  case start(SlabRequest, ID<Sheaf>)
  case counted(SlabRequest, ID<Sheaf>, at: UInt16)
  case sought(SlabRequest, ID<Sheaf>, at: UInt16)

  package static var name: PathName { .get_from_any_partial }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request, let sheaf):
      guard world.searchesOtherNodes(request.cacheID, on: cpu) else {
        return .return(.address(.null))
      }
      return look(request, sheaf, at: 0, &world, cpu)
    case .counted(let request, let sheaf, let place):
      guard let node = world.nodeWithSpares(request, at: place, on: cpu) else {
        return look(request, sheaf, at: place + 1, &world, cpu)
      }
      let call: Frame =
        sheaf.isNone
        ? .getFromPartialNode(.start(cache: request.cache, node: node))
        : .refillFromNode(.start(sheaf, node: node, waits: false))
      return ask(.call(call), then: .sought(request, sheaf, at: place))
    case .sought(let request, let sheaf, let place):
      if sheaf.isNone {
        guard reply.address == .null else { return .return(reply) }
      } else if world.slab.sheaves.isFull(sheaf) {
        return .return(.address(.null))
      }
      return look(request, sheaf, at: place + 1, &world, cpu)
    }
  }

  /// Reads the count of the next zone's node, if there is one more zone.
  private mutating func look(
    _ request: SlabRequest, _ sheaf: ID<Sheaf>, at place: UInt16, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    guard let zone = world.searchedZone(request, from: place, on: cpu) else {
      return .return(.address(.null))
    }
    return ask(.read(zone.line), then: .counted(request, sheaf, at: zone.place))
  }
}
