import Simulation

/// The lists of partial slabs: a node's, guarded by its list_lock, and a CPU's, its own.
extension SlabAllocator {
  enum End: BitwiseCopyable { case head, tail }

  /// Kernel: `add_partial()` (mm/slub.c, 6.12). The caller has list_lock.
  mutating func addPartial(_ id: ID<Slab>, to end: End) {
    let place = node(slabs[id].cacheID, slabs[id].nodeID)
    switch end {
    case .tail:
      let last = nodes[place].last
      (slabs[id].next, slabs[id].previous) = (.none, last)
      if last.isNone { nodes[place].first = id } else { slabs[last].next = id }
      nodes[place].last = id
    case .head:
      let first = nodes[place].first
      (slabs[id].next, slabs[id].previous) = (first, .none)
      if first.isNone { nodes[place].last = id } else { slabs[first].previous = id }
      nodes[place].first = id
    }
    slabs[id].isOnNodeList = true
    nodes[place].partialCount += 1
  }

  /// Kernel: `remove_partial()` (mm/slub.c, 6.12). The caller has list_lock.
  mutating func removePartial(_ id: ID<Slab>) {
    let place = node(slabs[id].cacheID, slabs[id].nodeID)
    let (next, previous) = (slabs[id].next, slabs[id].previous)
    if previous.isNone { nodes[place].first = next } else { slabs[previous].next = next }
    if next.isNone { nodes[place].last = previous } else { slabs[next].previous = previous }
    (slabs[id].next, slabs[id].previous) = (.none, .none)
    slabs[id].isOnNodeList = false
    nodes[place].partialCount -= 1
  }

  /// Pushes a slab on the CPU's list. Returns: the whole old list where `draining` and it was full,
  /// for the caller to move to the nodes; else `none`.
  ///
  /// Kernel: the section of `put_cpu_partial()` (mm/slub.c, 6.12) under its local lock.
  mutating func pushCPUPartial(_ id: ID<Slab>, on cpu: CPUID, draining: Bool) -> ID<Slab> {
    let cache = slabs[id].cacheID
    let place = self.cpu(cache, cpu)
    var (old, drained) = (cpus[place].partial, ID<Slab>.none)
    if draining, isCPUListFull(cache, on: cpu) { (old, drained) = (.none, old) }
    var (count, free) = (1, Int(slabs[id].objects) - Int(slabs[id].inuse))
    if !old.isNone {
      count += slabs[old].slabsOfList
      free += slabs[old].objectsOfList
    }
    slabs[id].next = old
    slabs[id].previous = Slab.listed(slabs: count, objects: free)
    cpus[place].partial = id
    return drained
  }

  /// Whether the CPU's list must be drained before one more slab is pushed.
  ///
  /// Kernel: the test in `put_cpu_partial()` (mm/slub.c; 5.15 and 5.17 compared).
  func isCPUListFull(_ cache: CacheID, on cpu: CPUID) -> Bool {
    let first = cpus[self.cpu(cache, cpu)].partial
    guard !first.isNone else { return false }
    return switch rules.cpuPartialUnit {
    case .objects: slabs[first].objectsOfList > Int(layouts[cache.index].cpuPartial)
    case .slabs: slabs[first].slabsOfList >= Int(layouts[cache.index].cpuPartialSlabs)
    case .none: true
    }
  }

  /// Takes the first slab of the CPU's list. Returns: `none` when it is empty.
  mutating func popCPUPartial(_ cache: CacheID, on cpu: CPUID) -> ID<Slab> {
    let place = self.cpu(cache, cpu)
    let first = cpus[place].partial
    if !first.isNone { cpus[place].partial = slabs[first].next }
    return first
  }

  /// Takes the whole list of the CPU. Kernel: `put_partials()`, its section.
  mutating func takeCPUPartials(_ cache: CacheID, on cpu: CPUID) -> ID<Slab> {
    let place = self.cpu(cache, cpu)
    let first = cpus[place].partial
    cpus[place].partial = .none
    return first
  }

  /// Whether the CPU has anything to flush. Kernel: `has_cpu_slab()` (mm/slub.c, 6.12).
  @inline(__always)
  func hasCPUSlab(_ cache: CacheID, on cpu: CPUID) -> Bool {
    guard layouts[cache.index].cpus >= 0 else { return false }
    let mine = cpus[self.cpu(cache, cpu)]
    if layouts[cache.index].front == .sheaf, sheaves.isUsed(at: self.cpu(cache, cpu)) {
      return true
    }
    return !mine.slab.isNone || !mine.partial.isNone
  }

  /// Whether a slab, once `freed` more of its objects are free, goes back to the page allocator.
  @inline(__always)
  func isSurplus(_ id: ID<Slab>, freeing freed: Int = 0) -> Bool {
    let slab = slabs[id]
    guard Int(slab.inuse) == freed else { return false }
    let (count, kept) = (
      Int(nodes[node(slab.cacheID, slab.nodeID)].partialCount),
      Int(layouts[slab.cacheID.index].minPartial)
    )
    return rules.emptySlabs == .aboveMinimum ? count > kept : count >= kept
  }

  /// Whether freeing `count` objects of this slab must decide about its node's list first.
  ///
  /// Kernel: the test in `__slab_free()` (mm/slub.c, 6.12) before it takes list_lock.
  @inline(__always)
  func needsListLock(_ id: ID<Slab>, freeing count: Int = 1) -> Bool {
    let slab = slabs[id]
    guard !slab.isFrozen else { return false }
    let hadFree = slab.freelist != Link.end
    guard Int(slab.inuse) == count || !hadFree else { return false }
    return hadFree || !layouts[slab.cacheID.index].hasCPUPartial
  }

  /// Sorts a node's list for `kmem_cache_shrink()`: the fullest slabs first, those with 32 or more
  /// free objects behind in their order, the empty ones out. Returns: the first of the empty ones,
  /// linked through `next`. The caller has list_lock.
  ///
  /// Kernel: `__kmem_cache_do_shrink()` (mm/slub.c, 6.12), `SHRINK_PROMOTE_MAX`.
  mutating func sortPartials(_ cache: CacheID, _ node: NodeID) -> ID<Slab> {
    let place = self.node(cache, node)
    var promoted = [[ID<Slab>]](repeating: [], count: 32)
    var (empty, rest) = ([ID<Slab>](), [ID<Slab>]())
    var next = nodes[place].first
    while !next.isNone {
      let slab = slabs[next]
      let free = Int(slab.objects) - Int(slab.inuse)
      if slab.inuse == 0 {
        empty.append(next)
      } else if free <= 32 {
        promoted[free - 1].append(next)
      } else {
        rest.append(next)
      }
      next = slab.next
    }
    (nodes[place].first, nodes[place].last, nodes[place].partialCount) = (.none, .none, 0)
    // list_move() puts each in front, so a bucket holds the last walked first.
    for bucket in promoted { for id in bucket.reversed() { addPartial(id, to: .tail) } }
    for id in rest { addPartial(id, to: .tail) }
    var first = ID<Slab>.none
    for id in empty {
      removeFromNode(id)
      slabs[id].isOnNodeList = false
      (slabs[id].next, slabs[id].previous) = (first, .none)
      first = id
    }
    return first
  }
}
