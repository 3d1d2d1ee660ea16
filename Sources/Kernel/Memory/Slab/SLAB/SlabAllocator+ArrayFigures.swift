import Simulation

/// What SLAB's arrays and lists hold. For reports and checks: O(CPUs + slabs).
package struct ArrayFigures: Equatable, Sendable {
  package struct Node: Equatable, Sendable {
    package var slabs, partial, full, free: Int
    /// Objects free in slabs.
    package var freeObjects: Int
    /// Objects in the shared array, and in those of other nodes' objects.
    package var shared: Int
    package var aliens: [Int]
  }
  /// Objects in each CPU's array.
  package var cpus: [Int]
  package var nodes: [Node]
}

extension SlabAllocator {
  /// The figures of a cache's arrays.
  package func arrayFigures(of cache: CacheID) -> ArrayFigures {
    guard layouts[cache.index].cpus >= 0, settings.kind == .slab else {
      let node = ArrayFigures.Node(
        slabs: 0, partial: 0, full: 0, free: 0, freeObjects: 0, shared: 0,
        aliens: [Int](repeating: 0, count: nodeCount))
      return ArrayFigures(
        cpus: [Int](repeating: 0, count: cpuCount), nodes: Array(repeating: node, count: nodeCount))
    }
    let first = Int(layouts[cache.index].cpus)
    let nodes = (0..<nodeCount).map { node in
      let place = self.node(cache, NodeID(node))
      let here = arrays.nodes[place]
      func count(_ list: ArrayCaches.List) -> Int {
        Int(arrays.lists[ArrayCaches.list(list, of: place)].count)
      }
      return ArrayFigures.Node(
        slabs: Int(self.nodes[place].slabCount), partial: count(.partial), full: count(.full),
        free: count(.free), freeObjects: Int(here.freeObjects),
        shared: here.shared < 0 ? 0 : Int(arrays.arrays[Int(here.shared)].avail),
        aliens: (0..<nodeCount).map {
          let array = alien(cache, of: NodeID($0), at: NodeID(node))
          return array < 0 ? 0 : Int(arrays.arrays[array].avail)
        })
    }
    return ArrayFigures(
      cpus: (0..<cpuCount).map { Int(arrays.arrays[first + $0].avail) }, nodes: nodes)
  }

  /// Limits and layout of a cache with arrays; nil for others.
  package func arraySizing(of cache: CacheID) -> ArrayCacheSizing? {
    layouts[cache.index].front == .array ? arrays.sizings[cache.index] : nil
  }

  /// CPUs of a node as its `freeLimit` counts them, for tests and reports.
  package func freeLimit(of cache: CacheID, at node: NodeID) -> Int {
    layouts[cache.index].cpus < 0 ? 0 : Int(arrays.nodes[self.node(cache, node)].freeLimit)
  }

  // MARK: Invariants

  /// Walks the lists and arrays of a cache. `met` is where a slab was met.
  func checkArrays(_ cache: CacheID, _ met: inout Buffer<UInt8>) throws(BrokenInvariant) {
    for node in 0..<nodeCount {
      let place = self.node(cache, NodeID(node))
      var free = 0
      for kind in ArrayCaches.List.allCases {
        free += try checkList(kind, place, cache, NodeID(node), &met)
      }
      try ensure(
        free == Int(arrays.nodes[place].freeObjects),
        "slab: node \(node) counts \(arrays.nodes[place].freeObjects) free objects, \(free) are")
      let shared = Int(arrays.nodes[place].shared)
      if shared >= 0 { try checkArray(shared, cache, NodeID(node)) }
      for other in 0..<nodeCount {
        let array = alien(cache, of: NodeID(other), at: NodeID(node))
        guard array >= 0 else { continue }
        try ensure(
          other != node || arrays.arrays[array].avail == 0, "slab: an alien array of the own node")
        try checkArray(array, cache, NodeID(other))
      }
    }
    for cpu in 0..<cpuCount { try checkArray(Int(layouts[cache.index].cpus) + cpu, cache, nil) }
  }

  /// Returns: the free objects of the list's slabs.
  private func checkList(
    _ kind: ArrayCaches.List, _ place: Int, _ cache: CacheID, _ node: NodeID,
    _ met: inout Buffer<UInt8>
  ) throws(BrokenInvariant) -> Int {
    let list = arrays.lists[ArrayCaches.list(kind, of: place)]
    var (next, previous, count, free) = (list.first, ID<Slab>.none, 0, 0)
    while !next.isNone {
      let slab = slabs[next]
      try ensure(met[next.index] == 0, "slab: a slab is on two lists")
      met[next.index] = 1
      try ensure(
        slab.cacheID == cache && slab.nodeID == node && slab.previous == previous,
        "slab: a foreign slab on a list")
      let right: ArrayCaches.List =
        slab.inuse == 0 ? .free : slab.inuse == slab.objects ? .full : .partial
      try ensure(right == kind, "slab: a slab with \(slab.inuse) in use is on the \(kind) list")
      free += Int(slab.objects) - Int(slab.inuse)
      (next, previous, count) = (slab.next, next, count + 1)
    }
    try ensure(list.last == previous && count == Int(list.count), "slab: a list lost count")
    return free
  }

  /// An object in an array is its slab's, free, and of the node the array is for. An array that is
  /// being flushed names objects that are back in their slabs.
  private func checkArray(
    _ array: Int, _ cache: CacheID, _ node: NodeID?
  ) throws(BrokenInvariant) {
    let record = arrays.arrays[array]
    try ensure(record.avail <= record.limit, "slab: an array holds more than its limit")
    try ensure(record.given <= record.avail, "slab: an array gave back more than it holds")
    for place in Int(record.given)..<Int(record.avail) {
      let object = arrays.entries[Int(record.first) + place]
      let slab = slabs[object.slab]
      try ensure(
        slab.cacheID == cache && (node == nil || slab.nodeID == node), "slab: a foreign object")
      try ensure(
        links[Int(object.link)] == Link.cached
          && address(object.slab, UInt16(Int(object.link) - Int(slab.links))) == object.address,
        "slab: an object in an array is not free")
    }
  }

  /// Objects in all arrays of a cache: what counts as used, and is not allocated.
  func arrayedCount(of cache: CacheID) -> Int {
    let figures = arrayFigures(of: cache)
    return figures.cpus.reduce(0, +)
      + figures.nodes.reduce(0) { $0 + $1.shared + $1.aliens.reduce(0, +) }
  }
}
