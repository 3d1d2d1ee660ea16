import Hardware
import Simulation

/// Tries the zones of a list in order, those with enough pages above the mark. Replies: the first
/// page of a block made ready for its holder, or none.
///
/// Kernel: `get_page_from_freelist()` (mm/page_alloc.c, 6.12).
/// Not modelled: limits of dirty pages, `node_reclaim()`, deferred and unaccepted memory.
package enum GetPageFromFreelist: Path {
  case start(AllocID)
  case looking(AllocID)
  case taken(AllocID)
  case zeroed(AllocID)
  case reserving(AllocID)
  case reserved(AllocID)
  case done(AllocID)

  package static var name: PathName { .get_page_from_freelist }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      world.pages.contexts[id].place = 0
      return ask(.work(.watermarkCheck), then: .looking(id))
    case .looking(let id): return look(id, &world, cpu)
    case .taken(let id):
      guard !reply.pfn.isNone else {
        world.pages.contexts[id].place += 1
        return ask(.work(.watermarkCheck), then: .looking(id))
      }
      return prepare(id, reply.pfn, &world)
    case .zeroed(let id): return reserve(id, &world)
    case .reserving(let id):
      let context = world.pages.contexts[id]
      let work = world.pages.reserveHighAtomic(Int(context.zone), context.block, context.order)
      return ask(.work(.buddyStep, times: work.steps), then: .reserved(id))
    case .reserved(let id):
      let lock = world.pages.locks.zones[Int(world.pages.contexts[id].zone)]
      return ask(.release(lock, irqs: .off), then: .done(id))
    case .done(let id): return .return(.pfn(world.pages.contexts[id].block))
    }
  }

  /// Looks at the zone whose check has been paid for, and goes on to the next if it will not do.
  private mutating func look(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    guard
      let place = world.pages.zonelist.next(
        context.node, from: Int(context.place), count: Int(context.listCount),
        highest: context.highest)
    else {
      guard context.flags.contains(.noFragment) else { return .return(.pfn(.none)) }
      return lookAgain(id, &world)
    }
    let entry = world.pages.zonelist.entry(context.node, place)
    if context.flags.contains(.noFragment), entry.node != context.preferredNode {
      return lookAgain(id, &world)
    }
    world.pages.contexts[id].place = Int16(place)
    world.pages.contexts[id].zone = entry.zone
    guard world.pages.hasEnough(Int(entry.zone), context) else {
      world.pages.contexts[id].place += 1
      return ask(.work(.watermarkCheck), then: .looking(id))
    }
    if PerCPUPages.takes(context.order) {
      world.pages.contexts[id].lists = Int32(world.lists(of: Int(entry.zone), on: cpu))
    }
    return ask(.call(.rmqueue(.start(id))), then: .taken(id))
  }

  /// Locality goes before tidiness: from the first zone again, other types' blocks allowed.
  private mutating func lookAgain(_ id: AllocID, _ world: inout World) -> Step {
    world.pages.contexts[id].flags.remove(.noFragment)
    world.pages.contexts[id].place = 0
    return ask(.work(.watermarkCheck), then: .looking(id))
  }

  private mutating func prepare(_ id: AllocID, _ block: PFN, _ world: inout World) -> Step {
    let context = world.pages.contexts[id]
    world.pages.contexts[id].block = block
    world.pages.prepare(block, context.order, context.gfp)
    guard context.gfp.contains(.zero) else { return reserve(id, &world) }
    return ask(.work(.clearPage, times: Int32(context.order.pageCount)), then: .zeroed(id))
  }

  private mutating func reserve(_ id: AllocID, _ world: inout World) -> Step {
    let context = world.pages.contexts[id]
    let zone = Int(context.zone)
    guard context.flags.contains(.highAtomic),
      world.pages.zones[zone].highAtomicReserved < world.pages.zones[zone].highAtomicMax
    else { return .return(.pfn(context.block)) }
    return ask(.acquire(world.pages.locks.zones[zone], irqs: .off), then: .reserving(id))
  }
}

extension PageAllocator {
  /// Whether a zone has pages enough for a request. Notes whether it is below its high mark, by
  /// which per-CPU lists tune themselves.
  mutating func hasEnough(_ zone: Int, _ context: AllocContext) -> Bool {
    let (order, highest, flags) = (context.order, context.highest, context.flags)
    if !zones[zone].isBelowHigh {
      if zones[zone].isAboveFast(zones[zone].mark(2), order, highest, flags) { return true }
      zones[zone].isBelowHigh = true
    }
    return zones[zone].isAboveFast(zones[zone].mark(flags.mark), order, highest, flags)
      || flags.contains(.noWatermarks)
  }

  /// Under the zone's lock. Kernel: `reserve_highatomic_pageblock()`.
  mutating func reserveHighAtomic(_ zone: Int, _ block: PFN, _ order: Order) -> BuddyWork {
    zones[zone].reserveHighAtomic(block, order, &map)
  }
}
