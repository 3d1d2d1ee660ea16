/// Which of SLUB's slow paths a release has.
extension World {
  /// The call that allocates where the CPU's freelist has nothing.
  @inline(__always)
  func slubSlowAllocation(_ request: SlabRequest) -> Frame {
    slab.rules.isSlowPathIRQsOff
      ? .slabAllocIRQsOff(.start(request)) : .slabAlloc(.start(request))
  }
}
