import Hardware
import Simulation

/// Gives all pages of all CPUs' lists back to their zones. The caller locks each CPU's lists in
/// turn; no CPU is interrupted.
///
/// Kernel: `drain_all_pages()`, `__drain_all_pages()`, `drain_pages_zone()` (mm/page_alloc.c,
/// 6.12).
package enum DrainAllPages: Path {
  case start
  case started
  case listsLocked(cpu: Int16, zone: UInt16)
  case drained(cpu: Int16, zone: UInt16)
  case unlocked(cpu: Int16, zone: UInt16)
  case done

  package static var name: PathName { .drain_all_pages }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      if world.isAhead { return ask(.sync, then: .start) }
      // Someone else is at it, and what they drain is drained.
      if world.locks.isHeld(world.pages.locks.drain) { return .return() }
      return ask(.acquire(world.pages.locks.drain), then: .started)
    case .started: return lockNext(0, 0, &world)
    case .listsLocked(let owner, let zone):
      let lists = world.lists(of: Int(zone), on: CPUID(Int(owner)))
      let burst = world.pages.zones[Int(zone)].sizing.batch << Int32(PerCPUSizing.batchScaleMax)
      let pages = Int16(min(world.pages.perCPU[lists].count, burst))
      guard pages > 0 else { return unlock(owner, zone, &world) }
      let drain = FreePCPPagesBulk.start(zone: zone, pages: pages, list: 0, cpu: owner)
      return ask(.call(.freePCPPagesBulk(drain)), then: .drained(cpu: owner, zone: zone))
    case .drained(let owner, let zone): return unlock(owner, zone, &world)
    case .unlocked(let owner, let zone):
      let lists = world.lists(of: Int(zone), on: CPUID(Int(owner)))
      let isEmpty = world.pages.perCPU[lists].count == 0
      return lockNext(Int(owner), Int(zone) + (isEmpty ? 1 : 0), &world)
    case .done: return .return()
    }
  }

  private mutating func unlock(_ owner: Int16, _ zone: UInt16, _ world: inout World) -> Step {
    let lists = world.lists(of: Int(zone), on: CPUID(Int(owner)))
    let lock = world.pages.locks.lists[lists]
    return ask(.release(lock), then: .unlocked(cpu: owner, zone: zone))
  }

  /// Locks the next lists, from a CPU and zone on, that have pages; at the end lets go.
  private mutating func lockNext(_ owner: Int, _ zone: Int, _ world: inout World) -> Step {
    var (owner, zone) = (owner, zone)
    while owner < world.layout.cpuCount {
      while zone < world.pages.zones.count {
        if let lists = world.pages.perCPUPlace(zone, CPUID(owner)),
          world.pages.perCPU[lists].count > 0
        {
          let place = DrainAllPages.listsLocked(cpu: Int16(owner), zone: UInt16(zone))
          return ask(.acquire(world.pages.locks.lists[lists]), then: place)
        }
        zone += 1
      }
      (owner, zone) = (owner + 1, 0)
    }
    return ask(.release(world.pages.locks.drain), then: .done)
  }
}
