import Hardware
import Simulation

/// Puts a slab that is full no more on this CPU's list; a list that was full goes to the nodes.
///
/// Kernel: `put_cpu_partial()` with `drain` (mm/slub.c, 6.12).
package enum PutCPUPartial: Path {
  case start(ID<Slab>)
  case locked(ID<Slab>)
  case edited(ID<Slab>)
  case unlocked(cache: UInt16, old: ID<Slab>)
  case drained(cache: UInt16)

  package static var name: PathName { .put_cpu_partial }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab): return ask(.disable(.irqs), then: .locked(slab))
    case .locked(let slab): return ask(.work(.slubSlowStep), then: .edited(slab))
    case .edited(let slab):
      let old = world.slab.pushCPUPartial(slab, on: cpu, draining: true)
      return ask(
        .enable(.irqs), then: .unlocked(cache: world.slab.slabs[slab].cache, old: old))
    case .unlocked(let cache, let old):
      guard !old.isNone else { return .return() }
      return ask(.call(.putPartials(.start(old))), then: .drained(cache: cache))
    case .drained(let cache):
      world.slab.note(.cpu_partial_drain, of: CacheID(Int(cache)))
      return .return()
    }
  }
}

/// Moves a list of slabs to their nodes, and gives back the empty ones that a node has enough of.
///
/// One list_lock is kept over slabs of one node that follow each other.
/// Kernel: `__put_partials()` (mm/slub.c, 6.12).
package enum PutPartials: Path {
  /// Where the walk is: the slab at hand (the rest hangs on it), and what is to be discarded.
  package struct Walk: BitwiseCopyable {
    var slab: ID<Slab>
    var discarded: ID<Slab>
    /// The node whose list_lock is held.
    var node: NodeID
    /// Edits of that node's list so far.
    var edits: UInt16
  }
  case start(ID<Slab>)
  case locked(Walk)
  case here(Walk)
  case edited(Walk, cache: UInt16)
  case unlocked(Walk, cache: UInt16)
  case discarded(next: ID<Slab>, cache: UInt16)

  package static var name: PathName { .__put_partials }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab):
      return lock(Walk(slab: slab, discarded: .none, node: .any, edits: 0), &world)
    case .locked(let walk):
      return ask(.touch(world.slab.slabs[walk.slab].line), then: .here(walk))
    case .here(var walk):
      let (slab, cache) = (walk.slab, world.slab.slabs[walk.slab].cache)
      walk.slab = world.slab.slabs[slab].next
      walk.edits += 1
      if world.slab.isSurplus(slab) {
        world.slab.slabs[slab].next = walk.discarded
        walk.discarded = slab
      } else {
        world.slab.addPartial(slab, to: .tail)
        world.slab.note(.free_add_partial, of: CacheID(Int(cache)))
      }
      if !walk.slab.isNone, world.slab.slabs[walk.slab].nodeID == walk.node {
        return ask(.touch(world.slab.slabs[walk.slab].line), then: .here(walk))
      }
      return ask(
        .work(.slubListEdit, times: Int32(walk.edits)), then: .edited(walk, cache: cache))
    case .edited(let walk, let cache):
      let lock = world.listLock(CacheID(Int(cache)), walk.node)
      return ask(.release(lock, irqs: .off), then: .unlocked(walk, cache: cache))
    case .unlocked(let walk, let cache):
      guard walk.slab.isNone else { return lock(walk, &world) }
      return discard(walk.discarded, cache, &world)
    case .discarded(let next, let cache): return discard(next, cache, &world)
    }
  }

  private mutating func lock(_ walk: Walk, _ world: inout World) -> Step {
    var walk = walk
    walk.node = world.slab.slabs[walk.slab].nodeID
    walk.edits = 0
    return ask(.acquire(world.listLock(walk.slab), irqs: .off), then: .locked(walk))
  }

  private mutating func discard(
    _ slab: ID<Slab>, _ cache: UInt16, _ world: inout World
  ) -> Step {
    guard !slab.isNone else { return .return() }
    let next = world.slab.slabs[slab].next
    world.slab.note(.deactivate_empty, of: CacheID(Int(cache)))
    world.slab.note(.free_slab, of: CacheID(Int(cache)))
    return ask(.call(.discardSlab(.start(slab))), then: .discarded(next: next, cache: cache))
  }
}

/// Gives up a slab that was a CPU's: what the CPU had left goes back to it, and it to its node.
///
/// Kernel: `deactivate_slab()` (mm/slub.c, 6.12; up to 5.11 one cmpxchg for each object).
package enum DeactivateSlab: Path {
  case start(ID<Slab>, UInt16)
  case counted(ID<Slab>, UInt16)
  case here(ID<Slab>, UInt16)
  case locked(ID<Slab>, toTail: Bool)
  case edited(ID<Slab>)
  case done

  package static var name: PathName { .deactivate_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let freelist):
      // The list is walked to its end, to be joined with what others freed.
      let length = Int32(world.slab.count(slab, freelist))
      guard length > 0 else { return reach(slab, freelist, &world) }
      return ask(.work(.slubInitObject, times: length), then: .counted(slab, freelist))
    case .counted(let slab, let freelist): return reach(slab, freelist, &world)
    case .here(let slab, let freelist): return unfreeze(slab, freelist, &world)
    case .locked(let slab, let toTail):
      let cache = world.slab.slabs[slab].cacheID
      world.slab.addPartial(slab, to: toTail ? .tail : .head)
      world.slab.note(toTail ? .deactivate_to_tail : .deactivate_to_head, of: cache)
      return ask(.work(.slubListEdit), then: .edited(slab))
    case .edited(let slab):
      return ask(.release(world.listLock(slab), irqs: .off), then: .done)
    case .done: return .return()
    }
  }

  private mutating func reach(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World
  ) -> Step {
    ask(.touch(world.slab.slabs[slab].line), then: .here(slab, freelist))
  }

  private mutating func unfreeze(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World
  ) -> Step {
    let cache = world.slab.slabs[slab].cacheID
    let hasRemoteFrees = world.slab.slabs[slab].freelist != Link.end
    if hasRemoteFrees { world.slab.note(.deactivate_remote_frees, of: cache) }
    world.slab.unfreeze(slab, freelist)
    if world.slab.isSurplus(slab) {
      world.slab.note(.deactivate_empty, of: cache)
      world.slab.note(.free_slab, of: cache)
      return ask(.call(.discardSlab(.start(slab))), then: .done)
    }
    guard world.slab.slabs[slab].freelist != Link.end else {
      world.slab.note(.deactivate_full, of: cache)
      return .return()
    }
    return ask(
      .acquire(world.listLock(slab), irqs: .off), then: .locked(slab, toTail: hasRemoteFrees))
  }
}
