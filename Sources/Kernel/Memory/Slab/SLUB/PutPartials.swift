import Hardware
import Simulation

/// Puts a slab that is full no more on this CPU's list; a list that was full goes to the nodes.
///
/// To 5.14 it goes there first, with interrupts off, and the slab is pushed by a cmpxchg.
/// Kernel: `put_cpu_partial()` with `drain` (mm/slub.c; 5.10, 5.15, 6.12).
package enum PutCPUPartial: Path {
  case start(ID<Slab>)
  case locked(ID<Slab>)
  case edited(ID<Slab>)
  case unlocked(cache: UInt16, old: ID<Slab>)
  case drained(cache: UInt16)
  // To 5.14.
  case looked(ID<Slab>)
  case drainLocked(ID<Slab>)
  case drainedFirst(ID<Slab>)
  case pushed
  case done

  package static var name: PathName { .put_cpu_partial }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab):
      if world.slab.rules.isSlowPathIRQsOff {
        return ask(.disable(.migration), then: .looked(slab))
      }
      return ask(.disable(.irqs), then: .locked(slab))
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
    case .looked(let slab):
      guard !world.slab.isCPUListFull(world.slab.slabs[slab].cacheID, on: cpu) else {
        return ask(.disable(.irqs), then: .drainLocked(slab))
      }
      _ = world.slab.pushCPUPartial(slab, on: cpu, draining: false)
      return ask(.work(.slubSlowStep), then: .pushed)
    case .drainLocked(let slab):
      let old = world.slab.takeCPUPartials(world.slab.slabs[slab].cacheID, on: cpu)
      guard !old.isNone else { return ask(.enable(.irqs), then: .looked(slab)) }
      world.slab.note(.cpu_partial_drain, of: world.slab.slabs[slab].cacheID)
      return ask(.call(.putPartials(.start(old))), then: .drainedFirst(slab))
    case .drainedFirst(let slab): return ask(.enable(.irqs), then: .looked(slab))
    case .pushed: return ask(.enable(.migration), then: .done)
    case .done: return .return()
    }
  }
}

/// Moves a list of slabs to their nodes, and gives back the empty ones that a node has enough of.
///
/// One list_lock is kept over slabs of one node that follow each other.
/// Kernel: `__put_partials()` (mm/slub.c, 6.12), `unfreeze_partials()` (3.10, 5.10), which unfreezes.
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
      world.slab.slabs[slab].isFrozen = false
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
