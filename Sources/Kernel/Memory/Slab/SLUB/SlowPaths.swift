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
