import Hardware
import Simulation

/// Allocates an object of a cache.
///
/// Kernel: `kmem_cache_alloc_node()` → `slab_alloc_node()` (mm/slub.c, 6.12).
package enum KmemCacheAlloc: Path {
  case start(cache: CacheID, gfp: GFPFlags, node: NodeID)
  case fast(cache: CacheID, gfp: GFPFlags, node: NodeID)
  case slow(cache: CacheID, gfp: GFPFlags, node: NodeID)
  case zeroed(Address)

  package static var name: PathName { .kmem_cache_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let gfp, let node):
      guard world.slab.caches[cache].state == .live else {
        let name = world.slab.names[cache.index]
        world.complain(
          .useAfterFree,
          "the cache \(name) does not exist here. Allocate between kmem_cache_create() and "
            + "kmem_cache_destroy().", on: cpu)
        return .return(.address(.null))
      }
      if gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
      return ask(.ahead(world.slab.allocWork), then: .fast(cache: cache, gfp: gfp, node: node))
    case .fast(let cache, let gfp, let node):
      let object = world.takeFast(cache, node: node, on: cpu)
      guard object != .null else {
        let request = SlabRequest(cache, gfp, node)
        return ask(
          .call(world.slowAllocation(request)), then: .slow(cache: cache, gfp: gfp, node: node))
      }
      return finish(object, cache, gfp, node, &world, cpu)
    case .slow(let cache, let gfp, let node):
      world.noteSlowAllocation(on: cpu)
      return finish(reply.address, cache, gfp, node, &world, cpu)
    case .zeroed(let object): return .return(.address(object))
    }
  }

  @inline(__always)
  private mutating func finish(
    _ object: Address, _ cache: CacheID, _ gfp: GFPFlags, _ node: NodeID, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    if world.probe.isOn {
      world.traceAllocation(
        .kmemCacheAlloc, object, asked: world.slab.caches[cache].sizing.objectSize,
        given: Int(world.slab.layouts[cache.index].size), gfp, node, on: cpu)
    }
    guard gfp.contains(.zero), object != .null else { return .return(.address(object)) }
    let lines = Int32((world.slab.caches[cache].sizing.objectSize + 63) / 64)
    return ask(.work(.zeroLine, times: lines), then: .zeroed(object))
  }
}
