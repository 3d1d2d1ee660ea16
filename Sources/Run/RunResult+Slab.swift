/// What a result says of the slab allocator.
extension RunResult {
  package struct Cache: Encodable, Sendable {
    package var name: String
    package var objectSize: Int
    package var slabSize: Int
    package var objectsPerSlab: Int
    package var order: Int
    package var slabs: Int
    package var activeObjects: Int
    package var objects: Int
    package var partial: Int
    /// SLAB_RECLAIM_ACCOUNT: its pages count as reclaimable.
    package var isReclaimable: Bool
    package var slabsByNode: [Int]
    /// SLUB_STATS, under the kernel's names; empty for a cache that was never used.
    package var stats: [String: UInt64]
    /// What SLAB has beside slabs; none elsewhere.
    package var arrays: Arrays?

    package struct Arrays: Encodable, Sendable {
      /// Objects of a CPU's array, and how many move at a time.
      package var limit: Int
      package var batchcount: Int
      /// The shared array's limit in batches, and what the shared arrays of all nodes hold.
      package var sharedfactor: Int
      package var sharedavail: Int
      package var freeSlabs: Int
    }
    /// Slabs that CPUs have, on lists too.
    package var cpuSlabs = 0
    /// The letters of tools/mm/slabinfo: A aligned to cache lines, a reclaimable, d of ZONE_DMA, * with aliases,
    /// C with a constructor, t SLAB_TYPESAFE_BY_RCU.
    package var flags = ""
    /// Other names of this cache: of those that were merged into it.
    package var aliases: [String] = []
  }

  /// SLOB's pages. Those of a list have free blocks, the full ones none.
  package struct Slob: Encodable, Sendable {
    package struct List: Encodable, Sendable {
      /// `small`, `medium`, `large`: of blocks below 256 and 1024 bytes, and of others; `all` where
      /// the release has one list.
      package var name: String
      package var pages: Int
      package var freeBytes: Int
      package var holes: Int
      package var largestHole: Int
      package var searches: UInt64
      /// Searches that found no block, so that a page was taken.
      package var misses: UInt64
      package var pagesPassed: UInt64
    }
    package var lists: [List]
    package var fullPages: Int
  }
}
