import Hardware
import Simulation

/// Puts an object of `kfree_rcu()` into the sheaf that its CPU fills for RCU; one that is full is
/// handed to RCU as a whole. Returns: whether it did. Objects stay allocated meanwhile.
///
/// Kernel: `__kfree_rcu_sheaf()` (mm/slub.c, 6.18).
package enum KfreeRCUSheaf: Path {
  case start(ObjectRef)
  case locked(ObjectRef)
  case emptySought(ObjectRef)
  case unlocked(ObjectRef)
  case made(ObjectRef)
  case relocked(ObjectRef, ID<Sheaf>)
  case emptyPut(ObjectRef)
  case interrupted(ObjectRef)
  case called(ObjectRef)
  case leave(ObjectRef)
  case failed(ObjectRef)

  package static var name: PathName { .__kfree_rcu_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let object):
      guard !world.slab.sheaves.cpus[place(object, world, cpu)].isLocked else {
        return fail(object, &world)
      }
      return ask(.disable(.migration), then: .locked(object))
    case .locked(let object): return look(object, &world, cpu)
    case .emptySought(let object):
      let place = place(object, world, cpu)
      guard reply.number >= 0 else {
        world.slab.sheaves.cpus[place].isLocked = false
        return ask(.enable(.migration), then: .unlocked(object))
      }
      world.slab.sheaves.cpus[place].rcuFree = ID(reply.number)
      return put(object, &world, cpu)
    case .unlocked(let object):
      let cache = world.slab.slabs[object.slab].cache
      return ask(.call(.allocSheaf(.start(cache: cache, gfp: .noWait))), then: .made(object))
    case .made(let object):
      guard reply.number >= 0 else { return fail(object, &world) }
      return ask(.disable(.migration), then: .relocked(object, ID(reply.number)))
    case .relocked(let object, let empty): return install(empty, object, &world, cpu)
    case .emptyPut(let object): return put(object, &world, cpu)
    case .interrupted(let object): return ask(.enable(.migration), then: .failed(object))
    case .called(let object): return unlock(object, &world, cpu)
    case .leave(let object):
      world.slab.note(.free_rcu_sheaf, of: world.slab.slabs[object.slab].cacheID)
      return .return(.bool(true))
    case .failed(let object): return fail(object, &world)
    }
  }

  private mutating func look(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let place = place(object, world, cpu)
    let cache = world.slab.slabs[object.slab].cacheID
    world.slab.needMain(cache, at: place)
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard mine.rcuFree.isNone else { return put(object, &world, cpu) }
    if !mine.spare.isNone, world.slab.sheaves.isEmpty(mine.spare) {
      world.slab.sheaves.cpus[place].rcuFree = world.slab.sheaves.takeSpare(at: place)
      return put(object, &world, cpu)
    }
    return ask(
      ExchangeSheaf.call(.getEmpty, .none, cache, world.memoryNode(of: cpu)),
      then: .emptySought(object))
  }

  /// A new sheaf for what is found now, which a handler may have changed.
  private mutating func install(
    _ empty: ID<Sheaf>, _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (place, node) = (place(object, world, cpu), world.memoryNode(of: cpu))
    let cache = world.slab.slabs[object.slab].cacheID
    guard !world.slab.sheaves.cpus[place].isLocked else {
      return ask(ExchangeSheaf.call(.putEmpty, empty, cache, node), then: .interrupted(object))
    }
    world.slab.sheaves.cpus[place].isLocked = true
    guard world.slab.sheaves.cpus[place].rcuFree.isNone else {
      return ask(ExchangeSheaf.call(.putEmpty, empty, cache, node), then: .emptyPut(object))
    }
    world.slab.sheaves.cpus[place].rcuFree = empty
    return put(object, &world, cpu)
  }

  private mutating func put(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let place = place(object, world, cpu)
    let sheaf = world.slab.sheaves.cpus[place].rcuFree
    world.slab.sheaves.append(object, to: sheaf)
    guard world.slab.sheaves.isFull(sheaf) else { return unlock(object, &world, cpu) }
    world.slab.sheaves.cpus[place].rcuFree = .none
    world.slab.sheaves.all[sheaf].node = world.memoryNode(of: cpu)
    return ask(
      .call(.callRCU(.start(.freeSheaf(sheaf, toBarn: true)))), then: .called(object))
  }

  private mutating func unlock(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.slab.sheaves.cpus[place(object, world, cpu)].isLocked = false
    return ask(.enable(.migration), then: .leave(object))
  }

  private func fail(_ object: ObjectRef, _ world: inout World) -> Step {
    world.slab.note(.free_rcu_sheaf_fail, of: world.slab.slabs[object.slab].cacheID)
    return .return(.bool(false))
  }

  @inline(__always)
  private func place(_ object: ObjectRef, _ world: borrowing World, _ cpu: CPUID) -> Int {
    world.slab.cpu(world.slab.slabs[object.slab].cacheID, cpu)
  }
}

/// After the grace period: the sheaf goes to its node's barn as a full one, or its objects to their
/// slabs and it to the barn as an empty one, or it is freed.
///
/// Kernel: `rcu_free_sheaf()`, `rcu_free_sheaf_nobarn()` (mm/slub.c, 6.18).
package enum RCUFreeSheaf: Path {
  case start(ID<Sheaf>, toBarn: Bool)
  case prepared(ID<Sheaf>, toBarn: Bool)
  case looked(ID<Sheaf>)
  case flushed(ID<Sheaf>, toBarn: Bool)
  case done

  package static var name: PathName { .rcu_free_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let toBarn):
      let count = Int32(world.slab.sheaves.all[sheaf].size)
      world.prepareRCUSheaf(sheaf, on: cpu)
      return ask(
        .work(.slubInitObject, times: max(count, 1)), then: .prepared(sheaf, toBarn: toBarn))
    case .prepared(let sheaf, let toBarn):
      guard toBarn else { return flush(sheaf, toBarn: false) }
      return ask(.read(barnLine(sheaf, world)), then: .looked(sheaf))
    case .looked(let sheaf):
      let (record, barn) = (world.slab.sheaves.all[sheaf], barn(sheaf, world))
      guard !world.slab.sheaves.isEmpty(sheaf) else { return giveUp(sheaf, &world) }
      guard barn.fullCount < Barn.fullMax else {
        world.slab.note(.barn_put_fail, of: record.cacheID)
        return flush(sheaf, toBarn: true)
      }
      world.slab.note(.barn_put, of: record.cacheID)
      return ask(
        ExchangeSheaf.call(.putFull, sheaf, record.cacheID, record.node), then: .done)
    case .flushed(let sheaf, let toBarn):
      guard toBarn else { return ask(.call(.freeSheaf(.start(sheaf))), then: .done) }
      return giveUp(sheaf, &world)
    case .done: return .return()
    }
  }

  private mutating func flush(_ sheaf: ID<Sheaf>, toBarn: Bool) -> Step {
    ask(.call(.flushSheaf(.start(sheaf))), then: .flushed(sheaf, toBarn: toBarn))
  }

  private mutating func giveUp(_ sheaf: ID<Sheaf>, _ world: inout World) -> Step {
    let record = world.slab.sheaves.all[sheaf]
    guard barn(sheaf, world).emptyCount < Barn.emptyMax else {
      return ask(.call(.freeSheaf(.start(sheaf))), then: .done)
    }
    return ask(
      ExchangeSheaf.call(.putEmpty, sheaf, record.cacheID, record.node), then: .done)
  }

  @inline(__always)
  private func barn(_ sheaf: ID<Sheaf>, _ world: borrowing World) -> Barn {
    let record = world.slab.sheaves.all[sheaf]
    return world.slab.sheaves.barns[world.slab.node(record.cacheID, record.node)]
  }
  @inline(__always)
  private func barnLine(_ sheaf: ID<Sheaf>, _ world: borrowing World) -> LineID {
    world.locks.locks.items[barn(sheaf, world).lock].line
  }
}

/// Hands what `kfree_rcu()` has in sheaves of a cache to RCU, and waits until all such callbacks
/// have run.
///
/// Kernel: `flush_rcu_sheaves_on_cache()` (mm/slub.c, 7.0), `flush_all_rcu_sheaves()` (6.18), and the
/// `rcu_barrier()` behind it. Not modelled: work items for CPUs that have no such sheaf; those that
/// have one flush their other sheaves too, which the caller does next.
package enum FlushRCUSheaves: Path {
  case start(cache: UInt16)
  case flushed
  case done

  package static var name: PathName { .flush_rcu_sheaves_on_cache }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      let first = world.slab.cpu(CacheID(Int(cache)), CPUID(0))
      for target in 0..<world.slab.cpuCount
      where !world.slab.sheaves.cpus[first + target].rcuFree.isNone {
        return ask(.call(.flushAll(.start(cache: cache))), then: .flushed)
      }
      return ask(.call(.rcuBarrier(.start)), then: .done)
    case .flushed: return ask(.call(.rcuBarrier(.start)), then: .done)
    case .done: return .return()
    }
  }
}

extension World {
  /// The object at an address, if `kfree_rcu()` may put it into a sheaf of this CPU: its cache has
  /// sheaves and it is of this CPU's node. Kernel: `kfree_rcu_sheaf()` (mm/slab_common.c, 6.18).
  func objectForRCUSheaf(_ address: Address, on cpu: CPUID) -> ObjectRef? {
    guard slab.rules.sheaves != .none, case .object(let id, let index) = slab.owner(of: address)
    else { return nil }
    let record = slab.slabs[id]
    guard slab.layouts[record.cacheID.index].front == .sheaf,
      slab.layouts[record.cacheID.index].sheafCapacity > 0, record.nodeID == memoryNode(of: cpu)
    else { return nil }
    return ObjectRef(slab: id, index: index)
  }

  /// The objects of a sheaf are free from now on. Those that were freed otherwise meanwhile are
  /// reported and left out. Kernel: `__rcu_free_sheaf_prepare()` (mm/slub.c, 6.18).
  mutating func prepareRCUSheaf(_ id: ID<Sheaf>, on cpu: CPUID) {
    let (cache, base) = (slab.sheaves.all[id].cacheID, Int(slab.sheaves.all[id].base))
    var place = 0
    while place < Int(slab.sheaves.all[id].size) {
      let object = slab.sheaves.objects[base + place]
      let record = slab.slabs[object.slab]
      // Its slab may be gone, or another's.
      let isThere = object.index < record.objects && record.cacheID == cache
      if isThere, slab.isTaken(object.slab, object.index) {
        slab.countOrigin(
          object.slab, object.index, on: cpu, memoryNode: slab.sheaves.all[id].node)
        slab.markCached(object)
        place += 1
        continue
      }
      if isThere {
        complainDoubleFree(object.slab, object.index, on: cpu)
      } else {
        complain(
          .doubleFree,
          "an object of \(slab.names[cache.index]) was freed before the grace period of its "
            + "kfree_rcu() was over. Free it once.", on: cpu)
      }
      slab.sheaves.objects[base + place] = slab.sheaves.takeLast(of: id)
    }
  }
}
