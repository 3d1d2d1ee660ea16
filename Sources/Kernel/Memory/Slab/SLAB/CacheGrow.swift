import Hardware
import Simulation

/// Pages for a new slab, cut into free objects; the slab is on no list and not counted yet.
///
/// Interrupts are off but for the page allocation, where the mask lets that block. Returns: the
/// slab, or none.
///
/// Kernel: `cache_grow_begin()`, up to 4.7 `cache_grow()`; `gfp_exact_node()`, `kmem_getpages()`,
/// `alloc_slabmgmt()` (mm/slab.c; 3.10, 4.4, 6.1 compared).
package enum CacheGrow: Path {
  case start(SlabRequest)
  /// For the node of the CPU, or the one in the request, alone.
  case startOwn(SlabRequest)
  case colourLocked(SlabRequest)
  case pagesWanted(SlabRequest)
  case irqsOn(SlabRequest)
  case pagesGiven(SlabRequest)
  case indexesGiven(SlabRequest, ID<Slab>)
  case built(SlabRequest, ID<Slab>)
  case done(ID<Slab>)

  package static var name: PathName { .cache_grow_begin }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .startOwn(let request):
      let node = request.node == .any ? world.memoryNode(of: cpu) : request.node
      var exact = request.exactly(node)
      // Up to 4.0 the mask stayed as it was, though reclaim was left out.
      if world.slab.rules.waitsForOwnNode {
        exact.gfp = request.gfp.union([.thisNode, .noWarn, .noRetry])
      }
      return begin(exact, &world, cpu)
    case .start(let request): return begin(request, &world, cpu)
    case .colourLocked(let request):
      let lock = world.listLock(request.cacheID, request.node)
      return ask(.release(lock), then: .pagesWanted(request))
    case .pagesWanted(let request):
      guard request.gfp.allowsBlocking else { return getPages(request, world.slab) }
      return ask(.enable(.irqs), then: .irqsOn(request))
    case .irqsOn(let request): return getPages(request, world.slab)
    case .pagesGiven(let request):
      guard !reply.pfn.isNone else { return end(request, .none) }
      return build(request, reply.pfn, &world)
    case .indexesGiven(let request, let slab):
      guard reply.address != .null else {
        let (pages, order) = (world.slab.slabs[slab].pages, world.slab.slabs[slab].order)
        world.slab.recycle(slab)
        return ask(
          .call(.freePages(.start(pages, order))), then: .built(request, .none))
      }
      world.slab.arrays.slabs[slab.index].freelist = reply.address
      return initialize(request, slab, &world)
    case .built(let request, let slab): return end(request, slab)
    case .done(let slab): return .return(.slab(slab))
    }
  }

  private mutating func begin(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var request = request
    if !request.gfp.isDisjoint(with: .slabBug) {
      request.gfp = world.fixSlabFlags(request.gfp, on: cpu)
    }
    request.gfp = request.gfp.intersection(.slabPages)
    guard !world.slab.rules.checksNodeUnlocked, request.node != .any,
      world.slab.hasMemory(request.node)
    else {
      self = .pagesWanted(request)
      return step(&world, on: cpu, .none)
    }
    // Up to 4.7 the colour was chosen before, under the lock.
    let lock = world.listLock(request.cacheID, request.node)
    return ask(.acquire(lock), then: .colourLocked(request))
  }

  private mutating func getPages(
    _ request: SlabRequest, _ slab: borrowing SlabAllocator
  ) -> Step {
    let cache = request.cacheID
    let (order, gfp) = (slab.caches[cache].sizing.order, slab.caches[cache].gfp)
    return ask(
      .call(.allocPages(.start(order: order, gfp: request.gfp.union(gfp), node: request.node))),
      then: .pagesGiven(request))
  }

  private mutating func build(
    _ request: SlabRequest, _ pages: PFN, _ world: inout World
  ) -> Step {
    let cache = request.cacheID
    let node = world.pages.zones[Int(world.pages.map[pages].zone)].node
    let slab = world.slab.carveArraySlab(cache, pages, node: node, &world.lines)
    let sizing = world.slab.arrays.sizings[cache.index]
    guard sizing.placement == .offSlab else { return initialize(request, slab, &world) }
    let gfp = request.gfp.subtracting([.hardWall, .thisNode])
    let list = world.slab.kmallocCache(size: sizing.freelistBytes, gfp: [])
    return ask(
      .call(.kmemCacheAlloc(.start(cache: list, gfp: gfp, node: node))),
      then: .indexesGiven(request, slab))
  }

  private mutating func initialize(
    _ request: SlabRequest, _ slab: ID<Slab>, _ world: inout World
  ) -> Step {
    let objects = Int32(world.slab.slabs[slab].objects)
    return ask(.work(.slabInitObject, times: objects), then: .built(request, slab))
  }

  private mutating func end(_ request: SlabRequest, _ slab: ID<Slab>) -> Step {
    guard request.gfp.allowsBlocking else { return .return(.slab(slab)) }
    return ask(.disable(.irqs), then: .done(slab))
  }
}

/// Gives back the pages of slabs that no node counts any more, a chain through `next`.
///
/// Those of a SLAB_TYPESAFE_BY_RCU cache wait for a grace period (`kmem_rcu_free()`); indexes that
/// lie elsewhere are freed at once.
///
/// Kernel: `slabs_destroy()`, `slab_destroy()`, `kmem_freepages()` (mm/slab.c, 6.1).
package enum SlabsDestroy: Path {
  case start(ID<Slab>)
  case pagesFreed(freelist: Address, next: ID<Slab>)
  case freed(next: ID<Slab>)

  package static var name: PathName { .slabs_destroy }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab), .freed(let slab): return next(slab, &world)
    case .pagesFreed(let freelist, let next):
      guard freelist != .null else { return self.next(next, &world) }
      return ask(.call(.kfree(.start(freelist))), then: .freed(next: next))
    }
  }

  private mutating func next(_ first: ID<Slab>, _ world: inout World) -> Step {
    guard !first.isNone else { return .return() }
    let record = world.slab.slabs[first]
    let freelist = world.slab.arrays.slabs[first.index].freelist
    let waits = world.slab.caches[record.cacheID].flags.contains(.typesafeByRCU)
    world.slab.note(.free_slab, of: record.cacheID)
    world.slab.recycle(first)
    let free: Frame =
      waits
      ? .callRCU(.start(.freePages(record.pages, record.order)))
      : .freePages(.start(record.pages, record.order))
    return ask(.call(free), then: .pagesFreed(freelist: freelist, next: record.next))
  }
}
