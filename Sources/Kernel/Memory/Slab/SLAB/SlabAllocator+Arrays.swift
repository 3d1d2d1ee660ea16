import Hardware
import Simulation

/// SLAB's arrays: objects taken and given, moved from array to array, and between arrays and slabs.
///
/// Invariants, walked by `checkInvariants()`:
/// 1. an object is allocated, in one array, or on its slab's freelist;
/// 2. a slab's `inuse` is its objects less those on its freelist, and says which of its node's three
///    lists it is on;
/// 3. a node's `freeObjects` are the free objects of the slabs on its lists;
/// 4. a CPU's array and a shared one hold objects of their own node, an alien array those of its.
///
/// Kernel: mm/slab.c (6.1). Not modelled: debugging, `pfmemalloc` slabs, tuning by writing
/// slabinfo, memory policies and cpusets.
extension SlabAllocator {
  // MARK: The fast paths

  /// Takes the newest object of the CPU's array. Returns: `null` where it has none, or where another
  /// node is asked for.
  ///
  /// Kernel: `____cache_alloc()` (mm/slab.c, 6.1).
  @inline(__always)
  mutating func takeFromArray(
    _ cache: CacheID, node: NodeID, on cpu: CPUID, memoryNode: NodeID
  ) -> Address {
    let first = Int(layouts[cache.index].cpus)
    guard first >= 0, node == .any || node == memoryNode else { return .null }
    let place = first &+ cpu.index
    let avail = arrays.arrays[place].avail
    guard avail > 0 else { return .null }
    arrays.arrays[place].avail = avail &- 1
    arrays.arrays[place].touched = true
    arrays.arrays[place].allocHits &+= 1
    let object = arrays.entries[Int(arrays.arrays[place].first) &+ Int(avail) &- 1]
    links[Int(object.link)] = Link.taken(by: cpu)
    return object.address
  }

  /// Puts an object into the CPU's array if it is of the CPU's node and there is room.
  ///
  /// Kernel: `___cache_free()` (mm/slab.c, 6.1).
  @inline(__always)
  mutating func giveToArray(
    _ slab: ID<Slab>, _ index: UInt16, _ cache: CacheID, on cpu: CPUID, memoryNode: NodeID
  ) -> Giving {
    let link = Int(slabs[slab].links) &+ Int(index)
    let taken = links[link]
    guard !Link.isFree(taken) else { return .doubleFree }
    let place = Int(layouts[cache.index].cpus) &+ cpu.index
    guard slabs[slab].node == memoryNode.raw,
      arrays.arrays[place].avail < arrays.arrays[place].limit
    else { return .elsewhere }
    if taken != Link.taken(by: cpu) { note(.free_remote_cpu, of: cache) }
    arrays.arrays[place].freeHits &+= 1
    push(slab, index, to: place)
    return .done
  }

  /// Puts an object into an array that has room. Kernel: `__free_one()`.
  @inline(__always)
  mutating func push(_ slab: ID<Slab>, _ index: UInt16, to array: Int) {
    let link = Int(slabs[slab].links) &+ Int(index)
    let avail = arrays.arrays[array].avail
    arrays.entries[Int(arrays.arrays[array].first) &+ Int(avail)] = CachedObject(
      address: address(slab, index), slab: slab, link: Int32(link))
    arrays.arrays[array].avail = avail &+ 1
    links[link] = Link.cached
  }

  // MARK: Between arrays

  /// Moves the newest objects of an array to another, as many as `most` and the room allow.
  /// Returns: how many. Kernel: `transfer_objects()`.
  mutating func transfer(from source: Int, to target: Int, most: Int) -> Int {
    let room = Int(arrays.arrays[target].limit) - Int(arrays.arrays[target].avail)
    let count = min(Int(arrays.arrays[source].avail), most, room)
    let from = Int(arrays.arrays[source].first) + Int(arrays.arrays[source].avail) - count
    let to = Int(arrays.arrays[target].first) + Int(arrays.arrays[target].avail)
    for place in 0..<count { arrays.entries[to + place] = arrays.entries[from + place] }
    arrays.arrays[source].avail -= UInt16(count)
    arrays.arrays[target].avail += UInt16(count)
    return count
  }

  /// Moves the oldest objects of a CPU's array to the shared one. Returns: how many; 0 where that
  /// is full or absent. Kernel: the first half of `cache_flusharray()`.
  mutating func flushToShared(_ array: Int, _ node: Int) -> Int {
    guard arrays.nodes[node].shared >= 0 else { return 0 }
    let shared = Int(arrays.nodes[node].shared)
    let room = Int(arrays.arrays[shared].limit) - Int(arrays.arrays[shared].avail)
    let count = min(Int(arrays.arrays[array].batch), room)
    let (from, to) = (
      Int(arrays.arrays[array].first),
      Int(arrays.arrays[shared].first) + Int(arrays.arrays[shared].avail)
    )
    for place in 0..<count { arrays.entries[to + place] = arrays.entries[from + place] }
    arrays.arrays[shared].avail += UInt16(count)
    if count > 0 { dropOldest(array, count) }
    return count
  }

  /// Forgets the oldest objects of an array, which went elsewhere; the rest moves down.
  mutating func dropOldest(_ array: Int, _ count: Int) {
    let first = Int(arrays.arrays[array].first)
    let left = Int(arrays.arrays[array].avail) - count
    for place in first..<first + left { arrays.entries[place] = arrays.entries[place + count] }
    (arrays.arrays[array].avail, arrays.arrays[array].given) = (UInt16(left), 0)
  }

  // MARK: Between arrays and slabs

  /// Takes up to `most` objects of a slab into an array. Returns: how many. The slab is on no list,
  /// or its list is set right by `relist`. Kernel: `alloc_block()`.
  mutating func takeBlock(_ id: ID<Slab>, into array: Int, most: Int) -> Int {
    var count = 0
    while count < most, slabs[id].freelist != Link.end {
      let index = slabs[id].freelist
      let link = Int(slabs[id].links) + Int(index)
      slabs[id].freelist = links[link]
      slabs[id].inuse += 1
      push(id, index, to: array)
      count += 1
    }
    return count
  }

  /// Takes one object of a slab for a caller. Kernel: `slab_get_obj()`.
  mutating func takeOne(_ id: ID<Slab>, on cpu: CPUID) -> Address {
    let index = slabs[id].freelist
    let link = Int(slabs[id].links) + Int(index)
    slabs[id].freelist = links[link]
    slabs[id].inuse += 1
    links[link] = Link.taken(by: cpu)
    return address(id, index)
  }

  /// Puts objects of an array back to the slab of the first, from `place` on, as long as they are
  /// that slab's and not more than `most`. Returns: how many. Kernel: the loop of `free_block()`.
  mutating func giveBlock(_ array: Int, from place: Int, most: Int) -> Int {
    let first = Int(arrays.arrays[array].first) + place
    let id = arrays.entries[first].slab
    var count = 0
    while count < most, arrays.entries[first + count].slab == id {
      let link = Int(arrays.entries[first + count].link)
      links[link] = slabs[id].freelist
      slabs[id].freelist = UInt16(link - Int(slabs[id].links))
      count += 1
    }
    return count
  }

  // MARK: A node's lists

  /// The list that a slab with so many objects in use belongs to.
  @inline(__always)
  private func list(of id: ID<Slab>, inuse: UInt16) -> Int {
    let kind: ArrayCaches.List =
      inuse == 0 ? .free : inuse == slabs[id].objects ? .full : .partial
    return ArrayCaches.list(kind, of: node(slabs[id].cacheID, slabs[id].nodeID))
  }

  /// Puts a slab that is on no list on the one it belongs to.
  mutating func enlist(_ id: ID<Slab>, at end: End) {
    let place = list(of: id, inuse: slabs[id].inuse)
    let list = arrays.lists[place]
    switch end {
    case .tail:
      (slabs[id].next, slabs[id].previous) = (.none, list.last)
      if list.last.isNone { arrays.lists[place].first = id } else { slabs[list.last].next = id }
      arrays.lists[place].last = id
    case .head:
      (slabs[id].next, slabs[id].previous) = (list.first, .none)
      if list.first.isNone {
        arrays.lists[place].last = id
      } else {
        slabs[list.first].previous = id
      }
      arrays.lists[place].first = id
    }
    arrays.lists[place].count += 1
  }

  /// Takes a slab off the list it was put on while so many of its objects were in use.
  mutating func delist(_ id: ID<Slab>, inuse: UInt16) {
    let place = list(of: id, inuse: inuse)
    let (next, previous) = (slabs[id].next, slabs[id].previous)
    if previous.isNone { arrays.lists[place].first = next } else { slabs[previous].next = next }
    if next.isNone { arrays.lists[place].last = previous } else { slabs[next].previous = previous }
    (slabs[id].next, slabs[id].previous) = (.none, .none)
    arrays.lists[place].count -= 1
  }

  /// The slab that the next object comes from; `none` where the node has none free.
  ///
  /// Kernel: `get_first_slab()`.
  mutating func firstSlab(_ node: Int) -> ID<Slab> {
    let partial = arrays.lists[ArrayCaches.list(.partial, of: node)].first
    guard partial.isNone else { return partial }
    arrays.nodes[node].freeTouched = true
    return arrays.lists[ArrayCaches.list(.free, of: node)].first
  }

  /// Takes the oldest of a node's free slabs away for good, which counts it no more. Returns: `none`
  /// where there is none free.
  mutating func takeFreeSlab(_ node: Int) -> ID<Slab> {
    let id = arrays.lists[ArrayCaches.list(.free, of: node)].last
    guard !id.isNone else { return id }
    delist(id, inuse: 0)
    arrays.nodes[node].freeObjects -= Int32(slabs[id].objects)
    removeFromNode(id)
    return id
  }

  /// Counts a new slab, whose first objects may be taken, and puts it on a list.
  ///
  /// Kernel: `cache_grow_end()`.
  mutating func addGrown(_ id: ID<Slab>) {
    let place = node(slabs[id].cacheID, slabs[id].nodeID)
    addToNode(id)
    arrays.nodes[place].freeObjects += Int32(slabs[id].objects) - Int32(slabs[id].inuse)
    enlist(id, at: slabs[id].inuse == 0 ? .tail : .head)
  }

  /// Moves a slab of which objects were taken to the list it belongs to now.
  ///
  /// Kernel: `fixup_slab_list()`.
  mutating func relist(_ id: ID<Slab>, took count: Int) {
    let before = slabs[id].inuse - UInt16(count)
    delist(id, inuse: before)
    enlist(id, at: .head)
  }

  /// Puts objects of one slab back from an array, and the slab where it belongs now.
  ///
  /// Returns: how many. Kernel: the body of `free_block()`.
  mutating func giveBack(_ array: Int, from place: Int, most: Int) -> Int {
    let id = arrays.entries[Int(arrays.arrays[array].first) + place].slab
    let before = slabs[id].inuse
    let count = giveBlock(array, from: place, most: most)
    arrays.arrays[array].given = UInt16(place + count)
    delist(id, inuse: before)
    slabs[id].inuse -= UInt16(count)
    enlist(id, at: slabs[id].inuse == 0 ? .head : .tail)
    return count
  }

  // MARK: Places

  /// The array of another node's objects, -1 where there is none yet.
  @inline(__always)
  func alien(_ cache: CacheID, of node: NodeID, at own: NodeID) -> Int {
    let row = Int(arrays.nodes[self.node(cache, own)].aliens)
    return row < 0 ? -1 : Int(arrays.aliens[row &+ node.index])
  }

  /// The array of another node's objects, made if there is none yet.
  mutating func makeAlien(
    _ cache: CacheID, of node: NodeID, at own: NodeID, _ locks: inout Locks,
    _ lines: inout CacheLines
  ) -> Int {
    let place = self.node(cache, own)
    if arrays.nodes[place].aliens < 0 { arrays.nodes[place].aliens = arrays.makeRow(nodeCount) }
    let row = Int(arrays.nodes[place].aliens) + node.index
    if arrays.aliens[row] < 0 {
      let array = arrays.makeArrays(
        1, limit: arrays.sizings[cache.index].alienLimit, batch: 0)
      arrays.arrays[array].lock = locks.make(
        .alienLock, name: "alien \(names[cache.index])/\(own.index)/\(node.index)", lines: &lines,
        node: own.index)
      arrays.aliens[row] = Int32(array)
    }
    return Int(arrays.aliens[row])
  }
}

/// Slabs that a node has too many of.
extension SlabAllocator {
  /// Takes free slabs away until the node has no more free objects than its limit. Returns: the
  /// slabs, a chain. Kernel: the end of `free_block()` (mm/slab.c, 6.1).
  mutating func takeSurplus(_ node: Int) -> ID<Slab> {
    var chain = ID<Slab>.none
    while arrays.nodes[node].freeObjects > arrays.nodes[node].freeLimit {
      let id = takeFreeSlab(node)
      guard !id.isNone else { break }
      slabs[id].next = chain
      chain = id
    }
    return chain
  }

  /// Takes a free slab away and puts it before a chain. Returns: the longer chain.
  mutating func removeFree(_ id: ID<Slab>, _ chain: ID<Slab>) -> ID<Slab> {
    let place = node(slabs[id].cacheID, slabs[id].nodeID)
    delist(id, inuse: 0)
    arrays.nodes[place].freeObjects -= Int32(slabs[id].objects)
    removeFromNode(id)
    slabs[id].next = chain
    return id
  }
}
