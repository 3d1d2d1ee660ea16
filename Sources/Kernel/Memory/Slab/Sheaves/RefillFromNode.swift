import Hardware
import Simulation

/// Fills a sheaf from the partial slabs of one node: under one hold of its list_lock as many slabs
/// as have enough free objects, then a cmpxchg for each slab. What is too much goes back.
///
/// Kernel: `__refill_objects_node()`, `get_partial_node_bulk()` (mm/slub.c, 7.0).
package enum RefillFromNode: Path {
  /// The slabs taken so far, in the order in which they are used, and the objects that were free
  /// in them.
  package struct Taken: BitwiseCopyable {
    var sheaf: ID<Sheaf>
    var slabs: ID<Slab>
    var free: UInt16
    var count: UInt8
    var node: NodeID
  }
  /// What goes back: slabs for the node's list, and those for the page allocator.
  package struct Surplus: BitwiseCopyable {
    var slabs: ID<Slab>
    var empty: ID<Slab>
    var cache: UInt16
    var edits: UInt8
    var node: NodeID
  }
  case start(ID<Sheaf>, node: NodeID, waits: Bool)
  case looked(ID<Sheaf>, node: NodeID, waits: Bool)
  case tried(ID<Sheaf>, node: NodeID)
  case locked(Taken)
  case here(Taken)
  case edited(Taken)
  case collected(Taken)
  case slabHere(Taken)
  case moved(Taken, rest: UInt16)
  // More slabs were taken than the sheaf has room for.
  case relocked(Surplus)
  case surplusHere(Surplus)
  case surplusEdited(Surplus)
  case discarding(ID<Slab>)

  package static var name: PathName { .__refill_objects_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start, .looked, .tried, .locked, .here, .edited: return collect(&world, reply)
    case .collected(let taken): return use(taken, &world)
    case .slabHere(let taken): return move(taken, &world)
    case .moved(var taken, let rest):
      let slab = taken.slabs
      taken.slabs = world.slab.slabs[slab].next
      (world.slab.slabs[slab].next, world.slab.slabs[slab].previous) = (.none, .none)
      guard rest != Link.end else { return use(taken, &world) }
      return ask(.call(.slabFreeList(.start(slab, rest))), then: .collected(taken))
    case .relocked, .surplusHere, .surplusEdited, .discarding: return giveBack(&world)
    }
  }

  /// `get_partial_node_bulk()`.
  private mutating func collect(_ world: inout World, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let node, let waits):
      let line = world.nodeLine(world.slab.sheaves.all[sheaf].cacheID, node)
      return ask(.read(line), then: .looked(sheaf, node: node, waits: waits))
    case .looked(let sheaf, let node, let waits):
      let cache = world.slab.sheaves.all[sheaf].cacheID
      guard world.slab.nodes[world.slab.node(cache, node)].partialCount > 0 else {
        return .return()
      }
      let lock = world.listLock(cache, node)
      guard waits else {
        return ask(.tryAcquire(lock, irqs: .off), then: .tried(sheaf, node: node))
      }
      return ask(.acquire(lock, irqs: .off), then: .locked(Taken(sheaf, node)))
    case .tried(let sheaf, let node):
      return reply.bool ? next(Taken(sheaf, node), &world) : .return()
    case .locked(let taken): return next(taken, &world)
    case .here(var taken):
      let slab = world.first(taken)
      let record = world.slab.slabs[slab]
      world.slab.removePartial(slab)
      if world.slab.rules.refillsInListOrder, !taken.slabs.isNone {
        // Behind the last one, which the first one's other link leads to.
        let last = world.slab.slabs[taken.slabs].previous
        world.slab.slabs[last].next = slab
        world.slab.slabs[taken.slabs].previous = slab
      } else {
        world.slab.slabs[slab].next = taken.slabs
        world.slab.slabs[slab].previous = slab
        taken.slabs = slab
      }
      taken.free = UInt16(clamping: Int(taken.free) + Int(record.objects - record.inuse))
      taken.count &+= 1
      return next(taken, &world)
    case .edited(let taken):
      let cache = world.slab.sheaves.all[taken.sheaf].cacheID
      return ask(.release(world.listLock(cache, taken.node), irqs: .off), then: .collected(taken))
    default: preconditionFailure("another part's case")
    }
  }

  /// Goes to the slab that is now first, if the sheaf still has room for its objects.
  private mutating func next(_ taken: Taken, _ world: inout World) -> Step {
    let slab = world.first(taken)
    guard !slab.isNone, Int(taken.free) < world.slab.sheaves.room(in: taken.sheaf) else {
      return ask(.work(.slubListEdit, times: max(Int32(taken.count), 1)), then: .edited(taken))
    }
    return ask(.touch(world.slab.slabs[slab].line), then: .here(taken))
  }

  private mutating func use(_ taken: Taken, _ world: inout World) -> Step {
    guard !taken.slabs.isNone else { return .return() }
    guard !world.slab.sheaves.isFull(taken.sheaf) else {
      let surplus = Surplus(
        slabs: taken.slabs, empty: .none, cache: world.slab.sheaves.all[taken.sheaf].cache,
        edits: 0, node: taken.node)
      let lock = world.listLock(CacheID(Int(surplus.cache)), taken.node)
      return ask(.acquire(lock, irqs: .off), then: .relocked(surplus))
    }
    return ask(.touch(world.slab.slabs[taken.slabs].line), then: .slabHere(taken))
  }

  private mutating func move(_ taken: Taken, _ world: inout World) -> Step {
    let list = world.slab.takeFreelistUnfrozen(taken.slabs)
    let (rest, count) = world.slab.fill(taken.sheaf, from: taken.slabs, list)
    return ask(.work(.slubInitObject, times: Int32(count)), then: .moved(taken, rest: rest))
  }

  private mutating func giveBack(_ world: inout World) -> Step {
    switch self {
    case .relocked(let surplus):
      guard !surplus.slabs.isNone else {
        return ask(
          .work(.slubListEdit, times: Int32(surplus.edits)), then: .surplusEdited(surplus))
      }
      return ask(.touch(world.slab.slabs[surplus.slabs].line), then: .surplusHere(surplus))
    case .surplusHere(var surplus):
      let slab = surplus.slabs
      surplus.slabs = world.slab.slabs[slab].next
      surplus.edits &+= 1
      if world.slab.isSurplus(slab) {
        world.slab.slabs[slab].next = surplus.empty
        surplus.empty = slab
      } else {
        world.slab.addPartial(slab, to: .head)
      }
      self = .relocked(surplus)
      return giveBack(&world)
    case .surplusEdited(let surplus):
      let lock = world.listLock(CacheID(Int(surplus.cache)), surplus.node)
      return ask(.release(lock, irqs: .off), then: .discarding(surplus.empty))
    case .discarding(let slab):
      guard !slab.isNone else { return .return() }
      let next = world.slab.slabs[slab].next
      return ask(.call(.discardSlab(.start(slab))), then: .discarding(next))
    default: preconditionFailure("another part's case")
    }
  }
}

extension RefillFromNode.Taken {
  fileprivate init(_ sheaf: ID<Sheaf>, _ node: NodeID) {
    (self.sheaf, slabs, free, count, self.node) = (sheaf, .none, 0, 0, node)
  }
}

extension World {
  @inline(__always)
  fileprivate func first(_ taken: RefillFromNode.Taken) -> ID<Slab> {
    slab.nodes[slab.node(slab.sheaves.all[taken.sheaf].cacheID, taken.node)].first
  }
}
