import Hardware
import Simulation

/// What the worker of the vmstat counters does to this CPU's lists once a second: what they may
/// hold sinks, and what is above it goes back.
///
/// Kernel: `refresh_cpu_vm_stats()` (mm/vmstat.c), `decay_pcp_high()` (mm/page_alloc.c, 6.12).
/// Not modelled: folding of counters; draining of other nodes' lists that lie idle.
package enum RefreshCPUVMStats: Path {
  case start
  case listsLocked(zone: UInt16, pages: Int16)
  case drained(zone: UInt16)
  case unlocked(zone: UInt16)

  package static var name: PathName { .refresh_cpu_vm_stats }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      return world.isAhead ? ask(.sync, then: .start) : decay(0, &world, cpu)
    case .listsLocked(let zone, let pages):
      let drain = FreePCPPagesBulk.start(zone: zone, pages: pages, list: 0, cpu: Int16(cpu.index))
      return ask(.call(.freePCPPagesBulk(drain)), then: .drained(zone: zone))
    case .drained(let zone):
      let lock = world.pages.locks.lists[world.lists(of: Int(zone), on: cpu)]
      return ask(.release(lock), then: .unlocked(zone: zone))
    case .unlocked(let zone): return decay(Int(zone) + 1, &world, cpu)
    }
  }

  /// Lets `high` sink from a zone on, up to the first whose lists hold too much.
  private mutating func decay(_ zone: Int, _ world: inout World, _ cpu: CPUID) -> Step {
    for zone in zone..<world.pages.zones.count {
      guard let lists = world.pages.perCPUPlace(zone, cpu) else { continue }
      let pages = world.pages.perCPU[lists].decay(world.pages.zones[zone].sizing)
      guard pages > 0 else { continue }
      let place = RefreshCPUVMStats.listsLocked(
        zone: UInt16(zone), pages: Int16(clamping: pages))
      return ask(.acquire(world.pages.locks.lists[lists]), then: place)
    }
    return .return()
  }
}
