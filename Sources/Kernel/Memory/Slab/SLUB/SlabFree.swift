import Hardware
import Simulation

/// Frees an object of a slab that is not this CPU's, or several that a bulk call linked.
///
/// One cmpxchg on the slab's line does it. Only if the slab becomes empty or stops being full may
/// a list have to change: a full slab goes on this CPU's list, an empty one's node decides.
///
/// Kernel: `__slab_free()` (mm/slub.c, 6.12). Not modelled: a cmpxchg that fails because the line
/// changed between its reading and it, but for the one that waited for list_lock. A second free
/// that is under way while the slab ends and its record is used again frees the object of the same
/// number there; Linux would free whatever the page holds by then.
package enum SlabFree: Path {
  /// The slab as it was when list_lock was asked for.
  package struct Seen: BitwiseCopyable {
    var slab: ID<Slab>
    /// The lock that was asked for: the slab may be gone when it is had.
    var lock: LockID
    var freed: Freed
    var freelist: UInt16
    var inuse: UInt16
  }
  case start(ID<Slab>, Freed)
  case retry(ID<Slab>, Freed)
  case here(ID<Slab>, Freed)
  case locked(Seen)
  case hereLocked(Seen)
  case pushed(ID<Slab>)
  case edited(ID<Slab>, isEmpty: Bool)
  case unlocked(empty: ID<Slab>)
  case done

  package static var name: PathName { .__slab_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let freed):
      world.slab.note(.free_slowpath, of: world.slab.slabs[slab].cacheID)
      return ask(.ahead(.slubFreeSlow), then: .retry(slab, freed))
    case .retry(let slab, let freed):
      return ask(.touch(world.slab.slabs[slab].line), then: .here(slab, freed))
    case .here(let slab, let freed):
      guard world.slab.isTaken(slab, freed) else {
        world.complainDoubleFree(slab, freed.head, on: cpu)
        return .return()
      }
      guard !world.slab.needsListLock(slab, freeing: world.slab.count(slab, freed)) else {
        let record = world.slab.slabs[slab]
        let seen = Seen(
          slab: slab, lock: world.listLock(slab), freed: freed, freelist: record.freelist,
          inuse: record.inuse)
        return ask(.acquire(seen.lock, irqs: .off), then: .locked(seen))
      }
      return free(slab, freed, &world, cpu)
    case .locked(let seen):
      return ask(.touch(world.slab.slabs[seen.slab].line), then: .hereLocked(seen))
    case .hereLocked(let seen): return freeLocked(seen, &world, cpu)
    case .pushed(let slab):
      world.slab.note(.cpu_partial_free, of: world.slab.slabs[slab].cacheID)
      return .return()
    case .edited(let slab, let isEmpty):
      return ask(
        .release(world.listLock(slab), irqs: .off), then: .unlocked(empty: isEmpty ? slab : .none))
    case .unlocked(let slab):
      guard !slab.isNone else { return .return() }
      world.slab.note(.free_slab, of: world.slab.slabs[slab].cacheID)
      return ask(.call(.discardSlab(.start(slab))), then: .done)
    case .done: return .return()
    }
  }

  /// The free that no list depends on.
  private mutating func free(
    _ slab: ID<Slab>, _ freed: Freed, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let record = world.slab.slabs[slab]
    world.slab.give(freed, to: slab, on: cpu, memoryNode: world.memoryNode(of: cpu))
    if record.isFrozen {
      world.slab.note(.free_frozen, of: record.cacheID)
      return .return()
    }
    guard record.freelist == Link.end else { return .return() }
    world.slab.slabs[slab].isFrozen = world.slab.rules.freezesPartials
    return ask(.call(.putCPUPartial(.start(slab))), then: .pushed(slab))
  }

  /// The free that waited for list_lock: done if nothing changed meanwhile, else decided anew.
  private mutating func freeLocked(_ seen: Seen, _ world: inout World, _ cpu: CPUID) -> Step {
    let record = world.slab.slabs[seen.slab]
    let lock = seen.lock
    let isSame =
      record.freelist == seen.freelist && record.inuse == seen.inuse && !record.isFrozen
      && world.slab.isTaken(seen.slab, seen.freed)
    guard isSame else {
      world.slab.note(.cmpxchg_double_fail, of: record.cacheID)
      return ask(.release(lock, irqs: .off), then: .retry(seen.slab, seen.freed))
    }
    world.slab.give(seen.freed, to: seen.slab, on: cpu, memoryNode: world.memoryNode(of: cpu))
    let hadFree = record.freelist != Link.end
    // From 6.8: partial, but on a CPU's list or between lists; who has it will see that it is empty.
    if hadFree, !record.isOnNodeList {
      return ask(.release(lock, irqs: .off), then: .unlocked(empty: .none))
    }
    if world.slab.isSurplus(seen.slab) {
      if hadFree {
        world.slab.removePartial(seen.slab)
        world.slab.note(.free_remove_partial, of: record.cacheID)
      }
      return ask(.work(.slubListEdit), then: .edited(seen.slab, isEmpty: true))
    }
    guard !hadFree else {
      return ask(.release(lock, irqs: .off), then: .unlocked(empty: .none))
    }
    world.slab.addPartial(seen.slab, to: .tail)
    world.slab.note(.free_add_partial, of: record.cacheID)
    return ask(.work(.slubListEdit), then: .edited(seen.slab, isEmpty: false))
  }
}
