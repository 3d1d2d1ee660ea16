import Simulation

extension SlabAllocator {
  /// Walks the sheaves of all caches and stops at the first contradiction.
  ///
  /// Sheaves that a path holds are in no place and are allowed for. Complexity: O(sheaves +
  /// objects in them).
  func checkSheaves() throws(BrokenInvariant) {
    var isMet = Buffer<UInt8>(max(sheaves.used, 1), 0)
    var isHeld = Buffer<UInt8>(max(linksUsed, 1), 0)
    for cache in names.indices.map({ CacheID($0) })
    where layouts[cache.index].cpus >= 0 && layouts[cache.index].front == .sheaf {
      for cpu in 0..<cpuCount {
        let mine = sheaves.cpus[self.cpu(cache, CPUID(cpu))]
        if mine.main.isNone {
          try ensure(mine.size == 0 && mine.capacity == 0, "sheaves: objects without a sheaf")
        } else {
          try ensure(
            mine.capacity == sheaves.all[mine.main].capacity
              && mine.base == sheaves.all[mine.main].base,
            "sheaves: a CPU's copy of its main sheaf is stale")
          // With the lock held it may be in the barn already.
          if !mine.isLocked {
            try checkSheaf(mine.main, Int(mine.size), cache, &isMet, &isHeld)
          }
        }
        if !mine.spare.isNone {
          try checkSheaf(mine.spare, Int(sheaves.all[mine.spare].size), cache, &isMet, &isHeld)
        }
        if !mine.rcuFree.isNone { try checkWaiting(mine.rcuFree, cache, &isMet) }
      }
      for node in 0..<nodeCount {
        try checkBarn(self.node(cache, NodeID(node)), cache, &isMet, &isHeld)
      }
    }
  }

  private func checkBarn(
    _ place: Int, _ cache: CacheID, _ isMet: inout Buffer<UInt8>, _ isHeld: inout Buffer<UInt8>
  ) throws(BrokenInvariant) {
    let barn = sheaves.barns[place]
    for (first, count, isFull) in [
      (barn.firstFull, barn.fullCount, true), (barn.firstEmpty, barn.emptyCount, false),
    ] {
      var (next, seen) = (first, Int32(0))
      while !next.isNone {
        let sheaf = sheaves.all[next]
        try checkSheaf(next, Int(sheaf.size), cache, &isMet, &isHeld)
        try ensure(
          isFull == (sheaf.size > 0), "sheaves: a barn's list has a sheaf of the other kind")
        (next, seen) = (sheaf.next, seen + 1)
      }
      try ensure(seen == count, "sheaves: a barn counts \(count) sheaves, and \(seen) are there")
    }
  }

  /// What `kfree_rcu()` fills: its objects are their users' still, if these follow the rules.
  private func checkWaiting(
    _ id: ID<Sheaf>, _ cache: CacheID, _ isMet: inout Buffer<UInt8>
  ) throws(BrokenInvariant) {
    try ensure(isMet[id.index] == 0, "sheaves: a sheaf is in two places")
    isMet[id.index] = 1
    let sheaf = sheaves.all[id]
    try ensure(
      sheaf.cacheID == cache && sheaf.size < sheaf.capacity,
      "sheaves: an rcu_free sheaf of another cache, or a full one")
  }

  private func checkSheaf(
    _ id: ID<Sheaf>, _ size: Int, _ cache: CacheID, _ isMet: inout Buffer<UInt8>,
    _ isHeld: inout Buffer<UInt8>
  ) throws(BrokenInvariant) {
    try ensure(isMet[id.index] == 0, "sheaves: a sheaf is in two places")
    isMet[id.index] = 1
    let sheaf = sheaves.all[id]
    try ensure(
      sheaf.cacheID == cache && size <= Int(sheaf.capacity) && !sheaf.isInHand,
      "sheaves: a sheaf of another cache or in a user's hand, or with too many objects")
    for place in 0..<size {
      let object = sheaves.objects[Int(sheaf.base) + place]
      let slab = slabs[object.slab]
      try ensure(
        slab.cacheID == cache && object.index < slab.objects,
        "sheaves: a sheaf holds what is no object of its cache")
      let link = Int(slab.links) + Int(object.index)
      try ensure(isHeld[link] == 0, "sheaves: an object is in two sheaves")
      isHeld[link] = 1
      try ensure(
        links[link] == Link.cached, "sheaves: an object of a sheaf is free or allocated too")
    }
  }
}
