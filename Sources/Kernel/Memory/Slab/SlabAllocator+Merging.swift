import Simulation

/// Merging of caches that are alike: a new one becomes another name of an old one.
///
/// On request only (`slab-merge`): figures by cache are clearer without, and the recorded lists ran
/// with `slab_nomerge`.
///
/// Kernel: `find_mergeable()`, `__kmem_cache_alias()` (mm/slab_common.c, 6.1). Not modelled: the
/// object size of the older cache growing to that of the newer.
extension SlabAllocator {
  /// What must be the same in both. Kernel: `SLAB_MERGE_SAME`.
  private static let mergeSame: SlabFlags = [.reclaimAccount, .dma, .account]

  private static let neverMerge: SlabFlags =
    [.noMerge, .typesafeByRCU, .constructor, .boot, .consistency, .redZone, .poison, .storeUser]

  /// Whether a cache may be merged with another. Kernel: `slab_unmergeable()`,
  /// `SLAB_NEVER_MERGE`; the normal kmalloc caches are kept apart from accounted ones (5.14).
  private func isMergeable(_ cache: CacheID) -> Bool {
    let flags = caches[cache].flags
    let asksForSheaf = caches[cache].sizing.sheafCapacity > 0 && rules.sheaves != .all
    guard caches[cache].state == .live, !asksForSheaf else { return false }
    guard flags.isDisjoint(with: SlabAllocator.neverMerge) else { return false }
    guard flags.contains(.kmalloc), flags.isDisjoint(with: SlabAllocator.mergeSame) else {
      return true
    }
    return !(rules.hasAccountedCaches && settings.memcg) && !settings.hasRandomCopies
  }

  /// The cache that a new one would be another name of. Complexity: O(caches).
  func mergeable(
    objectSize: Int, align: Int, flags: SlabFlags, sheaf: Int, cacheLine: Int
  ) -> CacheID? {
    guard settings.merges, settings.kind != .slob, sheaf == 0,
      flags.isDisjoint(with: SlabAllocator.neverMerge), settings.debug.isEmpty
    else { return nil }
    let aligned = SlabSizing.alignment(
      requested: align, objectSize: objectSize, flags: flags, cacheLine: cacheLine,
      rules.lineAlignment(of: settings.kind))
    let size = roundUp(roundUp(objectSize, to: SlabSizing.wordSize), to: aligned)
    return names.indices.lazy.map { CacheID($0) }.first { cache in
      let own = Int(self.layouts[cache.index].size)
      return self.isMergeable(cache) && size <= own && own - size < SlabSizing.wordSize
        && own & (aligned - 1) == 0
        && flags.intersection(SlabAllocator.mergeSame)
          == self.caches[cache].flags.intersection(SlabAllocator.mergeSame)
    }
  }

  /// Gives a cache another name, and one more user.
  mutating func addAlias(_ name: String, of cache: CacheID) {
    aliases[cache.index, default: []].append(name)
    addUser(of: cache)
  }

  /// One more user of a cache that lives; its name is known. Kernel: `kmem_cache.refcount`.
  mutating func addUser(of cache: CacheID) { furtherUsers[cache.index, default: 0] += 1 }

  /// A user of the cache is gone. Returns: whether others are left.
  mutating func dropUser(of cache: CacheID) -> Bool {
    guard let users = furtherUsers[cache.index], users > 0 else { return false }
    furtherUsers[cache.index] = users - 1
    return true
  }

  /// The other names that a cache has had.
  package func aliases(of cache: CacheID) -> [String] { aliases[cache.index] ?? [] }
}
