import Hardware
import Simulation

/// Gives up this CPU's slabs of a cache; a work item of each CPU that has any.
///
/// Kernel: `flush_cpu_slab()` → `flush_slab()`, `put_partials()` (mm/slub.c, 6.12).
package enum FlushCPUSlab: Path {
  case start(cache: UInt16)
  case currentLocked(cache: UInt16)
  case detached(cache: UInt16, ID<Slab>, freelist: UInt16)
  case deactivated(cache: UInt16)
  case partialsLocked(cache: UInt16)
  case partialsTaken(ID<Slab>)
  case done

  package static var name: PathName { .flush_cpu_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      guard !world.slab.cpus[world.slab.cpu(CacheID(Int(cache)), cpu)].slab.isNone else {
        return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
      }
      return ask(.disable(.irqs), then: .currentLocked(cache: cache))
    case .currentLocked(let cache):
      let (slab, freelist) = world.slab.detach(CacheID(Int(cache)), on: cpu)
      return ask(.enable(.irqs), then: .detached(cache: cache, slab, freelist: freelist))
    case .detached(let cache, let slab, let freelist):
      guard !slab.isNone else {
        return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
      }
      world.slab.note(.cpuslab_flush, of: CacheID(Int(cache)))
      return ask(.call(.deactivateSlab(.start(slab, freelist))), then: .deactivated(cache: cache))
    case .deactivated(let cache):
      return ask(.disable(.irqs), then: .partialsLocked(cache: cache))
    case .partialsLocked(let cache):
      let list = world.slab.takeCPUPartials(CacheID(Int(cache)), on: cpu)
      return ask(.enable(.irqs), then: .partialsTaken(list))
    case .partialsTaken(let list):
      guard !list.isNone else { return .return() }
      return ask(.call(.putPartials(.start(list))), then: .done)
    case .done: return .return()
    }
  }
}

/// Flushes the slabs of all CPUs, and waits until they have.
///
/// Kernel: `flush_all_cpus_locked()` (mm/slub.c, 6.12; up to 5.14 an IPI to each such CPU).
/// Not modelled: CPU hotplug and its lock.
package enum FlushAll: Path {
  case start(cache: UInt16)
  case queueing(cache: UInt16, next: UInt16)
  case flushing(cache: UInt16, next: UInt16)
  case done

  package static var name: PathName { .flush_all_cpus_locked }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      return ask(.acquire(world.slab.flushLock), then: .queueing(cache: cache, next: 0))
    case .queueing(let cache, let next):
      for target in Int(next)..<world.slab.cpuCount
      where world.slab.hasCPUSlab(CacheID(Int(cache)), on: CPUID(target)) {
        return ask(
          .queueWork(.flushCPUSlab(cache: cache), on: CPUID(target)),
          then: .queueing(cache: cache, next: UInt16(target + 1)))
      }
      return flush(cache, from: 0, &world)
    case .flushing(let cache, let next): return flush(cache, from: Int(next), &world)
    case .done: return .return()
    }
  }

  private mutating func flush(_ cache: UInt16, from first: Int, _ world: inout World) -> Step {
    let item = WorkItem.flushCPUSlab(cache: cache)
    for target in first..<world.slab.cpuCount where world.work.isBusy(item, on: CPUID(target)) {
      return ask(
        .call(.flushWork(.start(item, on: CPUID(target)))),
        then: .flushing(cache: cache, next: UInt16(target + 1)))
    }
    return ask(.release(world.slab.flushLock), then: .done)
  }
}

/// Gives back all empty slabs of a cache, and sorts the rest by how full they are.
///
/// Returns: 1 if slabs are left, else 0. Kernel: `kmem_cache_shrink()` → `__kmem_cache_shrink()` →
/// `__kmem_cache_do_shrink()` (mm/slub.c, 6.12).
package enum KmemCacheShrink: Path {
  case start(CacheID)
  case nextNode(cache: UInt16, node: UInt8, anyLeft: Bool)
  case locked(cache: UInt16, node: UInt8, anyLeft: Bool)
  case sorted(cache: UInt16, node: UInt8, anyLeft: Bool, empty: ID<Slab>)
  case freeing(cache: UInt16, node: UInt8, anyLeft: Bool, empty: ID<Slab>)

  package static var name: PathName { .kmem_cache_shrink }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      // Kernel: `flush_all()` takes `cpus_read_lock()`, which may sleep.
      world.mightSleep(on: cpu, "kmem_cache_shrink() may sleep; call it from a task or a work item")
      guard world.slab.caches[cache].state == .live, world.slab.layouts[cache.index].cpus >= 0
      else {
        return .return(.number(0))
      }
      let number = UInt16(cache.index)
      return ask(
        .call(.flushAll(.start(cache: number))),
        then: .nextNode(cache: number, node: 0, anyLeft: false))
    case .nextNode(let cache, let node, let anyLeft):
      guard Int(node) < world.slab.nodeCount else { return .return(.number(anyLeft ? 1 : 0)) }
      let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
      return ask(
        .acquire(lock, irqs: .off), then: .locked(cache: cache, node: node, anyLeft: anyLeft))
    case .locked(let cache, let node, let anyLeft):
      let (id, place) = (CacheID(Int(cache)), NodeID(Int(node)))
      let count = world.slab.nodes[world.slab.node(id, place)].partialCount
      let empty = world.slab.sortPartials(id, place)
      if !empty.isNone { world.traceSlabs(of: id) }
      return ask(
        .work(.slubListEdit, times: max(count, 1)),
        then: .sorted(cache: cache, node: node, anyLeft: anyLeft, empty: empty))
    case .sorted(let cache, let node, let anyLeft, let empty):
      let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
      return ask(
        .release(lock, irqs: .off),
        then: .freeing(cache: cache, node: node, anyLeft: anyLeft, empty: empty))
    case .freeing(let cache, let node, let anyLeft, let empty):
      guard empty.isNone else {
        let next = world.slab.slabs[empty].next
        return ask(
          .call(.discardSlab(.freeSlab(empty))),
          then: .freeing(cache: cache, node: node, anyLeft: anyLeft, empty: next))
      }
      let place = world.slab.node(CacheID(Int(cache)), NodeID(Int(node)))
      let isLeft = anyLeft || world.slab.nodes[place].slabCount > 0
      return ask(.condResched, then: .nextNode(cache: cache, node: node + 1, anyLeft: isLeft))
    }
  }
}
