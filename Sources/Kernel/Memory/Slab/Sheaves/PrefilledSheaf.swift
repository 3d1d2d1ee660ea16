import Hardware
import Simulation

/// Sheaves that a user has in hand: filled where it may sleep, emptied where an allocation must not
/// fail.
///
/// A sheaf of the cache's own size comes from the CPU or its barn and goes back there; one for more
/// objects is made for the occasion and freed afterwards. Caches without sheaves, debug ones among
/// them, have only such.
extension Sheaves {
  /// What stands for a sheaf in a pointer of its user: no address that any allocator gives.
  package static func pointer(to id: ID<Sheaf>) -> Address {
    Address(pointers | UInt64(truncatingIfNeeded: id.index) << 6)
  }
  package static func sheaf(at pointer: Address) -> ID<Sheaf> {
    ID(Int(truncatingIfNeeded: (pointer.raw & ~pointers) >> 6))
  }
  /// Behind all that x86-64 maps: module space and fixmap are above. Bits 47 up are ones.
  private static let pointers: UInt64 = 0xFFFF_FFF0_0000_0000
}

/// Hands out a sheaf with at least `size` objects. Returns: its number, or -1.
///
/// Kernel: `kmem_cache_prefill_sheaf()` (mm/slub.c; 6.18, 7.0). Not modelled: objects of reserves.
package enum PrefillSheaf: Path {
  case start(cache: UInt16, size: UInt16, gfp: GFPFlags)
  case locked(cache: UInt16, size: UInt16, gfp: GFPFlags)
  case sought(cache: UInt16, size: UInt16, gfp: GFPFlags)
  case found(ID<Sheaf>, size: UInt16, gfp: GFPFlags, cache: UInt16)
  case made(size: UInt16, gfp: GFPFlags)
  case memoryGiven(cache: UInt16, size: UInt16, gfp: GFPFlags)
  case filled(ID<Sheaf>)
  case emptied
  case failed

  package static var name: PathName { .kmem_cache_prefill_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let size, let gfp):
      let id = CacheID(Int(cache))
      guard size > 0, world.slab.caches[id].state == .live else {
        world.complain(
          .useAfterFree, "a sheaf is asked for of no objects, or of a cache that does not exist",
          on: cpu)
        return .return(.number(-1))
      }
      if gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
      world.slab.activate(id, &world.locks, &world.lines)
      guard size <= world.slab.layouts[id.index].sheafCapacity else {
        let bytes = Sheaf.bytes(capacity: Int(size))
        return ask(
          .call(.kmalloc(.start(size: bytes, gfp: gfp.union(.zero), node: .any))),
          then: .memoryGiven(cache: cache, size: size, gfp: gfp))
      }
      return ask(.disable(.migration), then: .locked(cache: cache, size: size, gfp: gfp))
    case .locked(let cache, let size, let gfp): return take(cache, size, gfp, &world, cpu)
    case .sought(let cache, let size, let gfp):
      let id = CacheID(Int(cache))
      let sheaf: ID<Sheaf> = reply.number >= 0 ? ID(reply.number) : .none
      let isFull = !sheaf.isNone && !world.slab.sheaves.isEmpty(sheaf)
      world.slab.note(isFull ? .barn_get : .barn_get_fail, of: id)
      world.slab.sheaves.cpus[world.slab.cpu(id, cpu)].isLocked = false
      return ask(
        .enable(.migration), then: .found(sheaf, size: size, gfp: gfp, cache: cache))
    case .found(let sheaf, let size, let gfp, let cache):
      guard sheaf.isNone else { return fill(sheaf, size, gfp, &world) }
      return ask(
        .call(.allocSheaf(.start(cache: cache, gfp: gfp))), then: .made(size: size, gfp: gfp))
    case .made(let size, let gfp):
      guard reply.number >= 0 else { return .return(.number(-1)) }
      return fill(ID(reply.number), size, gfp, &world)
    case .memoryGiven(let cache, let size, let gfp):
      guard reply.address != .null else { return .return(.number(-1)) }
      let id = CacheID(Int(cache))
      world.slab.note(.sheaf_prefill_oversize, of: id)
      let sheaf = world.slab.sheaves.make(id, capacity: Int(size), memory: reply.address)
      return fill(sheaf, size, gfp, &world)
    case .filled(let sheaf):
      guard reply.bool else {
        return ask(.call(.emptySheaf(.start(sheaf))), then: .emptied)
      }
      return handOver(sheaf, &world)
    case .emptied: return .return(.number(-1))
    case .failed: return .return(.number(-1))
    }
  }

  private mutating func take(
    _ cache: UInt16, _ size: UInt16, _ gfp: GFPFlags, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let id = CacheID(Int(cache))
    let place = world.slab.cpu(id, cpu)
    // In a handler that cut into a slow path the kernel would find the lock taken; it may not be
    // called there.
    guard !world.slab.sheaves.cpus[place].isLocked else {
      return ask(.enable(.migration), then: .failed)
    }
    let spare = world.slab.sheaves.takeSpare(at: place)
    guard spare.isNone else {
      world.slab.note(.sheaf_prefill_fast, of: id)
      return ask(
        .enable(.migration), then: .found(spare, size: size, gfp: gfp, cache: cache))
    }
    world.slab.note(.sheaf_prefill_slow, of: id)
    world.slab.sheaves.cpus[place].isLocked = true
    return ask(
      ExchangeSheaf.call(.getFullOrEmpty, .none, id, world.memoryNode(of: cpu)),
      then: .sought(cache: cache, size: size, gfp: gfp))
  }

  private mutating func fill(
    _ sheaf: ID<Sheaf>, _ size: UInt16, _ gfp: GFPFlags, _ world: inout World
  ) -> Step {
    guard world.slab.sheaves.all[sheaf].size < size else { return handOver(sheaf, &world) }
    return ask(.call(.topUpSheaf(.start(sheaf, gfp))), then: .filled(sheaf))
  }

  private func handOver(_ sheaf: ID<Sheaf>, _ world: inout World) -> Step {
    world.slab.sheaves.all[sheaf].isInHand = true
    return .return(.number(sheaf.index))
  }
}

/// Fills a sheaf in hand to its capacity. Returns: whether it is full.
///
/// Kernel: `refill_sheaf()`, and `__kmem_cache_alloc_bulk()` for an oversize one (mm/slub.c; 6.18,
/// 7.0), which serves a debug cache an object at a time.
package enum TopUpSheaf: Path {
  case start(ID<Sheaf>, GFPFlags)
  case refilled(ID<Sheaf>, before: UInt16)
  case objectGiven(ID<Sheaf>, GFPFlags)

  package static var name: PathName { .refill_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let gfp):
      guard !world.slab.isDebug(sheaf) else { return nextSingle(sheaf, gfp, &world) }
      let before = world.slab.sheaves.all[sheaf].size
      return ask(
        .call(.refillSheaf(.start(sheaf, gfp))), then: .refilled(sheaf, before: before))
    case .refilled(let sheaf, let before):
      let record = world.slab.sheaves.all[sheaf]
      let isOwn = world.slab.isOwnSize(sheaf)
      world.slab.note(
        isOwn ? .sheaf_refill : .alloc_slowpath, of: record.cacheID, Int(record.size - before))
      return .return(.bool(world.slab.sheaves.isFull(sheaf)))
    case .objectGiven(let sheaf, let gfp):
      guard case .object(let slab, let index) = world.slab.owner(of: reply.address) else {
        return .return(.bool(false))
      }
      world.slab.sheaves.append(ObjectRef(slab: slab, index: index), to: sheaf)
      return nextSingle(sheaf, gfp, &world)
    }
  }

  private mutating func nextSingle(
    _ sheaf: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World
  ) -> Step {
    guard !world.slab.sheaves.isFull(sheaf) else { return .return(.bool(true)) }
    let request = SlabRequest(world.slab.sheaves.all[sheaf].cacheID, gfp, .any)
    return ask(.call(world.slowAllocation(request)), then: .objectGiven(sheaf, gfp))
  }
}

/// Gives the objects of a sheaf in hand to their slabs, and frees it.
///
/// Kernel: `sheaf_flush_unused()` and `free_empty_sheaf()`, or `kfree()` of an oversize one
/// (mm/slub.c; 6.18, 7.0).
package enum EmptySheaf: Path {
  case start(ID<Sheaf>)
  case flushed(ID<Sheaf>)
  case done

  package static var name: PathName { .sheaf_flush_unused }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf):
      guard world.slab.isDebug(sheaf) else {
        return ask(.call(.flushSheaf(.start(sheaf))), then: .flushed(sheaf))
      }
      return nextSingle(sheaf, &world)
    case .flushed(let sheaf): return nextSingle(sheaf, &world)
    case .done: return .return()
    }
  }

  /// A debug cache's objects go one by one; then the sheaf itself.
  private mutating func nextSingle(_ sheaf: ID<Sheaf>, _ world: inout World) -> Step {
    let record = world.slab.sheaves.all[sheaf]
    guard world.slab.sheaves.isEmpty(sheaf) else {
      let object = world.slab.sheaves.takeLast(of: sheaf)
      let address = world.slab.address(object.slab, object.index)
      return ask(
        .call(.kmemCacheFree(.start(record.cacheID, address))), then: .flushed(sheaf))
    }
    guard !world.slab.isOwnSize(sheaf) else {
      return ask(.call(.freeSheaf(.start(sheaf))), then: .done)
    }
    world.slab.sheaves.give(sheaf)
    return ask(.call(.kfree(.start(record.memory))), then: .done)
  }
}

/// Takes an object out of a sheaf in hand; `null` where it has none. It takes no lock and never
/// sleeps.
///
/// Kernel: `kmem_cache_alloc_from_sheaf()` (mm/slub.c; 6.18, 7.0).
package enum AllocFromSheaf: Path {
  case start(ID<Sheaf>, GFPFlags)
  case here(ID<Sheaf>, GFPFlags)
  case zeroed(Address)

  package static var name: PathName { .kmem_cache_alloc_from_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let gfp):
      guard !sheaf.isNone, world.isInHand(sheaf, on: cpu) else { return .return(.address(.null)) }
      return ask(.ahead(.slubAllocFast), then: .here(sheaf, gfp))
    case .here(let sheaf, let gfp):
      let cache = world.slab.sheaves.all[sheaf].cacheID
      var object = Address.null
      if !world.slab.sheaves.isEmpty(sheaf) {
        object = world.slab.handOut(world.slab.sheaves.takeLast(of: sheaf), to: cpu)
      }
      let size = world.slab.caches[cache].sizing.objectSize
      if world.probe.isOn {
        world.traceAllocation(
          .kmemCacheAlloc, object, asked: size, given: Int(world.slab.layouts[cache.index].size),
          gfp, .any, on: cpu)
      }
      guard gfp.contains(.zero), object != .null else { return .return(.address(object)) }
      return ask(.work(.zeroLine, times: Int32((size + 63) / 64)), then: .zeroed(object))
    case .zeroed(let object): return .return(.address(object))
    }
  }
}

extension World {
  /// Whether a sheaf is its user's; complains of one that was given back.
  mutating func isInHand(_ sheaf: ID<Sheaf>, on cpu: CPUID) -> Bool {
    if slab.sheaves.all[sheaf].isInHand { return true }
    complain(
      .useAfterFree,
      "a prefilled sheaf is used after it was given back. kmem_cache_return_sheaf() is its end: "
        + "set the pointer to NULL.", on: cpu)
    return false
  }
}

extension SlabAllocator {
  /// Sheaves of a cache that users have in hand. Complexity: O(sheaves).
  func sheavesInHand(of cache: CacheID) -> Int {
    (0..<sheaves.used).count { number in
      let sheaf = sheaves.all[ID<Sheaf>(number)]
      return sheaf.isInHand && sheaf.cacheID == cache
    }
  }

  /// Whether a sheaf is of a debug cache, whose objects are its slabs' until they are handed out.
  @inline(__always) func isDebug(_ sheaf: ID<Sheaf>) -> Bool {
    layouts[sheaves.all[sheaf].cacheID.index].isDebug
  }

  /// Whether a sheaf is as large as its cache's own, which CPUs and barns take back.
  @inline(__always) func isOwnSize(_ sheaf: ID<Sheaf>) -> Bool {
    let record = sheaves.all[sheaf]
    return record.capacity == layouts[record.cacheID.index].sheafCapacity
  }
}
