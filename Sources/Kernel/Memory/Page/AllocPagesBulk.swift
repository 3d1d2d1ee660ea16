import Hardware
import Simulation

/// Allocates single pages, many at once, from one hold of this CPU's lists. Replies: a chain of
/// pages through their records, shorter than asked for if it must be.
///
/// Kernel: `alloc_pages_bulk_noprof()` (mm/page_alloc.c, 6.12).
package enum AllocPagesBulk: Path {
  case start(count: Int32, gfp: GFPFlags, node: NodeID)
  case looking(AllocID)
  case triedLists(AllocID)
  case fetched(AllocID)
  case popped(AllocID)
  case unlocked(AllocID)
  case zeroed(AllocID)
  case single(AllocID)

  package static var name: PathName { .alloc_pages_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let count, let gfp, let node):
      return begin(count, gfp, node, &world, cpu)
    case .looking(let id): return look(id, &world, cpu)
    case .triedLists(let id):
      return reply.bool ? takeAll(id, &world, mayFetch: true) : askForOne(id, &world)
    case .fetched(let id): return takeAll(id, &world, mayFetch: false)
    case .popped(let id):
      let lock = world.pages.locks.lists[Int(world.pages.contexts[id].lists)]
      return ask(.release(lock), then: .unlocked(id))
    case .unlocked(let id):
      let context = world.pages.contexts[id]
      guard context.got > 0 else { return askForOne(id, &world) }
      world.countAllocation(context, blocks: Int(context.got), on: cpu)
      guard context.gfp.contains(.zero) else { return finish(id, &world) }
      return ask(.work(.clearPage, times: context.got), then: .zeroed(id))
    case .zeroed(let id): return finish(id, &world)
    case .single(let id):
      let first = reply.pfn
      world.pages.contexts.give(id)
      if !first.isNone { world.pages.chain(first, before: .none) }
      return .return(.pages(first: first, count: first.isNone ? 0 : 1))
    }
  }

  private mutating func begin(
    _ count: Int32, _ gfp: GFPFlags, _ node: NodeID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard count > 0 else { return .return(.pages(first: .none, count: 0)) }
    let id = world.makeAllocContext(.zero, gfp, node, on: cpu)
    world.pages.contexts[id].wanted = count
    let isCharged = gfp.contains(.account) && world.config.memcg
    guard count > 1, !isCharged else { return askForOne(id, &world) }
    if gfp.allowsBlocking {
      world.mightAlloc(on: cpu, "use GFP_ATOMIC or GFP_NOWAIT where the context may not sleep")
    }
    return ask(.work(.watermarkCheck), then: .looking(id))
  }

  private mutating func askForOne(_ id: AllocID, _ world: inout World) -> Step {
    let context = world.pages.contexts[id]
    let one = AllocPages.start(order: .zero, gfp: context.gfp, node: context.node)
    return ask(.call(.allocPages(one)), then: .single(id))
  }

  /// Looks for a zone of the preferred node that has pages enough for all.
  private mutating func look(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    guard
      let place = world.pages.zonelist.next(
        context.node, from: Int(context.place), count: Int(context.listCount),
        highest: context.highest)
    else { return askForOne(id, &world) }
    let entry = world.pages.zonelist.entry(context.node, place)
    guard entry.node == context.preferredNode else { return askForOne(id, &world) }
    let zone = Int(entry.zone)
    let mark = world.pages.zones[zone].mark(1) + Int(context.wanted)
    let preferred = world.pages.zones[Int(context.preferredZone)].kind
    guard world.pages.zones[zone].isAboveFast(mark, .zero, preferred, context.flags) else {
      world.pages.contexts[id].place = Int16(place + 1)
      return ask(.work(.watermarkCheck), then: .looking(id))
    }
    world.pages.contexts[id].zone = entry.zone
    let lists = world.lists(of: zone, on: cpu)
    world.pages.contexts[id].lists = Int32(lists)
    return ask(.tryAcquire(world.pages.locks.lists[lists]), then: .triedLists(id))
  }

  /// Takes pages until all are there or the list is empty, which is then filled.
  private mutating func takeAll(_ id: AllocID, _ world: inout World, mayFetch: Bool) -> Step {
    var context = world.pages.contexts[id]
    let before = context.got
    while context.got < context.wanted {
      let page = world.pages.takeCached(Int(context.lists), .zero, context.type)
      guard !page.isNone else { break }
      world.pages.prepare(page, .zero, context.gfp)
      world.pages.chain(page, before: .none)
      if context.got == 0 {
        context.block = page
      } else {
        world.pages.chain(context.last, before: page)
      }
      context.last = page
      context.got += 1
    }
    world.pages.contexts[id] = context
    let isFruitful = mayFetch || context.got > before
    guard context.got < context.wanted, isFruitful else {
      return ask(.work(.pcpListOp, times: max(context.got, 1)), then: .popped(id))
    }
    return ask(.call(.rmqueueBulk(.start(id))), then: .fetched(id))
  }

  private func finish(_ id: AllocID, _ world: inout World) -> Step {
    let context = world.pages.contexts[id]
    world.pages.contexts.give(id)
    return .return(.pages(first: context.block, count: Int(context.got)))
  }
}
