import Simulation

extension SlabAllocator {
  /// Walks all slabs, lists and links and stops at the first contradiction.
  ///
  /// A slab between two places, or a list that a path holds, is allowed for: paths may be stopped
  /// anywhere. Returns: objects allocated. Complexity: O(objects).
  @discardableResult
  package func checkInvariants() throws(BrokenInvariant) -> Int {
    // Where a slab was met: 0 nowhere yet, else one of the three places.
    if settings.kind == .slob { try slob.checkInvariants() }
    var met = Buffer<UInt8>(max(slabsUsed, 1), 0)
    var counted = 0
    for cache in names.indices.map({ CacheID($0) }) where layouts[cache.index].cpus >= 0 {
      for node in 0..<nodeCount {
        counted += Int(nodes[self.node(cache, NodeID(node))].slabCount)
      }
      if layouts[cache.index].front == .array {
        try checkArrays(cache, &met)
        continue
      }
      for node in 0..<nodeCount { try checkNodeList(cache, NodeID(node), &met) }
      for cpu in 0..<cpuCount { try checkCPU(cache, CPUID(cpu), &met) }
    }
    try checkCounts(met)
    try checkSheaves()
    try ensure(counted == slabCount, "slab: the count of all slabs is not that of all nodes")
    var taken = 0
    for id in 0..<slabsUsed where slabs[id].objects > 0 { taken += try checkObjects(ID(id)) }
    return taken
  }

  private func checkNodeList(_ cache: CacheID, _ node: NodeID, _ met: inout Buffer<UInt8>)
    throws(BrokenInvariant)
  {
    let here = nodes[self.node(cache, node)]
    var (next, previous, count) = (here.first, ID<Slab>.none, 0)
    while !next.isNone {
      let slab = slabs[next]
      try ensure(met[next.index] == 0, "slab: a slab is in two places")
      met[next.index] = 1
      try ensure(
        slab.cacheID == cache && slab.nodeID == node && slab.previous == previous,
        "slab: a foreign slab on a node's list")
      try ensure(
        slab.isOnNodeList && !slab.isFrozen && slab.freelist != Link.end,
        "slab: a full or frozen slab on a node's list")
      (next, previous, count) = (slab.next, next, count + 1)
    }
    try ensure(here.last == previous && count == Int(here.partialCount), "slab: a list lost count")
  }

  private func checkCPU(_ cache: CacheID, _ cpu: CPUID, _ met: inout Buffer<UInt8>)
    throws(BrokenInvariant)
  {
    let mine = cpus[self.cpu(cache, cpu)]
    if !mine.slab.isNone {
      let slab = slabs[mine.slab]
      try ensure(met[mine.slab.index] == 0, "slab: a CPU's slab is somewhere else too")
      met[mine.slab.index] = 2
      try ensure(slab.cacheID == cache && !slab.isOnNodeList, "slab: a CPU has a foreign slab")
      try ensure(
        slab.pages == mine.pages && slab.links == mine.links && slab.node == mine.node,
        "slab: a CPU's copy of its slab is stale")
    } else {
      try ensure(mine.freelist == Link.end, "slab: a freelist without a slab")
    }
    var (next, count) = (mine.partial, mine.partial.isNone ? 0 : slabs[mine.partial].slabsOfList)
    while !next.isNone {
      let slab = slabs[next]
      try ensure(met[next.index] == 0, "slab: a slab of a CPU's list is somewhere else too")
      met[next.index] = 3
      try ensure(
        slab.cacheID == cache && !slab.isOnNodeList && slab.isFrozen == rules.freezesPartials,
        "slab: a foreign slab on a CPU's list, or one frozen as its release would not")
      try ensure(
        slab.freelist != Link.end && slab.slabsOfList == count, "slab: a CPU's list lost count")
      (next, count) = (slab.next, count - 1)
    }
    try ensure(count == 0, "slab: a CPU's list lost count")
  }

  /// A slab that is somewhere is one that its node counts.
  private func checkCounts(_ met: borrowing Buffer<UInt8>) throws(BrokenInvariant) {
    var seen = Buffer<Int32>(max(nodesUsed, 1), 0)
    var objects = Buffer<Int32>(max(nodesUsed, 1), 0)
    for id in 0..<slabsUsed where met[id] != 0 {
      let place = node(slabs[id].cacheID, slabs[id].nodeID)
      seen[place] += 1
      objects[place] += Int32(slabs[id].objects)
    }
    for place in 0..<nodesUsed {
      let here = nodes[place]
      try ensure(
        here.slabCount >= seen[place] && here.objectCount >= objects[place],
        "slab: a node counts \(here.slabCount) slabs with \(here.objectCount) objects, "
          + "\(seen[place]) with \(objects[place]) are there")
    }
  }

  /// Walks one list of free objects, which may be broken.
  private func length(_ id: ID<Slab>, _ list: UInt16) throws(BrokenInvariant) -> Int {
    var (next, count) = (list, 0)
    while next != Link.end {
      try ensure(
        next < slabs[id].objects && count < Int(slabs[id].objects),
        "slab: a freelist leads nowhere")
      next = links[Int(slabs[id].links) + Int(next)]
      count += 1
    }
    return count
  }

  /// Walks the free objects of a slab. Returns: objects allocated.
  private func checkObjects(_ id: ID<Slab>) throws(BrokenInvariant) -> Int {
    let slab = slabs[id]
    var taken = 0
    for index in 0..<slab.objects {
      taken += isTaken(id, index) ? 1 : 0
      try ensure(
        address(id, index) >= address(slab.pages, 0, size: 0),
        "slab: an object lies before its slab")
    }
    let own = try length(id, slab.freelist)
    try ensure(Int(slab.inuse) + own == Int(slab.objects), "slab: inuse and freelist disagree")
    guard layouts[slab.cacheID.index].front != .array else {
      try checkArraySlab(id, taken: taken, own: own)
      return taken
    }
    var local = 0
    for cpu in 0..<cpuCount where layouts[slab.cacheID.index].cpus >= 0 {
      let mine = cpus[self.cpu(slab.cacheID, CPUID(cpu))]
      if mine.slab == id { local = try length(id, mine.freelist) }
    }
    try ensure(taken + own + local <= Int(slab.objects), "slab: an object is on two lists")
    try checkOwners(id)
    return taken
  }

  private func checkOwners(_ id: ID<Slab>) throws(BrokenInvariant) {
    let slab = slabs[id]
    for page in 0..<slab.order.pageCount {
      try ensure(
        owners[slab.pages.index + page] == Int32(id.index) + 1, "slab: a page lost its slab")
    }
  }

  /// Of a SLAB slab: each object is allocated, free in the slab or in an array.
  private func checkArraySlab(
    _ id: ID<Slab>, taken: Int, own: Int
  ) throws(BrokenInvariant) {
    let slab = slabs[id]
    let links = Int(slab.links)..<Int(slab.links) + Int(slab.objects)
    let cached = links.reduce(0) { $0 + (self.links[$1] == Link.cached ? 1 : 0) }
    try ensure(
      taken + own + cached == Int(slab.objects), "slab: an object is nowhere, or in two places")
    try checkOwners(id)
  }
}
