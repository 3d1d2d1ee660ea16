import Hardware
import Simulation

/// Takes a block of one zone: from this CPU's lists if it can lock them, else from the zone.
/// Replies: its first page, or none.
///
/// The lists' lock is taken with interrupts on, and only if it is free: an interrupt that finds it
/// held by what it interrupted, or a CPU whose lists are being drained, goes to the zone.
///
/// Kernel: `rmqueue()`, `rmqueue_pcplist()`, `__rmqueue_pcplist()`, `rmqueue_buddy()`
/// (mm/page_alloc.c, 6.12).
package enum Rmqueue: Path {
  case start(AllocID)
  case triedLists(AllocID)
  case fetched(AllocID)
  case popped(AllocID)
  case listsUnlocked(AllocID)
  case zoneLocked(AllocID)
  case split(AllocID)
  case zoneUnlocked(AllocID)

  package static var name: PathName { .rmqueue }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let context = world.pages.contexts[id]
      guard PerCPUPages.takes(context.order) else { return lockZone(id, &world) }
      let lock = world.pages.locks.lists[Int(context.lists)]
      return ask(.tryAcquire(lock), then: .triedLists(id))
    case .triedLists(let id):
      guard reply.bool else { return lockZone(id, &world) }
      world.pages.perCPU[Int(world.pages.contexts[id].lists)].noteAllocation()
      return takeCached(id, &world)
    case .fetched(let id):
      let context = world.pages.contexts[id]
      world.pages.contexts[id].block = world.pages.takeCached(
        Int(context.lists), context.order, context.type)
      return ask(.work(.pcpListOp), then: .popped(id))
    case .popped(let id):
      let lock = world.pages.locks.lists[Int(world.pages.contexts[id].lists)]
      return ask(.release(lock), then: .listsUnlocked(id))
    case .listsUnlocked(let id):
      guard !world.pages.contexts[id].block.isNone else { return lockZone(id, &world) }
      return finish(id, &world, cpu)
    case .zoneLocked(let id): return takeDirect(id, &world, cpu)
    case .split(let id):
      let lock = world.pages.locks.zones[Int(world.pages.contexts[id].zone)]
      return ask(.release(lock, irqs: .off), then: .zoneUnlocked(id))
    case .zoneUnlocked(let id): return finish(id, &world, cpu)
    }
  }

  private mutating func lockZone(_ id: AllocID, _ world: inout World) -> Step {
    let lock = world.pages.locks.zones[Int(world.pages.contexts[id].zone)]
    return ask(.acquire(lock, irqs: .off), then: .zoneLocked(id))
  }

  private mutating func takeCached(_ id: AllocID, _ world: inout World) -> Step {
    let context = world.pages.contexts[id]
    let block = world.pages.takeCached(Int(context.lists), context.order, context.type)
    guard block.isNone else {
      world.pages.contexts[id].block = block
      return ask(.work(.pcpListOp), then: .popped(id))
    }
    return ask(.call(.rmqueueBulk(.start(id))), then: .fetched(id))
  }

  private mutating func takeDirect(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    let taken = world.pages.takeDirect(
      Int(context.zone), context.order, context.type, context.flags)
    world.pages.contexts[id].block = taken.block
    world.traceTaken(
      taken, context.order, context.type, refill: PerCPUPages.takes(context.order), on: cpu)
    world.traceFreePages(of: Int(context.zone))
    return ask(.work(.buddyStep, times: taken.work.steps), then: .split(id))
  }

  private func finish(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    if !context.block.isNone { world.countAllocation(context, blocks: 1, on: cpu) }
    let zone = Int(context.zone)
    if context.flags.contains(.kswapd), world.pages.zones[zone].isBoosted {
      world.pages.zones[zone].isBoosted = false
      let (node, kind) = (world.pages.zones[zone].node, world.pages.zones[zone].kind)
      world.wakeKswapd(node, .zero, kind, [], on: cpu)
    }
    return .return(.pfn(context.block))
  }
}

/// Fetches blocks for an empty list of a CPU, whose lock the caller holds, in one hold of the
/// zone's lock.
///
/// Kernel: `rmqueue_bulk()` (mm/page_alloc.c, 6.12).
package enum RmqueueBulk: Path {
  case start(AllocID)
  case locked(AllocID)
  case fetched(AllocID)
  case done

  package static var name: PathName { .rmqueue_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let context = world.pages.contexts[id]
      let count = world.pages.refillCount(
        Int(context.zone), Int(context.lists), context.order)
      world.pages.contexts[id].fetchCount = Int32(count)
      let lock = world.pages.locks.zones[Int(context.zone)]
      return ask(.acquire(lock, irqs: .off), then: .locked(id))
    case .locked(let id):
      let steps = fetch(world.pages.contexts[id], &world, cpu)
      return ask(.work(.buddyStep, times: steps), then: .fetched(id))
    case .fetched(let id):
      let lock = world.pages.locks.zones[Int(world.pages.contexts[id].zone)]
      return ask(.release(lock, irqs: .off), then: .done)
    case .done: return .return()
    }
  }

  /// Returns: list edits done.
  private func fetch(_ context: AllocContext, _ world: inout World, _ cpu: CPUID) -> Int32 {
    var mode = SearchMode.own
    var steps: Int32 = 0
    for _ in 0..<context.fetchCount {
      let taken = world.pages.fetch(
        Int(context.zone), Int(context.lists), context.order, context.type, context.flags, &mode)
      steps += taken.work.steps
      guard !taken.block.isNone else { break }
      world.traceTaken(taken, context.order, context.type, refill: true, on: cpu)
    }
    world.traceFreePages(of: Int(context.zone))
    return steps
  }
}
