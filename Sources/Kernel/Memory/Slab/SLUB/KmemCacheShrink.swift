import Hardware
import Simulation

/// Gives back all empty slabs of a cache, and sorts the rest by how full they are.
///
/// Returns: 1 if slabs are left, else 0. Kernel: `kmem_cache_shrink()` → `__kmem_cache_shrink()` →
/// `__kmem_cache_do_shrink()` (mm/slub.c, 6.12).
package enum KmemCacheShrink: Path {
  case start(CacheID)
  case nextNode(cache: UInt16, node: UInt8, anyLeft: Bool)
  case barnShrunk(cache: UInt16, node: UInt8, anyLeft: Bool)
  case locked(cache: UInt16, node: UInt8, anyLeft: Bool)
  case sorted(cache: UInt16, node: UInt8, anyLeft: Bool, empty: ID<Slab>)
  case freeing(cache: UInt16, node: UInt8, anyLeft: Bool, empty: ID<Slab>)
  /// SLAB did it.
  case shrunk

  package static var name: PathName { .kmem_cache_shrink }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      // Kernel: `flush_all()` takes `cpus_read_lock()`, which may sleep.
      world.mightSleep(on: cpu, "kmem_cache_shrink() may sleep; call it from a task or a work item")
      let front = world.slab.layouts[cache.index].front
      guard world.slab.caches[cache].state == .live, front != .nothing else {
        return .return(.number(0))
      }
      // Whether another CPU, which may be ahead, has used the cache yet makes no difference.
      let number = UInt16(cache.index)
      if front == .array {
        world.activateArrays(cache)
        return ask(.call(.shrinkArrays(.start(cache: number))), then: .shrunk)
      }
      world.slab.activate(cache, &world.locks, &world.lines)
      return ask(
        .call(.flushAll(.start(cache: number))),
        then: .nextNode(cache: number, node: 0, anyLeft: false))
    case .shrunk: return .return(reply)
    case .nextNode(let cache, let node, let anyLeft):
      guard Int(node) < world.slab.nodeCount else { return .return(.number(anyLeft ? 1 : 0)) }
      guard world.slab.layouts[Int(cache)].sheafCapacity > 0 else {
        return lockNode(cache, node, anyLeft, &world)
      }
      return ask(
        .call(.shrinkBarn(.start(cache: cache, node: node))),
        then: .barnShrunk(cache: cache, node: node, anyLeft: anyLeft))
    case .barnShrunk(let cache, let node, let anyLeft):
      return lockNode(cache, node, anyLeft, &world)
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

  private mutating func lockNode(
    _ cache: UInt16, _ node: UInt8, _ anyLeft: Bool, _ world: inout World
  ) -> Step {
    let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
    return ask(
      .acquire(lock, irqs: .off), then: .locked(cache: cache, node: node, anyLeft: anyLeft))
  }
}
