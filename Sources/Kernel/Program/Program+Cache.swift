extension Program {
  /// A kmem_cache that the workload makes. Its number is its place in `caches`.
  package struct Cache: Sendable {
    package var name: String
    package var size: Int
    package var align: Int
    /// Objects that its sheaves shall hold; 0: as the release has it.
    package var sheaf = 0
    package var isHardwareAligned: Bool
    package var isReclaimable: Bool
    package var isTypesafeByRCU: Bool
    /// What SLUB checks in it.
    package var debug: SlabFlags = []
    package var hasConstructor: Bool
    /// Whether it exists before the first thread starts; else a `cacheCreate` makes it.
    package var isMadeAtStart = true
    package init(
      name: String, size: Int, align: Int = 0, isHardwareAligned: Bool = false,
      isReclaimable: Bool = false, isTypesafeByRCU: Bool = false, hasConstructor: Bool = false
    ) {
      (self.name, self.size, self.align) = (name, size, align)
      (self.isHardwareAligned, self.isReclaimable) = (isHardwareAligned, isReclaimable)
      (self.isTypesafeByRCU, self.hasConstructor) = (isTypesafeByRCU, hasConstructor)
    }
  }
}

extension World {
  /// The call that creates a cache of the workload. One that was merged has one more user again.
  mutating func creation(of number: Int) -> KmemCacheCreate {
    let cache = program.caches[number]
    if program.isDestroyed[number], slab.caches[cache].state == .live { slab.addUser(of: cache) }
    program.isDestroyed[number] = false
    return .start(cache)
  }

  /// The call that destroys a cache of the workload, which others may have under another name.
  mutating func destruction(of number: Int) -> KmemCacheDestroy {
    let (cache, isAgain) = (program.caches[number], program.isDestroyed[number])
    program.isDestroyed[number] = true
    return isAgain && slab.caches[cache].state == .live ? .again(cache) : .start(cache)
  }
}
