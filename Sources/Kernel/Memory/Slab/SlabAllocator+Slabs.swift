import Hardware
import Simulation

/// Whole slabs: made from pages, taken by a CPU, given up, freed into, given back.
extension SlabAllocator {
  /// Makes a slab of `order` from pages, all objects free on its own freelist, on no list.
  ///
  /// Kernel: `allocate_slab()` (mm/slub.c, 6.12). Complexity: O(objects).
  mutating func carve(
    _ cache: CacheID, _ pages: PFN, _ order: Order, node: NodeID, _ lines: inout CacheLines
  ) -> ID<Slab> {
    // What indexes take, SLAB's slabs have no objects in.
    let objects = min(
      (1 << (Int(pageShift) + order.index)) / Int(layouts[cache.index].size),
      caches[cache].sizing.objects)
    precondition(objects <= SlabSizing.objectsMax, "more objects than a slab can count")
    let id = record(objects: objects, node: node, &lines)
    slabs[id].pages = pages
    (slabs[id].next, slabs[id].previous) = (.none, .none)
    (slabs[id].freelist, slabs[id].inuse, slabs[id].objects) = (0, 0, UInt16(objects))
    slabs[id].cache = UInt16(cache.index)
    (slabs[id].isFrozen, slabs[id].isOnNodeList) = (false, false)
    slabs[id].node = node.raw
    slabs[id].shape = slabs[id].shape & 0xF0 | UInt8(order.index)

    if caches[cache].sequence < 0 || objects < 2 {
      let base = Int(slabs[id].links)
      for index in 0..<objects { links[base &+ index] = UInt16(truncatingIfNeeded: index &+ 1) }
      links[base + objects - 1] = Link.end
    } else {
      shuffle(id, cache, objects)
    }
    owners.set(pages.index, order.pageCount, to: Int32(id.index) + 1)
    return id
  }

  /// Links the objects in the order of the cache's permutation, from a place drawn for each slab.
  ///
  /// Kernel: `shuffle_freelist()`, `next_freelist_entry()` (mm/slub.c, 6.12).
  private mutating func shuffle(_ id: ID<Slab>, _ cache: CacheID, _ objects: Int) {
    let (count, sequence) = (caches[cache].sizing.objects, Int(caches[cache].sequence))
    let base = Int(slabs[id].links)
    var place = caches[cache].starts.below(count)
    var last = -1
    for _ in 0..<count {
      let index = sequences[sequence + place]
      place = place + 1 == count ? 0 : place + 1
      // A slab of the smaller order has fewer objects than the permutation.
      guard index < objects else { continue }
      if last < 0 { slabs[id].freelist = index } else { links[base + last] = index }
      last = Int(index)
    }
    links[base + last] = Link.end
  }

  /// A record with links for `objects`: one given back before, or a new one.
  private mutating func record(objects: Int, node: NodeID, _ lines: inout CacheLines) -> ID<Slab> {
    let blockClass = SlabSizing.fls(objects - 1)
    let recycled = unused[blockClass]
    if !recycled.isNone {
      unused[blockClass] = slabs[recycled].next
      return recycled
    }
    if slabsUsed == slabs.count { slabs.grow(to: 2 * slabsUsed, .blank) }
    let id = ID<Slab>(slabsUsed)
    slabsUsed += 1
    let size = 1 << blockClass
    if linksUsed + size > links.count { links.grow(to: max(2 * links.count, linksUsed + size), 0) }
    slabs[id].links = Int32(linksUsed)
    slabs[id].line = lines.make(node: node.index)
    slabs[id].shape = UInt8(blockClass) << 4
    linksUsed += size
    return id
  }

  /// Ends a slab whose pages go back: its record and links are free for the next.
  mutating func recycle(_ id: ID<Slab>) {
    let slab = slabs[id]
    owners.set(slab.pages.index, slab.order.pageCount, to: 0)
    // Its cache stays known, for the report on a second free that was under way.
    slabs[id].objects = 0
    slabs[id].next = unused[slab.blockClass]
    unused[slab.blockClass] = id
  }

  /// Counts a new slab. Kernel: `inc_slabs_node()`.
  mutating func addToNode(_ id: ID<Slab>) { changeNode(id, 1) }
  /// Counts a slab no more. Kernel: `dec_slabs_node()`.
  mutating func removeFromNode(_ id: ID<Slab>) { changeNode(id, -1) }

  private mutating func changeNode(_ id: ID<Slab>, _ sign: Int32) {
    let place = node(slabs[id].cacheID, slabs[id].nodeID)
    nodes[place].slabCount += sign
    slabCount += Int(sign)
    nodes[place].objectCount += sign * Int32(slabs[id].objects)
  }

  /// Takes all of a slab's freelist for the CPU that freezes it. Returns: its first object.
  ///
  /// Kernel: the cmpxchg of `freeze_slab()` and of `get_freelist()` (mm/slub.c, 6.12); the latter
  /// unfreezes a slab whose list is empty.
  mutating func takeFreelist(_ id: ID<Slab>) -> UInt16 {
    let list = slabs[id].freelist
    slabs[id].freelist = Link.end
    slabs[id].inuse = slabs[id].objects
    slabs[id].isFrozen = list != Link.end
    return list
  }

  /// Makes `slab` the CPU's current one; `freelist` is what it may take from.
  mutating func install(_ id: ID<Slab>, freelist: UInt16, on cpu: CPUID) {
    let place = self.cpu(slabs[id].cacheID, cpu)
    (cpus[place].slab, cpus[place].freelist) = (id, freelist)
    (cpus[place].pages, cpus[place].links) = (slabs[id].pages, slabs[id].links)
    cpus[place].node = slabs[id].node
    cpus[place].tid &+= KmemCacheCPU.tidStep
  }

  /// The CPU has no current slab any more. Returns: the slab and what was left of its freelist.
  mutating func detach(_ cache: CacheID, on cpu: CPUID) -> (slab: ID<Slab>, freelist: UInt16) {
    let place = self.cpu(cache, cpu)
    let was = (slab: cpus[place].slab, freelist: cpus[place].freelist)
    (cpus[place].slab, cpus[place].freelist) = (.none, Link.end)
    cpus[place].tid &+= KmemCacheCPU.tidStep
    return was
  }

  /// Takes the first object of a list of `slab`'s free objects. Returns: the object and the rest.
  mutating func pop(_ id: ID<Slab>, _ freelist: UInt16, on cpu: CPUID) -> (Address, UInt16) {
    let link = Int(slabs[id].links) + Int(freelist)
    let rest = links[link]
    links[link] = Link.taken(by: cpu)
    return (address(id, freelist), rest)
  }

  /// Gives what a CPU's freelist held back to the slab, in front of what others freed, and
  /// unfreezes it. Kernel: the cmpxchg of `deactivate_slab()`. Complexity: O(`list`).
  mutating func unfreeze(_ id: ID<Slab>, _ list: UInt16) {
    let base = Int(slabs[id].links)
    var (last, count) = (list, 0)
    while last != Link.end {
      count += 1
      let next = links[base + Int(last)]
      if next == Link.end { break }
      last = next
    }
    if list != Link.end {
      links[base + Int(last)] = slabs[id].freelist
      slabs[id].freelist = list
      slabs[id].inuse -= UInt16(count)
    }
    slabs[id].isFrozen = false
  }

  /// Gives the first object of a CPU's list back to its slab. Returns: the rest of the list.
  mutating func giveFirst(of list: UInt16, to id: ID<Slab>) -> UInt16 {
    let rest = links[Int(slabs[id].links) + Int(list)]
    giveToSlab(id, list)
    return rest
  }

  /// Objects on a list that begins with `list`. Complexity: O(the count).
  @inline(__always)
  func count(_ id: ID<Slab>, _ list: UInt16) -> Int {
    var (next, count) = (list, 0)
    while next != Link.end {
      next = links[Int(slabs[id].links) + Int(next)]
      count += 1
    }
    return count
  }

  /// Puts an object on its slab's own freelist. Kernel: the cmpxchg of `__slab_free()`.
  @inline(__always)
  mutating func giveToSlab(_ id: ID<Slab>, _ index: UInt16) {
    let link = Int(slabs[id].links) &+ Int(index)
    links[link] = slabs[id].freelist
    slabs[id].freelist = index
    slabs[id].inuse &-= 1
  }

  /// Counts a free of the slow path by where the object came from.
  @inline(__always)
  mutating func countOrigin(_ id: ID<Slab>, _ index: UInt16, on cpu: CPUID, memoryNode: NodeID) {
    let slab = slabs[id]
    if links[Int(slab.links) &+ Int(index)] != Link.taken(by: cpu) {
      note(.free_remote_cpu, of: slab.cacheID)
    }
    if slab.node != memoryNode.raw { note(.free_remote_node, of: slab.cacheID) }
  }
}
