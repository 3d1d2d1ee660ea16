import Hardware
import Simulation

/// Frees many objects: those of one slab that lie near each other in the array go at once.
///
/// From the end of the array on, the objects of the last one's slab are linked to each other, up
/// to the third one of another slab; then the list goes to the CPU's freelist or to the slab like
/// one object. Of a cache with sheaves the array goes to them from its beginning, where its cache is
/// named. Other caches that have no CPU slabs get one object at a time. To 4.3 nothing is gathered
/// (`KmemCacheFreeBulk+Each.swift`).
/// Kernel: `kmem_cache_free_bulk()`, `build_detached_freelist()` (mm/slub.c, 6.12); `kfree_bulk()`
/// is the same without a cache. Not modelled: the order that 4.4 to 6.4 left skipped objects in.
package enum KmemCacheFreeBulk: Path {
  case start(ID<BulkCall>)
  case detached(ID<BulkCall>)
  case giving(ID<BulkCall>)
  case given(ID<BulkCall>)
  case batchGiven(ID<BulkCall>, ID<Sheaf>)
  // One by one, to 4.3.
  case masking(ID<BulkCall>)
  case masked(ID<BulkCall>)
  case pushed(ID<BulkCall>)
  case unmasked(ID<BulkCall>)
  case freedOne(ID<BulkCall>)

  /// Objects of other slabs after which the search for more of this one ends.
  static let lookahead = 3

  package static var name: PathName { .kmem_cache_free_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let cache = world.slab.bulk.calls[id].cache
      if cache.isNone { return next(id, &world, cpu) }
      if world.slab.freesEach(cache) { return freeEach(id, &world, cpu) }
      guard world.slab.takesSheafBulk(cache) else { return next(id, &world, cpu) }
      return callSheaves(id, &world, cpu)
    case .given(let id): return next(id, &world, cpu)
    case .batchGiven(let id, let array):
      world.slab.sheaves.give(array)
      return callSheaves(id, &world, cpu)
    case .detached(let id): return ask(.ahead(world.slab.freeWork), then: .giving(id))
    case .masking(let id), .masked(let id), .pushed(let id), .unmasked(let id), .freedOne(let id):
      return freeEach(id, &world, cpu)
    case .giving(let id):
      let call = world.slab.bulk.calls[id]
      guard let slow = give(call, &world, cpu) else { return next(id, &world, cpu) }
      return ask(slow, then: .given(id))
    }
  }

  /// Gives the next objects to the sheaves; ends the call when nothing is left.
  private mutating func callSheaves(
    _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let call = world.slab.bulk.calls[id]
    guard call.left > 0 else {
      world.slab.bulk.close(id)
      return .return()
    }
    let size = min(Int(call.left), SlabAllocator.sheafBatchMax)
    let array = world.slab.sheaves.make(call.cache, capacity: size)
    let first = Int(call.count - call.left)
    for place in first..<first + size {
      let address = world.slab.bulk[id, place]
      if address.isZeroOrNull { continue }
      let owner = world.slab.owner(of: address)
      guard case .object(let slab, let index) = owner else {
        world.complainBadFree(address, owner, on: cpu)
        continue
      }
      let own = world.slab.slabs[slab].cacheID
      guard own == call.cache else {
        world.complainWrongCache(call.cache, own, on: cpu)
        continue
      }
      world.slab.sheaves.append(ObjectRef(slab: slab, index: index), to: array)
    }
    world.slab.bulk.calls[id].left -= Int32(size)
    return ask(.call(.sheafFreeBulk(.start(array))), then: .batchGiven(id, array))
  }

  /// Builds the next list; ends the call when nothing is left.
  private mutating func next(
    _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    while world.slab.bulk.calls[id].left > 0 {
      world.slab.bulk.calls[id].left -= 1
      let place = Int(world.slab.bulk.calls[id].left)
      let address = world.slab.bulk[id, place]
      if address.isZeroOrNull { continue }
      guard world.slab.settings.kind != .slob else { return freeBlock(address, id, &world) }
      let owner = world.slab.owner(of: address)
      guard case .object(let slab, let index) = owner else {
        guard case .large(let order) = owner, world.slab.bulk.calls[id].cache.isNone else {
          world.complainBadFree(address, owner, on: cpu)
          continue
        }
        let pages = world.architecture.pfn(of: address)
        world.slab.setLarge(pages, nil)
        return ask(.call(.freePages(.start(pages, order))), then: .given(id))
      }
      guard world.slab.isTaken(slab, index) else {
        world.complainDoubleFree(slab, index, on: cpu)
        continue
      }
      let looked = world.slab.detachBulk(id, slab, index, on: cpu, world.memoryNode(of: cpu))
      return ask(.ahead(.slubBulkObject, times: Int32(looked)), then: .detached(id))
    }
    world.slab.bulk.close(id)
    return .return()
  }

  /// SLOB has no slabs to gather objects of. Kernel: `kmem_cache_free_bulk()` (mm/slob.c, 6.1).
  private mutating func freeBlock(
    _ address: Address, _ id: ID<BulkCall>, _ world: inout World
  ) -> Step {
    let cache = world.slab.bulk.calls[id].cache
    let call: Frame =
      cache.isNone ? .kfree(.start(address)) : .kmemCacheFree(.start(cache, address))
    return ask(.call(call), then: .given(id))
  }

  private func give(_ call: BulkCall, _ world: inout World, _ cpu: CPUID) -> Step? {
    guard call.length > 1 else {
      // One object goes as kfree's would; its own look at it finds a second free meanwhile.
      return world.slabFree(call.slab, call.head, on: cpu)
    }
    guard !world.slab.giveLocalBulk(call, on: cpu) else { return nil }
    return .call(.slabFree(.start(call.slab, .chain(call.head))))
  }
}

extension SlabAllocator {
  /// Takes the objects of `slab` out of a bulk call's array, `index` being its last, and links them.
  ///
  /// Returns: how many places were looked at. Complexity: O(them).
  mutating func detachBulk(
    _ id: ID<BulkCall>, _ slab: ID<Slab>, _ index: UInt16, on cpu: CPUID, _ memoryNode: NodeID
  ) -> Int {
    (bulk.calls[id].slab, bulk.calls[id].head, bulk.calls[id].length) = (slab, index, 1)
    guard takesBulk(slabs[slab].cacheID) else { return 1 }
    var (same, place) = (Int(bulk.calls[id].left), Int(bulk.calls[id].left))
    var (left, looked) = (KmemCacheFreeBulk.lookahead, 1)
    while place > 0, left > 0 {
      place -= 1
      looked += 1
      guard case .object(slab, let other) = owner(of: bulk[id, place]), isTaken(slab, other),
        other != bulk.calls[id].head
      else {
        left -= 1
        continue
      }
      if bulk.calls[id].length == 1 { link(slab, index, to: Link.end, cpu, memoryNode) }
      link(slab, other, to: bulk.calls[id].head, cpu, memoryNode)
      bulk.calls[id].head = other
      bulk.calls[id].length += 1
      same -= 1
      if place != same {
        (bulk[id, place], bulk[id, same]) = (bulk[id, same], bulk[id, place])
      }
    }
    bulk.calls[id].left = Int32(same)
    return looked
  }

  private mutating func link(
    _ slab: ID<Slab>, _ index: UInt16, to next: UInt16, _ cpu: CPUID, _ memoryNode: NodeID
  ) {
    countOrigin(slab, index, on: cpu, memoryNode: memoryNode)
    links[Int(slabs[slab].links) + Int(index)] = next
  }

  /// Puts linked objects on the CPU's freelist if their slab is this CPU's. Returns: whether it is.
  ///
  /// Kernel: the fast path of `do_slab_free()` (mm/slub.c; 6.6, 6.12).
  mutating func giveLocalBulk(_ call: BulkCall, on cpu: CPUID) -> Bool {
    let place = self.cpu(slabs[call.slab].cacheID, cpu)
    guard cpus[place].slab == call.slab else { return false }
    let base = Int(slabs[call.slab].links)
    var last = call.head
    while links[base + Int(last)] != Link.end { last = links[base + Int(last)] }
    links[base + Int(last)] = cpus[place].freelist
    cpus[place].freelist = call.head
    cpus[place].tid &+= KmemCacheCPU.tidStep
    cpus[place].freeFast &+= rules.countsBulkObjects ? UInt32(call.length) : 1
    return true
  }
}
