import Simulation

extension SlabAllocator {
  /// Walks all slabs, lists and links and stops at the first contradiction.
  ///
  /// A slab between two places, or a list that a path holds, is allowed for: paths may be stopped
  /// anywhere. Returns: objects allocated. Complexity: O(objects).
  @discardableResult
  package func checkInvariants() -> Int {
    // Where a slab was met: 0 nowhere yet, else one of the three places.
    var met = Buffer<UInt8>(max(slabsUsed, 1), 0)
    for cache in names.indices.map({ CacheID($0) }) where layouts[cache.index].cpus >= 0 {
      for node in 0..<nodeCount { checkNodeList(cache, NodeID(node), &met) }
      for cpu in 0..<cpuCount { checkCPU(cache, CPUID(cpu), &met) }
      checkCounts(cache)
    }
    var taken = 0
    for id in 0..<slabsUsed where slabs[id].objects > 0 { taken += checkObjects(ID(id)) }
    return taken
  }

  private func checkNodeList(_ cache: CacheID, _ node: NodeID, _ met: inout Buffer<UInt8>) {
    let here = nodes[self.node(cache, node)]
    var (next, previous, count) = (here.first, ID<Slab>.none, 0)
    while !next.isNone {
      let slab = slabs[next]
      precondition(met[next.index] == 0, "a slab is in two places")
      met[next.index] = 1
      precondition(slab.cacheID == cache && slab.nodeID == node && slab.previous == previous)
      precondition(slab.isOnNodeList && !slab.isFrozen && slab.freelist != Link.end)
      (next, previous, count) = (slab.next, next, count + 1)
    }
    precondition(here.last == previous && count == Int(here.partialCount), "a list lost count")
  }

  private func checkCPU(_ cache: CacheID, _ cpu: CPUID, _ met: inout Buffer<UInt8>) {
    let mine = cpus[self.cpu(cache, cpu)]
    if !mine.slab.isNone {
      let slab = slabs[mine.slab]
      precondition(met[mine.slab.index] == 0, "a CPU's slab is somewhere else too")
      met[mine.slab.index] = 2
      precondition(slab.cacheID == cache && !slab.isOnNodeList)
      precondition(slab.pages == mine.pages && slab.links == mine.links && slab.node == mine.node)
    } else {
      precondition(mine.freelist == Link.end, "a freelist without a slab")
    }
    var (next, count) = (mine.partial, mine.partial.isNone ? 0 : slabs[mine.partial].slabsOfList)
    while !next.isNone {
      let slab = slabs[next]
      precondition(met[next.index] == 0, "a slab of a CPU's list is somewhere else too")
      met[next.index] = 3
      precondition(slab.cacheID == cache && !slab.isOnNodeList && !slab.isFrozen)
      precondition(slab.freelist != Link.end && slab.slabsOfList == count)
      (next, count) = (slab.next, count - 1)
    }
    precondition(count == 0, "a CPU's list lost count")
  }

  private func checkCounts(_ cache: CacheID) {
    for node in 0..<nodeCount {
      let here = nodes[self.node(cache, NodeID(node))]
      precondition(here.slabCount >= here.partialCount && here.objectCount >= here.slabCount)
    }
  }

  /// Walks the free objects of a slab. Returns: objects allocated.
  private func checkObjects(_ id: ID<Slab>) -> Int {
    let slab = slabs[id]
    var taken = 0
    for index in 0..<slab.objects {
      taken += isTaken(id, index) ? 1 : 0
      precondition(
        address(id, index) >= address(slab.pages, 0, size: 0), "an object lies before its slab")
    }
    let own = count(id, slab.freelist)
    precondition(Int(slab.inuse) + own == Int(slab.objects), "inuse and freelist disagree")
    var local = 0
    for cpu in 0..<cpuCount where layouts[slab.cacheID.index].cpus >= 0 {
      let mine = cpus[self.cpu(slab.cacheID, CPUID(cpu))]
      if mine.slab == id { local = count(id, mine.freelist) }
    }
    precondition(taken + own + local <= Int(slab.objects), "an object is on two lists")
    for page in 0..<slab.order.pageCount {
      precondition(owners[slab.pages.index + page] == Int32(id.index) + 1, "a page lost its slab")
    }
    return taken
  }
}
