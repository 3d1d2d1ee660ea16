import Hardware
import Simulation

/// The work item that a free queues when too many pages are lazy.
///
/// Kernel: `drain_vmap_area_work()` (mm/vmalloc.c, 6.12): one pass, since 6.9.
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
    case .locked: return ask(.call(.purgeVmapAreaLazy(.start(isFull: false))), then: .purged)
    case .purged:
      world.vmalloc.statistics.areasPurgedByWork += UInt64(reply.number)
      return ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
    case .unlocked: return .return()
    }
  }
}

/// Purges everything, so that no stale mapping of any page is left.
///
/// Kernel: `vm_unmap_aliases()` (mm/vmalloc.c, 6.12), the blocks of `vm_map_ram()` left out.
package enum VmUnmapAliases: Path {
  case start
  case locked
  case purged
  case unlocked

  package static var name: PathName { .vm_unmap_aliases }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.mightSleep(on: cpu, "vm_unmap_aliases takes a mutex")
      return ask(.acquire(world.vmalloc.vmapPurge), then: .locked)
    case .locked: return ask(.call(.purgeVmapAreaLazy(.start(isFull: false))), then: .purged)
    case .purged: return ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
    case .unlocked: return .return()
    }
  }
}

/// What an allocation does that finds no addresses: purges, and empties all pools.
///
/// Kernel: `reclaim_and_purge_vmap_areas()` (mm/vmalloc.c, 6.12).
package enum ReclaimAndPurge: Path {
  case start
  case locked
  case purged
  case unlocked

  package static var name: PathName { .reclaim_and_purge_vmap_areas }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.acquire(world.vmalloc.vmapPurge), then: .locked)
    case .locked: return ask(.call(.purgeVmapAreaLazy(.start(isFull: true))), then: .purged)
    case .purged: return ask(.release(world.vmalloc.vmapPurge), then: .unlocked)
    case .unlocked: return .return()
    }
  }
}
