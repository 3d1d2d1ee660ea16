import Hardware
import Simulation

/// Frees an object of a slab that is not this CPU's, under the slab's lock. Up to 3.1.
///
/// Kernel: `slab_free()` → `__slab_free()` (mm/slub.c; 2.6.24, 2.6.36): an empty slab goes back to
/// the page allocator at once.
package enum SlabFreeLocked: Path {
  case start(ID<Slab>, UInt16)
  case masked(ID<Slab>, UInt16)
  case reached(ID<Slab>, UInt16)
  case locked(ID<Slab>, UInt16)
  case listLocked(ID<Slab>, isEmpty: Bool)
  case edited(ID<Slab>, isEmpty: Bool)
  case unlisted(ID<Slab>, isEmpty: Bool)
  case unlocked(empty: ID<Slab>)
  case leave
  case done

  package static var name: PathName { .__slab_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let index): return ask(.disable(.irqs), then: .masked(slab, index))
    case .masked(let slab, let index):
      world.slab.note(.free_slowpath, of: world.slab.slabs[slab].cacheID)
      return ask(.ahead(.slubFreeSlow), then: .reached(slab, index))
    case .reached(let slab, let index):
      return ask(.acquire(world.slab.lock(of: slab)), then: .locked(slab, index))
    case .locked(let slab, let index): return free(slab, index, &world, cpu)
    case .listLocked(let slab, let isEmpty):
      let cache = world.slab.slabs[slab].cacheID
      if isEmpty {
        world.slab.removePartial(slab)
        world.slab.note(.free_remove_partial, of: cache)
      } else {
        world.slab.addPartial(slab, to: .tail)
        world.slab.note(.free_add_partial, of: cache)
      }
      return ask(.work(.slubListEdit), then: .edited(slab, isEmpty: isEmpty))
    case .edited(let slab, let isEmpty):
      return ask(.release(world.listLock(slab)), then: .unlisted(slab, isEmpty: isEmpty))
    case .unlisted(let slab, let isEmpty): return unlock(slab, isEmpty: isEmpty, &world)
    case .unlocked(let slab):
      guard !slab.isNone else { return ask(.enable(.irqs), then: .done) }
      world.slab.note(.free_slab, of: world.slab.slabs[slab].cacheID)
      return ask(.call(.discardSlab(.start(slab))), then: .leave)
    case .leave: return ask(.enable(.irqs), then: .done)
    case .done: return .return()
    }
  }

  private mutating func free(
    _ slab: ID<Slab>, _ index: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.slab.isTaken(slab, index) else {
      world.complainDoubleFree(slab, index, on: cpu)
      return unlock(slab, isEmpty: false, &world)
    }
    let record = world.slab.slabs[slab]
    world.slab.countOrigin(slab, index, on: cpu, memoryNode: world.memoryNode(of: cpu))
    world.slab.giveToSlab(slab, index)
    if record.isFrozen {
      world.slab.note(.free_frozen, of: record.cacheID)
      return unlock(slab, isEmpty: false, &world)
    }
    let (wasFull, isEmpty) = (record.freelist == Link.end, record.inuse == 1)
    // Full before and empty now, with one object a slab: it is on no list.
    if wasFull == isEmpty { return unlock(slab, isEmpty: isEmpty, &world) }
    return ask(
      .acquire(world.listLock(slab)), then: .listLocked(slab, isEmpty: isEmpty))
  }

  private mutating func unlock(
    _ slab: ID<Slab>, isEmpty: Bool, _ world: inout World
  ) -> Step {
    ask(.release(world.slab.lock(of: slab)), then: .unlocked(empty: isEmpty ? slab : .none))
  }
}

/// Takes what others freed in a CPU's slab, or gives the slab up, under its lock. Up to 3.1.
///
/// Returns: the slab and the freelist that was taken; none where it was given up. One lock section
/// serves both, as in the kernel's function.
/// Kernel: the first half of `__slab_alloc()`, `deactivate_slab()`, `unfreeze_slab()` (mm/slub.c;
/// 2.6.24, 2.6.36).
package enum DeactivateLocked: Path {
  case start(ID<Slab>, UInt16, refills: Bool)
  case locked(ID<Slab>, UInt16, refills: Bool)
  case merged(ID<Slab>, UInt16)
  case listLocked(ID<Slab>, toTail: Bool)
  case edited(ID<Slab>)
  case unlisted(ID<Slab>)
  case emptied(ID<Slab>)
  case refilled(ID<Slab>, freelist: UInt16)
  case done

  package static var name: PathName { .deactivate_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let freelist, let refills):
      return ask(
        .acquire(world.slab.lock(of: slab)), then: .locked(slab, freelist, refills: refills))
    case .locked(let slab, let freelist, let refills):
      if refills, world.slab.slabs[slab].freelist != Link.end {
        world.slab.note(.alloc_refill, of: world.slab.slabs[slab].cacheID)
        let taken = world.slab.takeFreelist(slab)
        return ask(
          .release(world.slab.lock(of: slab)), then: .refilled(slab, freelist: taken))
      }
      let length = Int32(world.slab.count(slab, freelist))
      guard length > 0 else { return unfreeze(slab, freelist, &world) }
      return ask(.work(.slubInitObject, times: length), then: .merged(slab, freelist))
    case .merged(let slab, let freelist): return unfreeze(slab, freelist, &world)
    case .listLocked(let slab, let toTail):
      world.slab.addPartial(slab, to: toTail ? .tail : .head)
      return ask(.work(.slubListEdit), then: .edited(slab))
    case .edited(let slab):
      return ask(.release(world.listLock(slab)), then: .unlisted(slab))
    case .unlisted(let slab): return ask(.release(world.slab.lock(of: slab)), then: .done)
    case .emptied(let slab):
      world.slab.note(.free_slab, of: world.slab.slabs[slab].cacheID)
      return ask(.call(.discardSlab(.start(slab))), then: .done)
    case .refilled(let slab, let freelist): return .return(.slab(slab, freelist: freelist))
    case .done: return .return(.slab(.none))
    }
  }

  private mutating func unfreeze(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World
  ) -> Step {
    let record = world.slab.slabs[slab]
    let cache = record.cacheID
    if record.freelist != Link.end { world.slab.note(.deactivate_remote_frees, of: cache) }
    world.slab.unfreeze(slab, freelist)
    if world.slab.slabs[slab].freelist == Link.end {
      world.slab.note(.deactivate_full, of: cache)
      return ask(.release(world.slab.lock(of: slab)), then: .done)
    }
    if world.slab.slabs[slab].inuse == 0 {
      world.slab.note(.deactivate_empty, of: cache)
      guard !world.slab.isSurplus(slab) else {
        return ask(.release(world.slab.lock(of: slab)), then: .emptied(slab))
      }
      return ask(.acquire(world.listLock(slab)), then: .listLocked(slab, toTail: true))
    }
    let toTail = freelist == Link.end && world.slab.rules.putsSpentSlabsLast
    world.slab.note(toTail ? .deactivate_to_tail : .deactivate_to_head, of: cache)
    return ask(.acquire(world.listLock(slab)), then: .listLocked(slab, toTail: toTail))
  }
}
