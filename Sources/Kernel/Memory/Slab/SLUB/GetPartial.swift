import Hardware
import Simulation

/// A partial slab of the node asked for, or of the own node, or of another.
///
/// Kernel: `get_partial()` (mm/slub.c, 6.12; up to 6.10 a request for a node never went further).
package enum GetPartial: Path {
  case start(SlabRequest)
  case nodeSought(SlabRequest)
  case othersSought

  package static var name: PathName { .get_partial }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      let node = request.node == .any ? world.memoryNode(of: cpu) : request.node
      return ask(
        .call(.getPartialNode(.start(cache: request.cache, node: node))),
        then: .nodeSought(request))
    case .nodeSought(let request):
      let isBound =
        request.node != .any
        && (request.gfp.contains(.thisNode) || !world.slab.rules.nodeRequestSearchesOthers)
      guard reply.slab.isNone, !isBound else { return .return(reply) }
      return ask(.call(.getAnyPartial(.start(request))), then: .othersSought)
    case .othersSought: return .return(reply)
    }
  }
}

/// Takes partial slabs off a node's list: one to allocate from, and some for this CPU's own list.
///
/// Returns: the slab; to 6.7 frozen already, by a cmpxchg under list_lock, so with its freelist.
/// Kernel: `get_partial_node()` (mm/slub.c, 6.12), `acquire_slab()` (6.6). Not modelled: a cmpxchg
/// there that fails.
package enum GetPartialNode: Path {
  /// What is taken so far: the slab to allocate from, its freelist, how many more, and their free
  /// objects with those of the first.
  package struct Taken: BitwiseCopyable {
    var partial: ID<Slab>
    var cache: UInt16
    var freelist: UInt16
    var objects: UInt16
    var node: NodeID
    var extra: UInt8
    @inline(__always) var cacheID: CacheID { CacheID(Int(cache)) }
  }
  case start(cache: UInt16, node: NodeID)
  case looked(cache: UInt16, node: NodeID)
  case locked(Taken)
  case here(Taken)
  case edited(Taken)
  case unlocked(ID<Slab>, freelist: UInt16)
  /// To 3.1.
  case lockedAndFrozen

  package static var name: PathName { .get_partial_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let node):
      let line = world.nodeLine(CacheID(Int(cache)), node)
      return ask(.read(line), then: .looked(cache: cache, node: node))
    case .looked(let cache, let node):
      let id = CacheID(Int(cache))
      // Racy, as in the kernel: who sees none takes a new slab.
      guard world.slab.nodes[world.slab.node(id, node)].partialCount > 0 else {
        return .return(.slab(.none))
      }
      guard world.slab.rules.hasSlabCmpxchg else {
        return ask(
          .call(.lockAndFreezeSlab(.start(cache: cache, node: node))), then: .lockedAndFrozen)
      }
      let taken = Taken(
        partial: .none, cache: cache, freelist: Link.end, objects: 0, node: node, extra: 0)
      return ask(.acquire(world.listLock(id, node), irqs: .off), then: .locked(taken))
    case .locked(let taken): return takeNext(taken, &world)
    case .here(let taken): return take(taken, &world, cpu)
    case .edited(let taken):
      let lock = world.listLock(taken.cacheID, taken.node)
      return ask(
        .release(lock, irqs: .off), then: .unlocked(taken.partial, freelist: taken.freelist))
    case .unlocked(let slab, let freelist): return .return(.slab(slab, freelist: freelist))
    case .lockedAndFrozen: return .return(reply)
    }
  }

  /// Goes to the slab that is now first, whose line must come here to be taken off.
  private mutating func takeNext(_ taken: Taken, _ world: inout World) -> Step {
    let first = first(taken, &world)
    guard !first.isNone else { return release(taken, &world) }
    return ask(.touch(world.slab.slabs[first].line), then: .here(taken))
  }

  @inline(__always)
  private func first(_ taken: Taken, _ world: inout World) -> ID<Slab> {
    world.slab.nodes[world.slab.node(taken.cacheID, taken.node)].first
  }

  private mutating func take(_ taken: Taken, _ world: inout World, _ cpu: CPUID) -> Step {
    var taken = taken
    let slab = first(taken, &world)
    if world.isDebugLocked(taken.cacheID) {
      (taken.partial, taken.freelist) = (slab, world.slab.takeSingle(slab, on: cpu))
      // The last one taken: full slabs are on no list that anything is taken from.
      if world.slab.slabs[slab].freelist == Link.end { world.slab.removePartial(slab) }
      let lines = world.slab.debugLines(of: taken.cacheID)
      return ask(.work(.slubDebugLine, times: lines), then: .edited(taken))
    }
    let record = world.slab.slabs[slab]
    taken.objects &+= record.objects - record.inuse
    world.slab.removePartial(slab)
    if taken.partial.isNone {
      taken.partial = slab
      world.slab.note(.alloc_from_partial, of: taken.cacheID)
      if world.slab.rules.freezesPartials { taken.freelist = world.slab.takeFreelist(slab) }
    } else {
      world.slab.slabs[slab].isFrozen = world.slab.rules.freezesPartials
      _ = world.slab.pushCPUPartial(slab, on: cpu, draining: false)
      world.slab.note(.cpu_partial_node, of: taken.cacheID)
      taken.extra += 1
    }
    return isEnough(taken, &world) ? release(taken, &world) : takeNext(taken, &world)
  }

  /// Kernel: the end of the loop (mm/slub.c; 5.15 and 5.17 compared).
  private func isEnough(_ taken: Taken, _ world: inout World) -> Bool {
    let layout = world.slab.layouts[taken.cacheID.index]
    guard layout.hasCPUPartial else { return true }
    return world.slab.rules.cpuPartialUnit == .objects
      ? taken.objects > layout.cpuPartial / 2
      : Int(taken.extra) > Int(layout.cpuPartialSlabs) / 2
  }

  /// All edits of the list are paid at once, under the lock they need.
  private mutating func release(_ taken: Taken, _ world: inout World) -> Step {
    ask(.work(.slubListEdit, times: Int32(taken.extra) + 1), then: .edited(taken))
  }
}

/// A partial slab of some other node that has more than it should keep.
///
/// Kernel: `get_any_partial()` (mm/slub.c, 6.12). Not modelled: memory policies, cpusets.
package enum GetAnyPartial: Path {
  case start(SlabRequest)
  case counted(SlabRequest, at: UInt16)
  case sought(SlabRequest, at: UInt16)

  package static var name: PathName { .get_any_partial }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      guard world.searchesOtherNodes(request.cacheID, on: cpu) else {
        return .return(.slab(.none))
      }
      return look(request, at: 0, &world, cpu)
    case .counted(let request, let place):
      guard let node = world.nodeWithSpares(request, at: place, on: cpu) else {
        return look(request, at: place + 1, &world, cpu)
      }
      return ask(
        .call(.getPartialNode(.start(cache: request.cache, node: node))),
        then: .sought(request, at: place))
    case .sought(let request, let place):
      guard reply.slab.isNone else { return .return(reply) }
      return look(request, at: place + 1, &world, cpu)
    }
  }

  /// Reads the count of the next zone's node, if there is one more zone.
  private mutating func look(
    _ request: SlabRequest, at place: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard let zone = world.searchedZone(request, from: place, on: cpu) else {
      return .return(.slab(.none))
    }
    return ask(.read(zone.line), then: .counted(request, at: zone.place))
  }
}
