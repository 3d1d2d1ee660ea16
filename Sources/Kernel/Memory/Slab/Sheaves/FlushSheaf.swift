import Hardware
import Simulation

/// Gives all objects of a sheaf that nobody else has back to their slabs, slab by slab.
///
/// Kernel: `sheaf_flush_unused()` → `__kmem_cache_free_bulk()` (mm/slub.c; 6.18, 7.0).
package enum FlushSheaf: Path {
  case start(ID<Sheaf>)
  case next(ID<Sheaf>)
  case detached(ID<Sheaf>, ID<Slab>, head: UInt16)

  package static var name: PathName { .sheaf_flush_unused }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf):
      let record = world.slab.sheaves.all[sheaf]
      world.slab.note(.sheaf_flush, of: record.cacheID, Int(record.size))
      return next(sheaf, &world)
    case .next(let sheaf): return next(sheaf, &world)
    case .detached(let sheaf, let slab, let head):
      return ask(.call(.slabFreeList(.start(slab, head))), then: .next(sheaf))
    }
  }

  private mutating func next(_ sheaf: ID<Sheaf>, _ world: inout World) -> Step {
    guard !world.slab.sheaves.isEmpty(sheaf) else { return .return() }
    let list = world.slab.detachList(from: sheaf)
    return ask(
      .work(.slubInitObject, times: Int32(list.count)),
      then: .detached(sheaf, list.slab, head: list.head))
  }
}

/// Frees a list of objects of one slab: up to 6.19 one of this CPU's own slab goes on its freelist,
/// all others are one free of the slow path.
///
/// Kernel: `do_slab_free()` with `cnt` objects (mm/slub.c; 6.18, 7.0).
package enum SlabFreeList: Path {
  case start(ID<Slab>, UInt16)
  case uncounted(ID<Slab>, UInt16)
  case done

  package static var name: PathName { .__slab_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let head):
      if world.slab.giveLocalList(slab, head, on: cpu) { return .return() }
      // From 7.0 on FREE_SLOWPATH counts objects that went past the sheaves, not what they flush.
      guard world.slab.rules.sheaves != .all else {
        return ask(.ahead(.slubFreeSlow), then: .uncounted(slab, head))
      }
      return ask(.call(.slabFree(.start(slab, .chain(head)))), then: .done)
    case .uncounted(let slab, let head):
      return ask(.call(.slabFree(.retry(slab, .chain(head)))), then: .done)
    case .done: return .return()
    }
  }
}

/// Flushes this CPU's main sheaf, 32 objects at a time with the sheaves unlocked between.
/// Returns: whether any objects were flushed.
///
/// Kernel: `sheaf_flush_main()`, `PCS_BATCH_MAX` (mm/slub.c, 7.0).
package enum FlushMain: Path {
  static let batchMax = 32

  case start(cache: UInt16)
  case next(cache: UInt16, any: Bool)
  case locked(cache: UInt16, any: Bool)
  case unlocked(cache: UInt16, ID<Sheaf>)
  case flushed(cache: UInt16, ID<Sheaf>)

  package static var name: PathName { .sheaf_flush_main }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache): return next(cache, false, &world, cpu)
    case .next(let cache, let any): return next(cache, any, &world, cpu)
    case .locked(let cache, let any):
      let place = world.slab.cpu(CacheID(Int(cache)), cpu)
      let count = min(FlushMain.batchMax, Int(world.slab.sheaves.cpus[place].size))
      guard count > 0 else {
        return ask(.enable(.migration), then: .next(cache: cache, any: any))
      }
      let batch = world.slab.sheaves.make(CacheID(Int(cache)), capacity: FlushMain.batchMax)
      world.slab.sheaves.storeMainSize(at: place)
      world.slab.sheaves.move(count, from: world.slab.sheaves.cpus[place].main, to: batch)
      world.slab.sheaves.cpus[place].size -= UInt16(count)
      return ask(.enable(.migration), then: .unlocked(cache: cache, batch))
    case .unlocked(let cache, let batch):
      return ask(.call(.flushSheaf(.start(batch))), then: .flushed(cache: cache, batch))
    case .flushed(let cache, let batch):
      world.slab.sheaves.give(batch)
      return next(cache, true, &world, cpu)
    }
  }

  private mutating func next(
    _ cache: UInt16, _ any: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let mine = world.slab.sheaves.cpus[world.slab.cpu(CacheID(Int(cache)), cpu)]
    guard mine.size > 0, !mine.isLocked else { return .return(.bool(any)) }
    return ask(.disable(.migration), then: .locked(cache: cache, any: any))
  }
}

/// Gives all that this CPU's sheaves of a cache hold back to the slabs.
///
/// Kernel: `pcs_flush_all()` (mm/slub.c, 7.0); the barn is left out there too.
package enum FlushCPUSheaves: Path {
  case start(cache: UInt16)
  case locked(cache: UInt16)
  case unlocked(cache: UInt16, ID<Sheaf>, rcuFree: ID<Sheaf>)
  case flushed(cache: UInt16, ID<Sheaf>, rcuFree: ID<Sheaf>)
  case freed(cache: UInt16, rcuFree: ID<Sheaf>)
  case called(cache: UInt16)
  case done

  package static var name: PathName { .pcs_flush_all }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache): return ask(.disable(.migration), then: .locked(cache: cache))
    case .locked(let cache):
      let place = world.slab.cpu(CacheID(Int(cache)), cpu)
      let spare = world.slab.sheaves.takeSpare(at: place)
      let rcuFree = world.slab.sheaves.takeRCUFree(at: place)
      return ask(
        .enable(.migration), then: .unlocked(cache: cache, spare, rcuFree: rcuFree))
    case .unlocked(let cache, let spare, let rcuFree):
      guard !spare.isNone else { return callRCU(cache, rcuFree) }
      return ask(
        .call(.flushSheaf(.start(spare))), then: .flushed(cache: cache, spare, rcuFree: rcuFree))
    case .flushed(let cache, let spare, let rcuFree):
      return ask(
        .call(.freeSheaf(.start(spare))), then: .freed(cache: cache, rcuFree: rcuFree))
    case .freed(let cache, let rcuFree): return callRCU(cache, rcuFree)
    case .called(let cache): return flushMain(cache)
    case .done: return .return()
    }
  }

  /// The objects of kfree_rcu() have their grace period before them.
  private mutating func callRCU(_ cache: UInt16, _ rcuFree: ID<Sheaf>) -> Step {
    guard !rcuFree.isNone else { return flushMain(cache) }
    return ask(
      .call(.callRCU(.start(.freeSheaf(rcuFree, toBarn: false)))), then: .called(cache: cache))
  }

  private mutating func flushMain(_ cache: UInt16) -> Step {
    ask(.call(.flushMain(.start(cache: cache))), then: .done)
  }
}

/// Empties the barn of a cache on a node, and frees its sheaves.
///
/// Up to 6.19 slabs that were full go on this CPU's list then, so that is flushed once more.
///
/// Kernel: `barn_shrink()` (mm/slub.c, 7.0).
package enum ShrinkBarn: Path {
  case start(cache: UInt16, node: UInt8)
  case locked(cache: UInt16, node: UInt8)
  case unlocked(full: ID<Sheaf>, empty: ID<Sheaf>, cache: UInt16)
  case flushed(full: ID<Sheaf>, empty: ID<Sheaf>, cache: UInt16)
  case done

  package static var name: PathName { .barn_shrink }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let node):
      return ask(
        .acquire(barn(cache, node, world).lock, irqs: .off),
        then: .locked(cache: cache, node: node))
    case .locked(let cache, let node):
      let place = world.slab.node(CacheID(Int(cache)), NodeID(Int(node)))
      let lists = world.slab.sheaves.takeAll(from: place)
      return ask(
        .release(barn(cache, node, world).lock, irqs: .off),
        then: .unlocked(full: lists.full, empty: lists.empty, cache: cache))
    case .unlocked(let full, let empty, let cache):
      guard full.isNone else {
        return ask(
          .call(.flushSheaf(.start(full))), then: .flushed(full: full, empty: empty, cache: cache))
      }
      guard !empty.isNone else {
        guard world.slab.rules.sheaves == .onRequest else { return .return() }
        return ask(.call(.flushCPUSlab(.start(cache: cache))), then: .done)
      }
      let next = world.slab.sheaves.all[empty].next
      return ask(
        .call(.freeSheaf(.start(empty))), then: .unlocked(full: .none, empty: next, cache: cache))
    case .done: return .return()
    case .flushed(let full, let empty, let cache):
      let next = world.slab.sheaves.all[full].next
      return ask(
        .call(.freeSheaf(.start(full))), then: .unlocked(full: next, empty: empty, cache: cache))
    }
  }

  @inline(__always)
  private func barn(_ cache: UInt16, _ node: UInt8, _ world: borrowing World) -> Barn {
    world.slab.sheaves.barns[world.slab.node(CacheID(Int(cache)), NodeID(Int(node)))]
  }
}
