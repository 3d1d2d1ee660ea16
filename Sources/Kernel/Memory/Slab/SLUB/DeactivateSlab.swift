import Hardware
import Simulation

/// Gives up a slab that was a CPU's: what the CPU had left goes back to it, and it to its node.
///
/// To 5.11 the CPU's objects go back one by one, each by a cmpxchg, all but the last; from 5.12 all
/// at once. To 6.7 the slab is unfrozen under the list_lock of the list that it goes to; from 6.8
/// it is first unfrozen, then listed.
///
/// Kernel: `deactivate_slab()` (mm/slub.c; 3.10, 5.10, 5.15, 6.12).
package enum DeactivateSlab: Path {
  case start(ID<Slab>, UInt16)
  case oneHere(ID<Slab>, UInt16, toTail: Bool)
  case counted(ID<Slab>, UInt16)
  case here(ID<Slab>, UInt16)
  // To 6.7.
  case frozenLocked(ID<Slab>, UInt16, toTail: Bool)
  case frozenHere(ID<Slab>, UInt16, toTail: Bool)
  case discarding(ID<Slab>)
  // From 6.8.
  case locked(ID<Slab>, toTail: Bool)
  case edited(ID<Slab>)
  case done

  package static var name: PathName { .deactivate_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let freelist):
      guard world.slab.rules.mergesFreelistAtOnce else {
        let hasRemoteFrees = noteRemoteFrees(slab, &world)
        return reach(slab, &world, then: .oneHere(slab, freelist, toTail: hasRemoteFrees))
      }
      // The list is walked to its end, to be joined with what others freed.
      let length = Int32(world.slab.count(slab, freelist))
      guard length > 0 else { return reach(slab, &world, then: .here(slab, freelist)) }
      return ask(.work(.slubInitObject, times: length), then: .counted(slab, freelist))
    case .oneHere(let slab, let freelist, let toTail):
      guard world.slab.count(slab, freelist) > 1 else {
        return decide(slab, freelist, toTail: toTail, &world)
      }
      let rest = world.slab.giveFirst(of: freelist, to: slab)
      return reach(slab, &world, then: .oneHere(slab, rest, toTail: toTail))
    case .counted(let slab, let freelist):
      return reach(slab, &world, then: .here(slab, freelist))
    case .here(let slab, let freelist):
      let hasRemoteFrees = noteRemoteFrees(slab, &world)
      guard !world.slab.rules.freezesPartials else {
        return decide(slab, freelist, toTail: hasRemoteFrees, &world)
      }
      return unfreeze(slab, freelist, toTail: hasRemoteFrees, &world)
    case .frozenLocked(let slab, let freelist, let toTail):
      return reach(slab, &world, then: .frozenHere(slab, freelist, toTail: toTail))
    case .frozenHere(let slab, let freelist, let toTail):
      world.slab.unfreeze(slab, freelist)
      guard !world.slab.isSurplus(slab) else {
        return ask(.release(world.listLock(slab), irqs: .off), then: .discarding(slab))
      }
      return list(slab, toTail: toTail, &world)
    case .discarding(let slab): return discard(slab, &world)
    case .locked(let slab, let toTail): return list(slab, toTail: toTail, &world)
    case .edited(let slab):
      return ask(.release(world.listLock(slab), irqs: .off), then: .done)
    case .done: return .return()
    }
  }

  /// Brings the slab's line here for the cmpxchg.
  private mutating func reach(
    _ slab: ID<Slab>, _ world: inout World, then place: DeactivateSlab
  ) -> Step {
    ask(.touch(world.slab.slabs[slab].line), then: place)
  }

  private func noteRemoteFrees(_ slab: ID<Slab>, _ world: inout World) -> Bool {
    guard world.slab.slabs[slab].freelist != Link.end else { return false }
    world.slab.note(.deactivate_remote_frees, of: world.slab.slabs[slab].cacheID)
    return true
  }

  /// What it becomes, to 6.7: known before the cmpxchg, and where it is listed, under list_lock.
  private mutating func decide(
    _ slab: ID<Slab>, _ freelist: UInt16, toTail: Bool, _ world: inout World
  ) -> Step {
    let (left, record) = (world.slab.count(slab, freelist), world.slab.slabs[slab])
    if world.slab.isSurplus(slab, freeing: left) {
      world.slab.unfreeze(slab, freelist)
      return discard(slab, &world)
    }
    guard left > 0 || record.freelist != Link.end else {
      world.slab.unfreeze(slab, freelist)
      world.slab.note(.deactivate_full, of: record.cacheID)
      return .return()
    }
    return ask(
      .acquire(world.listLock(slab), irqs: .off),
      then: .frozenLocked(slab, freelist, toTail: toTail))
  }

  private mutating func unfreeze(
    _ slab: ID<Slab>, _ freelist: UInt16, toTail: Bool, _ world: inout World
  ) -> Step {
    world.slab.unfreeze(slab, freelist)
    if world.slab.isSurplus(slab) { return discard(slab, &world) }
    guard world.slab.slabs[slab].freelist != Link.end else {
      world.slab.note(.deactivate_full, of: world.slab.slabs[slab].cacheID)
      return .return()
    }
    return ask(.acquire(world.listLock(slab), irqs: .off), then: .locked(slab, toTail: toTail))
  }

  private mutating func discard(_ slab: ID<Slab>, _ world: inout World) -> Step {
    let cache = world.slab.slabs[slab].cacheID
    world.slab.note(.deactivate_empty, of: cache)
    world.slab.note(.free_slab, of: cache)
    return ask(.call(.discardSlab(.start(slab))), then: .done)
  }

  private mutating func list(_ slab: ID<Slab>, toTail: Bool, _ world: inout World) -> Step {
    let cache = world.slab.slabs[slab].cacheID
    world.slab.addPartial(slab, to: toTail ? .tail : .head)
    world.slab.note(toTail ? .deactivate_to_tail : .deactivate_to_head, of: cache)
    return ask(.work(.slubListEdit), then: .edited(slab))
  }
}
