import Hardware
import Simulation

/// The life of SLAB's caches and slabs: sized, first used, grown, given back.
extension SlabAllocator {
  /// Whether the machine has at most 32 MiB. Kernel: `kmem_cache_init()` (mm/slab.c, 6.1).
  private var isSmallMachine: Bool { owners.pageCount << pageShift <= 32 << 20 }

  /// The sizes of a cache with arrays, kept under its number.
  mutating func sizeArrays(
    _ cache: CacheID, objectSize: Int, align: Int, flags: SlabFlags, cacheLine: Int
  ) -> SlabSizing? {
    let sizing = ArrayCacheSizing(
      objectSize: objectSize, align: align, flags: flags, cpuCount: cpuCount,
      isSmallMachine: isSmallMachine, cacheLine: cacheLine, rules: rules)
    guard let sizing else { return nil }
    if cache.index >= arrays.sizings.count {
      arrays.sizings.grow(to: max(2 * arrays.sizings.count, cache.index + 64), .blank)
    }
    arrays.sizings[cache.index] = sizing
    return sizing.sizing
  }

  /// Gives a cache its arrays and nodes, at its first use.
  ///
  /// Kernel: `enable_cpucache()`, `setup_kmem_cache_node()` (mm/slab.c, 6.1). Not modelled: the
  /// memory that arrays take. Complexity: O(CPUs * limit).
  mutating func activateArrays(
    _ cache: CacheID, cpusOfNode: (Int) -> Int, _ locks: inout Locks, _ lines: inout CacheLines
  ) {
    caches[cache].name = locks.addName(names[cache.index])
    if settings.isFreelistRandom { makeSequence(cache) }
    let sizing = arrays.sizings[cache.index]
    makeNodes(cache, &locks, &lines)
    let first = arrays.makeArrays(cpuCount, limit: sizing.limit, batch: sizing.batch)
    if arrays.nodes.count < nodes.count {
      arrays.nodes.grow(to: nodes.count, .blank)
      arrays.lists.grow(to: nodes.count * ArrayCaches.List.allCases.count, .empty)
    }
    for node in 0..<nodeCount {
      let place = self.node(cache, NodeID(node))
      arrays.nodes[place] = .blank
      for kind in ArrayCaches.List.allCases {
        arrays.lists[ArrayCaches.list(kind, of: place)] = .empty
      }
      arrays.nodes[place].freeLimit = Int32(sizing.freeLimit(cpus: cpusOfNode(node)))
      guard sizing.sharedLimit > 0 else { continue }
      arrays.nodes[place].shared = Int32(
        arrays.makeArrays(1, limit: sizing.sharedLimit, batch: 0))
    }
    layouts[cache.index].cpus = Int32(first)
  }

  /// Gives back what a cache without slabs had. Kernel: `__kmem_cache_release()`.
  mutating func releaseArrays(
    _ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines
  ) {
    arrays.giveArrays(Int(layouts[cache.index].cpus), cpuCount)
    for node in 0..<nodeCount {
      let record = arrays.nodes[self.node(cache, NodeID(node))]
      if record.shared >= 0 { arrays.giveArrays(Int(record.shared), 1) }
      guard record.aliens >= 0 else { continue }
      for other in 0..<nodeCount {
        let array = Int(arrays.aliens[Int(record.aliens) + other])
        guard array >= 0 else { continue }
        locks.give(arrays.arrays[array].lock, lines: &lines)
        arrays.giveArrays(array, 1)
      }
    }
  }

  /// What a cache counted in its arrays.
  func arrayCount(_ stat: SlabStat, of cache: CacheID) -> UInt64 {
    (0..<cpuCount).reduce(0) { sum, cpu in
      let array = arrays.arrays[Int(layouts[cache.index].cpus) + cpu]
      return sum + UInt64(stat == .alloc_fastpath ? array.allocHits : array.freeHits)
    }
  }

  /// Makes a slab of pages, its first object where the node's next colour says.
  ///
  /// Kernel: the middle of `cache_grow_begin()`.
  mutating func carveArraySlab(
    _ cache: CacheID, _ pages: PFN, node: NodeID, _ lines: inout CacheLines
  ) -> ID<Slab> {
    let sizing = arrays.sizings[cache.index]
    let id = carve(cache, pages, sizing.order, node: node, &lines)
    if id.index >= arrays.slabs.count {
      arrays.slabs.grow(
        to: max(2 * arrays.slabs.count, slabs.count), ArraySlab(freelist: .null, start: 0))
    }
    let place = self.node(cache, node)
    var colour = Int(arrays.nodes[place].nextColour)
    let next = colour + 1 >= sizing.colours ? 0 : colour + 1
    // Kernel: since 4.8 the step comes first.
    if rules.checksNodeUnlocked { colour = next }
    arrays.nodes[place].nextColour = UInt16(next)
    if colour >= sizing.colours { colour = 0 }
    let start = sizing.head + colour * sizing.colourStep
    arrays.slabs[id.index] = ArraySlab(freelist: .null, start: UInt32(start))
    return id
  }

  /// Where the first object of a slab lies behind its first page. Unit: bytes.
  @inline(__always)
  func start(of id: ID<Slab>) -> UInt64 {
    settings.kind == .slab ? UInt64(arrays.slabs[id.index].start) : 0
  }
}
