import Hardware
import Simulation

/// The work item that a free queues when too many pages are lazy.
///
/// Kernel: `drain_vmap_area_work()` (mm/vmalloc.c, 6.12): one pass, since 6.9; before, until there
/// are few enough (6.6).
package enum DrainVmapWork: Path {
  case start
  case locked
  case purged
  case unlocked

  package static var name: PathName { .drain_vmap_area_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.vmalloc.purge.drainIsPending = false
      world.vmalloc.statistics.drainWorkRuns += 1
      return ask(.acquire(world.vmalloc.vmapPurge), then: .locked)
    case .locked: return ask(.call(world.vmalloc.purgeFrame(isFull: false)), then: .purged)
    case .purged:
      world.vmalloc.statistics.areasPurgedByWork += UInt64(reply.number)
      return ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
    case .unlocked:
      guard world.version.vmalloc.purger == .workerUntilFew, world.vmalloc.purge.isOver else {
        return .return()
      }
      return ask(.acquire(world.vmalloc.vmapPurge), then: .locked)
    }
  }
}

extension VmallocState {
  /// The call that purges, by release.
  func purgeFrame(isFull: Bool) -> Frame {
    store == .freeTree ? .purgeVmapAreaLazy(.start(isFull: isFull)) : .purgeLazyWalk(.start)
  }
}

/// Purges everything, so that no stale mapping of any page is left: blocks that are used up go, and
/// what was unmapped in others is flushed along.
///
/// Kernel: `vm_unmap_aliases()` (mm/vmalloc.c, 6.12; before 6.6 what is to be flushed is looked for
/// before the mutex is taken, and every used-up block goes).
package enum VmUnmapAliases: Path {
  case start
  case measured(ID<BlockWalk>)
  case locked(ID<BlockWalk>)
  case walked(ID<BlockWalk>)
  case purged(ID<BlockWalk>)
  case flushed
  case unlocked

  package static var name: PathName { .vm_unmap_aliases }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.mightSleep(on: cpu, "vm_unmap_aliases takes a mutex")
      // Before 2.6.28 nothing is lazy, and there is no such function.
      guard world.version.vmalloc.store != .list else { return .return() }
      let isOld = world.version.vmalloc.purgesUsableBlocks
      let walk = world.vmalloc.walks.take(BlockWalk(isForced: isOld, measures: true))
      guard isOld else { return ask(.acquire(world.vmalloc.vmapPurge), then: .locked(walk)) }
      world.vmalloc.walks[walk].retires = false
      return ask(.call(.walkVmapBlocks(.start(walk))), then: .measured(walk))
    case .measured(let walk):
      (world.vmalloc.walks[walk].retires, world.vmalloc.walks[walk].measures) = (true, false)
      return ask(.acquire(world.vmalloc.vmapPurge), then: .locked(walk))
    case .locked(let walk):
      return ask(.call(.walkVmapBlocks(.start(walk))), then: .walked(walk))
    case .walked(let walk):
      let record = world.vmalloc.walks[walk]
      (world.vmalloc.purge.alsoFrom, world.vmalloc.purge.alsoTo) = (record.from, record.to)
      return ask(.call(world.vmalloc.purgeFrame(isFull: false)), then: .purged(walk))
    case .purged(let walk):
      let record = world.vmalloc.walks[walk]
      world.vmalloc.walks.give(walk)
      guard reply.number == 0, record.to > record.from else { return unlock(world) }
      let pages = UInt32(clamping: (record.to - record.from) >> 12)
      let flush = FlushTLBKernelRange.start(Address(record.from), pages: pages)
      return ask(.call(.flushTLBKernelRange(flush)), then: .flushed)
    case .flushed: return unlock(world)
    case .unlocked: return .return()
    }
  }

  private mutating func unlock(_ world: borrowing World) -> Step {
    ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
  }
}

/// What an allocation does that finds no addresses: purges, and empties all pools.
///
/// Kernel: `reclaim_and_purge_vmap_areas()` (mm/vmalloc.c, 6.12).
package enum ReclaimAndPurge: Path {
  case start
  case locked
  case walked(ID<BlockWalk>)
  case purged
  case unlocked

  package static var name: PathName { .reclaim_and_purge_vmap_areas }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.acquire(world.vmalloc.vmapPurge), then: .locked)
    case .locked:
      let walk = world.vmalloc.walks.take(BlockWalk(isForced: true, measures: false))
      return ask(.call(.walkVmapBlocks(.start(walk))), then: .walked(walk))
    case .walked(let walk):
      world.vmalloc.walks.give(walk)
      return ask(.call(world.vmalloc.purgeFrame(isFull: true)), then: .purged)
    case .purged: return ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
    case .unlocked: return .return()
    }
  }
}
