import Hardware
import Simulation

/// Which of SLUB's slow paths a release has.
extension World {
  /// The call that allocates where the CPU's freelist has nothing.
  @inline(__always)
  func slubSlowAllocation(_ request: SlabRequest) -> Frame {
    if isDebugLocked(request.cacheID) { return .debugAlloc(.start(request)) }
    if !slab.rules.isSlowPathIRQsOff { return .slabAlloc(.start(request)) }
    return slab.rules.hasSlabCmpxchg
      ? .slabAllocIRQsOff(.start(request)) : .slabAllocLocked(.start(request))
  }

  /// The call that frees an object whose slab is not this CPU's.
  @inline(__always)
  func slubSlowFree(_ id: ID<Slab>, _ index: UInt16) -> Frame {
    if slab.layouts[slab.slabs[id].cacheID.index].isDebug, slab.rules.hasSlabCmpxchg {
      return .debugFree(.start(id, index))
    }
    return slab.rules.hasSlabCmpxchg
      ? .slabFree(.start(id, .one(index))) : .slabFreeLocked(.start(id, index))
  }

  /// Whether a cache's objects are taken one at a time, each under list_lock.
  @inline(__always)
  func isDebugLocked(_ cache: CacheID) -> Bool {
    slab.layouts[cache.index].isDebug && slab.rules.isDebugUnderListLock
  }

  /// The call that gives up a slab that was a CPU's, with what was left of its freelist.
  @inline(__always)
  func deactivation(_ id: ID<Slab>, _ freelist: UInt16) -> Frame {
    slab.rules.hasSlabCmpxchg
      ? .deactivateSlab(.start(id, freelist))
      : .deactivateLocked(.start(id, freelist, refills: false))
  }
}

/// What slow paths of several releases have in common.
extension World {
  /// A new slab is its node's from now on. Returns: the line with the node's counts.
  ///
  /// Kernel: `inc_slabs_node()` (mm/slub.c, 6.12).
  mutating func countNewSlab(_ id: ID<Slab>) -> LineID {
    let (cache, node) = (slab.slabs[id].cacheID, slab.slabs[id].nodeID)
    slab.note(.alloc_slab, of: cache)
    slab.addToNode(id)
    traceSlabs(of: cache)
    return nodeLine(cache, node)
  }

  /// Whether a search for partial slabs goes on to other nodes this time.
  ///
  /// The kernel draws on the cycle counter; here each CPU has a stream of its own.
  /// Kernel: `get_any_partial()` (mm/slub.c, 6.12).
  @inline(__always)
  mutating func searchesOtherNodes(_ cache: CacheID, on cpu: CPUID) -> Bool {
    let ratio = slab.caches[cache].remoteNodeDefragRatio
    return ratio > 0 && slab.nodeCount > 1
      && slab.draws[cpu.index].next() % 1024 <= UInt64(ratio)
  }

  /// The first zone from a place of the CPU's zonelist on that a request may use: its place there,
  /// and the line with its node's counts. Kernel: the loop of `get_any_partial()`.
  @inline(__always)
  func searchedZone(
    _ request: SlabRequest, from place: UInt16, on cpu: CPUID
  ) -> (place: UInt16, line: LineID)? {
    let own = memoryNode(of: cpu)
    let count = pages.zonelist.count(of: own, thisNodeOnly: false)
    let next = pages.zonelist.next(
      own, from: Int(place), count: count, highest: ZoneKind(request.gfp))
    guard let next else { return nil }
    return (UInt16(next), nodeLine(request.cacheID, pages.zonelist.entry(own, next).node))
  }

  /// The node of a zone, if it has more partial slabs of the cache than it should keep.
  @inline(__always)
  func nodeWithSpares(_ request: SlabRequest, at place: UInt16, on cpu: CPUID) -> NodeID? {
    let node = pages.zonelist.entry(memoryNode(of: cpu), Int(place)).node
    let count = slab.nodes[slab.node(request.cacheID, node)].partialCount
    return count > Int32(slab.layouts[request.cacheID.index].minPartial) ? node : nil
  }
}
