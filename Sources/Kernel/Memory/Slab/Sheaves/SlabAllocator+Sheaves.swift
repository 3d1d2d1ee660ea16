import Hardware
import Simulation

/// Between sheaves and slabs: what the fast paths do, and how objects move from one to the other.
extension SlabAllocator {
  /// Takes the last object of the CPU's main sheaf. Returns: `null` when there is none, when it is
  /// of another node than asked for, or when the slow path that was interrupted has the sheaves.
  ///
  /// Kernel: `alloc_from_pcs()` (mm/slub.c, 7.0).
  @inline(__always)
  mutating func takeFromSheaf(
    _ cache: CacheID, node: NodeID, memoryNode: NodeID, on cpu: CPUID
  ) -> Address {
    let first = Int(layouts[cache.index].cpus)
    guard first >= 0 else { return .null }
    let place = first &+ cpu.index
    let mine = sheaves.cpus[place]
    guard mine.size != 0, !mine.isLocked, node == .any || node == memoryNode else { return .null }
    let object = sheaves.objects[Int(mine.base) &+ Int(mine.size) &- 1]
    let slab = slabs[object.slab]
    guard node == .any || node.raw == slab.node else { return .null }
    sheaves.cpus[place].size = mine.size &- 1
    sheaves.cpus[place].allocFast = mine.allocFast &+ 1
    links[Int(slab.links) &+ Int(object.index)] = Link.taken(by: cpu)
    return address(slab.pages, object.index, size: layouts[cache.index].size)
  }

  /// Puts an object of this CPU's node in its main sheaf, if that has room.
  ///
  /// Kernel: `slab_free()`, `free_to_pcs()` (mm/slub.c, 7.0).
  @inline(__always)
  mutating func giveToSheaf(
    _ id: ID<Slab>, _ index: UInt16, _ cache: CacheID, memoryNode: NodeID, on cpu: CPUID
  ) -> Giving {
    let slab = slabs[id]
    let place = Int(layouts[cache.index].cpus) &+ cpu.index
    let mine = sheaves.cpus[place]
    guard mine.size != mine.capacity, !mine.isLocked, slab.node == memoryNode.raw else {
      return .elsewhere
    }
    let link = Int(slab.links) &+ Int(index)
    let taken = links[link]
    guard !Link.isFree(taken) else { return .doubleFree }
    if taken != Link.taken(by: cpu) { note(.free_remote_cpu, of: cache) }
    links[link] = Link.cached
    sheaves.objects[Int(mine.base) &+ Int(mine.size)] = ObjectRef(slab: id, index: index)
    sheaves.cpus[place].size = mine.size &+ 1
    sheaves.cpus[place].freeFast = mine.freeFast &+ 1
    return .done
  }

  /// Hands out an object that was in a sheaf. Returns: its address.
  mutating func handOut(_ object: ObjectRef, to cpu: CPUID) -> Address {
    links[Int(slabs[object.slab].links) + Int(object.index)] = Link.taken(by: cpu)
    return address(object.slab, object.index)
  }

  /// Objects that a bulk call passes to sheaves at a time: a sheaf counts in 16 bits.
  static let sheafBatchMax = 1 << 15

  /// Whether a cache's bulk calls go to its sheaves. Kernel: `kmem_cache_alloc_bulk()`,
  /// `kmem_cache_free_bulk()` (mm/slub.c; 6.18, 7.0).
  @inline(__always)
  func takesSheafBulk(_ cache: CacheID) -> Bool {
    layouts[cache.index].front == .sheaf && !layouts[cache.index].isDebug
  }

  /// Ends the array that a bulk allocation filled. Returns: how many objects the call got of it.
  mutating func takeBatch(of array: ID<Sheaf>, for id: ID<BulkCall>) -> Int {
    let (base, count) = (Int(sheaves.all[array].base), Int(sheaves.all[array].size))
    for place in 0..<count {
      let object = sheaves.objects[base + place]
      storeInBulk(id, address(object.slab, object.index))
    }
    sheaves.removeFirst(count, of: array)
    sheaves.give(array)
    return count
  }

  /// Marks an object as one that a sheaf has.
  mutating func markCached(_ object: ObjectRef) {
    links[Int(slabs[object.slab].links) + Int(object.index)] = Link.cached
  }

  /// Moves objects from the front of a list of `slab`'s free objects to a sheaf, as many as it has
  /// room for. Returns: what is left of the list, and how many were moved.
  mutating func fill(
    _ sheaf: ID<Sheaf>, from id: ID<Slab>, _ list: UInt16
  ) -> (rest: UInt16, count: Int) {
    var (rest, count) = (list, 0)
    let base = Int(slabs[id].links)
    while rest != Link.end, !sheaves.isFull(sheaf) {
      sheaves.append(ObjectRef(slab: id, index: rest), to: sheaf)
      let link = base + Int(rest)
      rest = links[link]
      links[link] = Link.cached
      count += 1
    }
    return (rest, count)
  }

  /// Takes objects of one slab off the end of a sheaf, looking a few objects further for more of
  /// them. Returns: the slab, and the objects linked as its freelist is.
  ///
  /// Kernel: `build_detached_freelist()` (mm/slub.c, 7.0).
  mutating func detachList(from sheaf: ID<Sheaf>) -> (slab: ID<Slab>, head: UInt16, count: Int) {
    let base = Int(sheaves.all[sheaf].base)
    var (lookAhead, count) = (3, 1)
    var size = Int(sheaves.all[sheaf].size) - 1
    let first = sheaves.objects[base + size]
    var head = first.index
    let links = Int(slabs[first.slab].links)
    self.links[links + Int(head)] = Link.end
    var same = size
    while size > 0 {
      size -= 1
      let object = sheaves.objects[base + size]
      if object.slab == first.slab {
        self.links[links + Int(object.index)] = head
        head = object.index
        count += 1
        same -= 1
        if size != same {
          sheaves.objects[base + size] = sheaves.objects[base + same]
          sheaves.objects[base + same] = object
        }
        continue
      }
      lookAhead -= 1
      if lookAhead == 0 { break }
    }
    sheaves.all[sheaf].size = UInt16(same)
    return (first.slab, head, count)
  }

  /// Puts a list of objects of the CPU's own slab on the CPU's freelist. Returns: whether it is
  /// that CPU's slab.
  ///
  /// Kernel: the fast path of `do_slab_free()` (mm/slub.c, 6.18).
  mutating func giveLocalList(_ id: ID<Slab>, _ list: UInt16, on cpu: CPUID) -> Bool {
    let place = self.cpu(slabs[id].cacheID, cpu)
    guard cpus[place].slab == id else { return false }
    var (last, count) = (list, UInt32(1))
    while case let next = links[Int(slabs[id].links) + Int(last)], next != Link.end {
      (last, count) = (next, count + 1)
    }
    links[Int(slabs[id].links) + Int(last)] = cpus[place].freelist
    cpus[place].freelist = list
    cpus[place].tid &+= KmemCacheCPU.tidStep
    cpus[place].freeFast &+= count
    return true
  }

  /// Moves objects of the CPU's own slab to a sheaf, as many as there are and it has room for.
  /// Returns: how many.
  ///
  /// Kernel: the loop of `__kmem_cache_alloc_bulk()` (mm/slub.c, 6.18).
  mutating func fillLocally(_ sheaf: ID<Sheaf>, on cpu: CPUID) -> Int {
    let place = self.cpu(sheaves.all[sheaf].cacheID, cpu)
    let slab = cpus[place].slab
    guard !slab.isNone else { return 0 }
    let (rest, count) = fill(sheaf, from: slab, cpus[place].freelist)
    cpus[place].freelist = rest
    cpus[place].tid &+= KmemCacheCPU.tidStep
    cpus[place].allocFast &+= UInt32(count)
    return count
  }

  /// Takes all of a slab's freelist for sheaves: the slab stays nobody's.
  ///
  /// Kernel: the cmpxchg of `get_freelist_nofreeze()` (mm/slub.c, 7.0).
  mutating func takeFreelistUnfrozen(_ id: ID<Slab>) -> UInt16 {
    let list = takeFreelist(id)
    slabs[id].isFrozen = false
    return list
  }

  /// Room for the sheaves of caches, by the numbers of the CPUs' and nodes' records. The records
  /// of `cache` begin anew. The caller makes the barns' locks.
  mutating func activateSheaves(
    _ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines
  ) {
    guard layouts[cache.index].front == .sheaf else { return }
    sheaves.cpus.grow(to: cpus.count, .blank)
    sheaves.barns.grow(to: nodes.count, .blank)
    for cpu in 0..<cpuCount { sheaves.cpus[Int(layouts[cache.index].cpus) + cpu] = .blank }
    for node in 0..<nodeCount {
      let place = Int(layouts[cache.index].nodes) + node
      sheaves.barns[place] = .blank
      sheaves.barns[place].lock = locks.make(
        .barnLock, name: "barn->lock \(names[cache.index])/\(node)", lines: &lines, node: node)
    }
  }

  /// Ends the sheaves of a cache that has none left with memory of their own.
  mutating func releaseSheaves(_ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines) {
    guard layouts[cache.index].front == .sheaf else { return }
    for cpu in 0..<cpuCount {
      let place = Int(layouts[cache.index].cpus) + cpu
      let main = sheaves.cpus[place].main
      if !main.isNone {
        sheaves.storeMainSize(at: place)
        sheaves.give(main)
      }
      sheaves.cpus[place] = .blank
    }
    for node in 0..<nodeCount {
      locks.give(sheaves.barns[Int(layouts[cache.index].nodes) + node].lock, lines: &lines)
    }
  }

  /// Gives the CPU a main sheaf if it has none yet: one made at boot.
  mutating func needMain(_ cache: CacheID, at place: Int) {
    guard sheaves.cpus[place].main.isNone else { return }
    let capacity = Int(layouts[cache.index].sheafCapacity)
    sheaves.setMain(sheaves.make(cache, capacity: capacity), at: place)
  }

  /// Free objects in the sheaves of a cache: of CPUs, and of barns. Those of `kfree_rcu()` are
  /// allocated still. Complexity: O(CPUs + sheaves).
  package func sheafObjects(of cache: CacheID) -> (cpus: Int, barns: Int) {
    guard layouts[cache.index].front == .sheaf, layouts[cache.index].cpus >= 0 else {
      return (0, 0)
    }
    var (local, shared) = (0, 0)
    for cpu in 0..<cpuCount {
      let mine = sheaves.cpus[self.cpu(cache, CPUID(cpu))]
      local += Int(mine.size)
      if !mine.spare.isNone { local += Int(sheaves.all[mine.spare].size) }
    }
    for node in 0..<nodeCount {
      var next = sheaves.barns[self.node(cache, NodeID(node))].firstFull
      while !next.isNone {
        shared += Int(sheaves.all[next].size)
        next = sheaves.all[next].next
      }
    }
    return (local, shared)
  }
}
