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
  /// The slab whose list was taken, what is left of it, and the slabs that come after it.
  package struct Used: BitwiseCopyable {
    var sheaf: ID<Sheaf>
    var slabs: ID<Slab>
    var slab: ID<Slab>
    var rest: UInt16
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
  case collected(ID<Sheaf>, ID<Slab>)
  case slabHere(ID<Sheaf>, ID<Slab>)
  case moved(Used)
  // More slabs were taken than the sheaf has room for.
  case relocked(Surplus)
  case surplusHere(Surplus)
  case surplusEdited(Surplus)
  case discarding(ID<Slab>)

  package static var name: PathName { .__refill_objects_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start, .looked, .tried, .locked, .here, .edited: return collect(&world, reply)
    case .collected(let sheaf, let slabs): return use(slabs, sheaf, &world)
    case .slabHere(let sheaf, let slabs): return move(slabs, sheaf, &world)
    case .moved(let used):
      guard used.rest != Link.end else { return use(used.slabs, used.sheaf, &world) }
      return ask(
        .call(.slabFreeList(.start(used.slab, used.rest))),
        then: .collected(used.sheaf, used.slabs))
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
      return ask(
        .release(world.listLock(cache, taken.node), irqs: .off),
        then: .collected(taken.sheaf, taken.slabs))
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

  private mutating func use(
    _ slabs: ID<Slab>, _ sheaf: ID<Sheaf>, _ world: inout World
  ) -> Step {
    guard !slabs.isNone else { return .return() }
    guard !world.slab.sheaves.isFull(sheaf) else {
      let first = world.slab.slabs[slabs]
      let surplus = Surplus(
        slabs: slabs, empty: .none, cache: first.cache, edits: 0, node: first.nodeID)
      return ask(.acquire(world.listLock(slabs), irqs: .off), then: .relocked(surplus))
    }
    return ask(.touch(world.slab.slabs[slabs].line), then: .slabHere(sheaf, slabs))
  }

  /// From here on the slab is full, so a free elsewhere may put it on its node's list.
  private mutating func move(
    _ slab: ID<Slab>, _ sheaf: ID<Sheaf>, _ world: inout World
  ) -> Step {
    let next = world.slab.slabs[slab].next
    (world.slab.slabs[slab].next, world.slab.slabs[slab].previous) = (.none, .none)
    let list = world.slab.takeFreelistUnfrozen(slab)
    let (rest, count) = world.slab.fill(sheaf, from: slab, list)
    let used = Used(sheaf: sheaf, slabs: next, slab: slab, rest: rest)
    return ask(.work(.slubInitObject, times: Int32(count)), then: .moved(used))
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
