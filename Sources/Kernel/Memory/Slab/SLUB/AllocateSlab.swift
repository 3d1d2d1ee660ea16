import Hardware
import Simulation

/// Pages for a new slab, of the preferred order or else of the smallest, cut into free objects.
///
/// Kernel: `new_slab()` → `allocate_slab()` (mm/slub.c, 6.12).
package enum AllocateSlab: Path {
  case start(SlabRequest)
  case preferredGiven(SlabRequest)
  case smallestGiven(SlabRequest)
  case built(ID<Slab>)

  package static var name: PathName { .allocate_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(var request):
      if !request.gfp.isDisjoint(with: .slabBug) {
        request.gfp = world.fixSlabFlags(request.gfp, on: cpu)
      }
      let cache = world.slab.caches[request.cacheID]
      request.gfp = request.gfp.intersection(.slabPages).union(cache.gfp)
      // The larger order may fail: it is tried without warning, and without reclaim where a
      // smaller one is left.
      var gfp = request.gfp.union([.noWarn, .noRetry]).subtracting(.noFail)
      if gfp.contains(.directReclaim), cache.sizing.order > cache.sizing.minOrder {
        gfp = gfp.union(.noMemAlloc).subtracting(.reclaim)
      }
      return ask(
        .call(.allocPages(.start(order: cache.sizing.order, gfp: gfp, node: request.node))),
        then: .preferredGiven(request))
    case .preferredGiven(let request):
      let sizing = world.slab.caches[request.cacheID].sizing
      guard reply.pfn.isNone else {
        return build(request, reply.pfn, sizing.order, &world)
      }
      return ask(
        .call(
          .allocPages(.start(order: sizing.minOrder, gfp: request.gfp, node: request.node))),
        then: .smallestGiven(request))
    case .smallestGiven(let request):
      guard !reply.pfn.isNone else { return .return(.slab(.none)) }
      world.slab.note(.order_fallback, of: request.cacheID)
      let order = world.slab.caches[request.cacheID].sizing.minOrder
      return build(request, reply.pfn, order, &world)
    case .built(let slab):
      world.cpus[cpu].allocationWay = CallSites.Way.newSlab.rawValue
      return .return(.slab(slab))
    }
  }

  private mutating func build(
    _ request: SlabRequest, _ pages: PFN, _ order: Order, _ world: inout World
  ) -> Step {
    let node = world.pages.zones[Int(world.pages.map[pages].zone)].node
    let slab = world.slab.carve(request.cacheID, pages, order, node: node, &world.lines)
    world.slab.makeLock(of: slab, &world.locks)
    let objects = Int32(world.slab.slabs[slab].objects)
    return ask(.work(.slubInitObject, times: objects), then: .built(slab))
  }
}

/// Gives the pages of an empty slab back.
///
/// Kernel: `discard_slab()` → `free_slab()` (mm/slub.c, 6.12). Pages of a
/// SLAB_TYPESAFE_BY_RCU cache wait for a grace period (`rcu_free_slab()`): who still looks may find
/// another object in the place of his, but an object.
package enum DiscardSlab: Path {
  /// Of a slab that its node still counts.
  case start(ID<Slab>)
  case nodeHere(ID<Slab>)
  /// Of a slab that its node counts no more.
  case freeSlab(ID<Slab>)
  case done

  package static var name: PathName { .discard_slab }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab):
      let record = world.slab.slabs[slab]
      return ask(
        .touch(world.nodeLine(record.cacheID, record.nodeID)), then: .nodeHere(slab))
    case .nodeHere(let slab):
      world.slab.removeFromNode(slab)
      world.traceSlabs(of: world.slab.slabs[slab].cacheID)
      return free(slab, &world)
    case .freeSlab(let slab): return free(slab, &world)
    case .done: return .return()
    }
  }

  private mutating func free(_ slab: ID<Slab>, _ world: inout World) -> Step {
    let record = world.slab.slabs[slab]
    let waits = world.slab.caches[record.cacheID].flags.contains(.typesafeByRCU)
    world.slab.recycle(slab)
    guard !waits else {
      return ask(.call(.callRCU(.start(.freePages(record.pages, record.order)))), then: .done)
    }
    return ask(.call(.freePages(.start(record.pages, record.order))), then: .done)
  }
}
