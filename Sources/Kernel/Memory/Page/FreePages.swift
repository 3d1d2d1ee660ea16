import Hardware
import Simulation

/// Frees a block: to this CPU's lists if it can lock them, else to its zone.
///
/// Kernel: `__free_pages()`, `free_unref_page()`, `free_one_page()` (mm/page_alloc.c, 6.12).
package enum FreePages: Path {
  case start(PFN, Order)
  case triedLists(PFN, Order)
  case put(zone: UInt16, pages: Int16, list: UInt8)
  case drained(zone: UInt16)
  case zoneLocked(PFN, Order)
  case merged(zone: UInt16)
  case done

  package static var name: PathName { .free_unref_page }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let block, let order): return begin(block, order, &world, cpu)
    case .triedLists(let block, let order):
      guard reply.bool else { return lockZone(block, order, &world) }
      world.counters.add(.pgfree, UInt64(order.pageCount))
      let zone = world.pages.map[block].zone
      let lists = world.lists(of: Int(zone), on: cpu)
      let (pages, list) = world.pages.putCached(block, order, Int(zone), lists)
      let place = FreePages.put(zone: zone, pages: Int16(pages), list: UInt8(list))
      return ask(.work(.pcpListOp), then: place)
    case .put(let zone, let pages, let list):
      guard pages > 0 else { return unlockLists(zone, &world, cpu) }
      let drain = FreePCPPagesBulk.start(
        zone: zone, pages: pages, list: list, cpu: Int16(cpu.index))
      return ask(.call(.freePCPPagesBulk(drain)), then: .drained(zone: zone))
    case .drained(let zone):
      world.pages.clearBelowHigh(Int(zone))
      return unlockLists(zone, &world, cpu)
    case .zoneLocked(let block, let order):
      world.counters.add(.pgfree, UInt64(order.pageCount))
      let zone = world.pages.map[block].zone
      let work = world.pages.give(block, order)
      world.traceFreePages(of: Int(zone))
      return ask(.work(.buddyStep, times: work.steps), then: .merged(zone: zone))
    case .merged(let zone):
      return ask(.release(world.pages.locks.zones[Int(zone)], irqs: .off), then: .done)
    case .done: return .return()
    }
  }

  private mutating func begin(
    _ block: PFN, _ order: Order, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.pages.isHeld(block, order), !world.slab.isSlab(block) else {
      world.complainOfFree(block, order, on: cpu)
      return .return()
    }
    world.slab.forgetLarge(block)
    guard PerCPUPages.takes(order) else {
      end(block, order, &world, cpu)
      return lockZone(block, order, &world)
    }
    let zone = Int(world.pages.map[block].zone)
    if world.pages.perCPUPlace(zone, cpu) == nil {
      if world.isAhead { return ask(.sync, then: .start(block, order)) }
      _ = world.lists(of: zone, on: cpu)
    }
    end(block, order, &world, cpu)
    let lock = world.pages.locks.lists[world.lists(of: zone, on: cpu)]
    return ask(.tryAcquire(lock), then: .triedLists(block, order))
  }

  /// From here on the pages are no one's. Kernel: `free_pages_prepare()`.
  private func end(_ block: PFN, _ order: Order, _ world: inout World, _ cpu: CPUID) {
    world.trace(.mmPageFree, on: cpu, a: UInt64(block.index), b: UInt64(order.index))
    world.pages.unprepare(block, order)
  }

  private mutating func lockZone(_ block: PFN, _ order: Order, _ world: inout World) -> Step {
    let zone = Int(world.pages.map[block].zone)
    let lock = world.pages.locks.zones[zone]
    return ask(.acquire(lock, irqs: .off), then: .zoneLocked(block, order))
  }

  private mutating func unlockLists(_ zone: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    let lists = world.lists(of: Int(zone), on: cpu)
    return ask(.release(world.pages.locks.lists[lists]), then: .done)
  }
}

extension World {
  /// Reports a free of what is not held as such a block. Kernel: `bad_page()`; the pages leak.
  mutating func complainOfFree(_ block: PFN, _ order: Order, on cpu: CPUID) {
    let name = "page \(block.index), order \(order.index)"
    guard pages.map.contains(block) else {
      return complain(.badFree, "\(name): there is no such page", on: cpu)
    }
    if slab.isSlab(block) {
      return complain(
        .wrongFreeFunction,
        "\(name): it is a slab's. Free objects with kfree() or kmem_cache_free().",
        on: cpu)
    }
    let record = pages.map[block]
    switch record.state {
    case .allocated:
      complain(.badFree, "\(name): it was allocated with order \(record.order.index)", on: cpu)
    case .tail:
      complain(.badFree, "\(name): it is inside the block at \(record.next.index)", on: cpu)
    case .free, .cached, .none: complain(.doubleFree, "\(name): it is not in use", on: cpu)
    }
  }
}

extension PageAllocator {
  /// Forgets that a zone was below its high mark if it no longer is.
  ///
  /// Kernel: the end of `free_unref_page_commit()` (mm/page_alloc.c, 6.12).
  mutating func clearBelowHigh(_ zone: Int) {
    guard zones[zone].isBelowHigh else { return }
    zones[zone].isBelowHigh = !zones[zone].isAbove(zones[zone].mark(2), .zero, .movable, [])
  }
}

/// Gives pages of a CPU's lists, whose lock the caller holds, back in one hold of the zone's lock.
///
/// Kernel: `free_pcppages_bulk()` (mm/page_alloc.c, 6.12).
package enum FreePCPPagesBulk: Path {
  case start(zone: UInt16, pages: Int16, list: UInt8, cpu: Int16)
  case locked(zone: UInt16, pages: Int16, list: UInt8, cpu: Int16)
  case merged(zone: UInt16)
  case done

  package static var name: PathName { .free_pcppages_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let zone, let pages, let list, let owner):
      let place = FreePCPPagesBulk.locked(zone: zone, pages: pages, list: list, cpu: owner)
      return ask(.acquire(world.pages.locks.zones[Int(zone)], irqs: .off), then: place)
    case .locked(let zone, let pages, let list, let owner):
      let lists = world.lists(of: Int(zone), on: CPUID(Int(owner)))
      let steps = drain(Int(zone), lists, Int(pages), from: Int(list), &world, cpu)
      return ask(.work(.buddyStep, times: steps), then: .merged(zone: zone))
    case .merged(let zone):
      return ask(.release(world.pages.locks.zones[Int(zone)], irqs: .off), then: .done)
    case .done: return .return()
    }
  }

  /// Returns: list edits done.
  private func drain(
    _ zone: Int, _ lists: Int, _ pages: Int, from list: Int, _ world: inout World, _ cpu: CPUID
  ) -> Int32 {
    var (left, list, steps) = (pages, list, Int32(0))
    while left > 0, let drained = world.pages.drain(zone, lists, from: &list) {
      left -= drained.order.pageCount
      steps += drained.work.steps
      world.trace(
        .mmPagePcpuDrain, on: cpu, a: UInt64(drained.block.index),
        b: UInt64(drained.order.index) | UInt64(drained.type.rawValue) << 8)
    }
    world.traceFreePages(of: zone)
    return steps
  }
}
