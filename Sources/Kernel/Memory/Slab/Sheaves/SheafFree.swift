import Hardware
import Simulation

/// The slow path of a free to sheaves: the spare one, an empty one of the barn, a new one; else a
/// full sheaf is flushed to the slabs. Objects of other nodes go past the sheaves.
///
/// Kernel: `slab_free()`, `free_to_pcs()`, `__pcs_replace_full_main()`,
/// `__pcs_install_empty_sheaf()` (mm/slub.c, 7.0).
package enum SheafFree: Path {
  case start(ObjectRef)
  case entered(ObjectRef)
  case locked(ObjectRef)
  // The barn, with the sheaves locked.
  case emptySought(ObjectRef)
  case replaced(ObjectRef)
  // Not locked: a sheaf is made or flushed.
  case sheafWanted(ObjectRef, putFailed: Bool)
  case made(ObjectRef, putFailed: Bool)
  case mainFlushed(ObjectRef)
  case mainRelocked(ObjectRef)
  case spareTaken(ObjectRef, ID<Sheaf>)
  case spareFlushed(ObjectRef, ID<Sheaf>)
  case relocked(ObjectRef, ID<Sheaf>)
  case interrupted(ObjectRef)
  // The main sheaf has room.
  case push(ObjectRef)
  // Past the sheaves.
  case goPast(ObjectRef)
  case leave
  case done

  package static var name: PathName { .free_to_pcs }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let object): return ask(.ahead(.slubSlowStep), then: .entered(object))
    case .entered(let object): return enter(object, &world, cpu)
    case .locked(let object), .mainRelocked(let object): return look(object, &world, cpu)
    case .emptySought(let object): return gotEmpty(object, reply.number, &world, cpu)
    case .replaced(let object): return gotReplaced(object, reply.number, &world, cpu)
    case .sheafWanted(let object, let putFailed):
      let cache = world.slab.slabs[object.slab].cache
      return ask(
        .call(.allocSheaf(.start(cache: cache, gfp: .noWait))),
        then: .made(object, putFailed: putFailed))
    case .made(let object, let putFailed):
      guard reply.number < 0 else { return relock(object, ID(reply.number)) }
      let cache = world.slab.slabs[object.slab].cacheID
      if putFailed { world.slab.note(.barn_put_fail, of: cache) }
      return ask(
        .call(.flushMain(.start(cache: UInt16(cache.index)))), then: .mainFlushed(object))
    case .mainFlushed(let object):
      guard reply.bool, !world.areSheavesLocked(object, on: cpu) else {
        return past(object, &world, cpu)
      }
      return ask(.disable(.migration), then: .mainRelocked(object))
    case .spareTaken(let object, let sheaf):
      return ask(.call(.flushSheaf(.start(sheaf))), then: .spareFlushed(object, sheaf))
    case .spareFlushed(let object, let sheaf): return relock(object, sheaf)
    case .relocked(let object, let empty): return install(empty, object, &world, cpu)
    case .interrupted(let object): return ask(.enable(.migration), then: .goPast(object))
    case .push(let object): return push(object, &world, cpu)
    case .goPast(let object): return past(object, &world, cpu)
    case .leave: return .return()
    case .done: return .return()
    }
  }

  private mutating func enter(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let slab = world.slab.slabs[object.slab]
    guard world.slab.layouts[slab.cacheID.index].sheafCapacity > 0,
      slab.nodeID == world.memoryNode(of: cpu), !world.areSheavesLocked(object, on: cpu)
    else { return past(object, &world, cpu) }
    return ask(.disable(.migration), then: .locked(object))
  }

  private mutating func look(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.slabs[object.slab].cacheID
    let place = world.slab.cpu(cache, cpu)
    world.slab.needMain(cache, at: place)
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard mine.isFull else { return push(object, &world, cpu) }
    let node = world.memoryNode(of: cpu)
    guard !mine.spare.isNone else {
      return ask(ExchangeSheaf.call(.getEmpty, .none, cache, node), then: .emptySought(object))
    }
    guard world.slab.sheaves.isFull(mine.spare) else {
      world.slab.sheaves.swapSpare(at: place)
      return push(object, &world, cpu)
    }
    world.slab.sheaves.storeMainSize(at: place)
    return ask(
      ExchangeSheaf.call(.replaceFull, mine.main, cache, node), then: .replaced(object))
  }

  /// There was no spare sheaf: the full main one becomes it, if the barn had an empty one.
  private mutating func gotEmpty(
    _ object: ObjectRef, _ answer: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let place = world.slab.cpu(world.slab.slabs[object.slab].cacheID, cpu)
    guard answer >= 0 else { return unlock(.sheafWanted(object, putFailed: false), &world, place) }
    world.slab.sheaves.cpus[place].spare = world.slab.sheaves.setMain(ID(answer), at: place)
    return push(object, &world, cpu)
  }

  /// Main and spare are full: the barn took the main one, or it did not.
  private mutating func gotReplaced(
    _ object: ObjectRef, _ answer: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.slabs[object.slab].cacheID
    let place = world.slab.cpu(cache, cpu)
    guard answer < 0 else {
      world.slab.note(.barn_put, of: cache)
      // The old one is in the barn by now: its size was written before.
      world.slab.sheaves.cpus[place].main = .none
      world.slab.sheaves.setMain(ID(answer), at: place)
      return push(object, &world, cpu)
    }
    guard answer == ExchangeSheaf.tooManyFull else {
      return unlock(.sheafWanted(object, putFailed: true), &world, place)
    }
    world.slab.note(.barn_put_fail, of: cache)
    let spare = world.slab.sheaves.takeSpare(at: place)
    return unlock(.spareTaken(object, spare), &world, place)
  }

  private mutating func unlock(_ next: SheafFree, _ world: inout World, _ place: Int) -> Step {
    world.slab.sheaves.cpus[place].isLocked = false
    return ask(.enable(.migration), then: next)
  }

  private mutating func relock(_ object: ObjectRef, _ empty: ID<Sheaf>) -> Step {
    ask(.disable(.migration), then: .relocked(object, empty))
  }

  /// An empty sheaf for what is found now, which a handler may have changed.
  private mutating func install(
    _ empty: ID<Sheaf>, _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.slabs[object.slab].cacheID
    let (place, node) = (world.slab.cpu(cache, cpu), world.memoryNode(of: cpu))
    guard !world.slab.sheaves.cpus[place].isLocked else {
      return ask(ExchangeSheaf.call(.putEmpty, empty, cache, node), then: .interrupted(object))
    }
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard !mine.spare.isNone else {
      world.slab.sheaves.cpus[place].spare = world.slab.sheaves.setMain(empty, at: place)
      return push(object, &world, cpu)
    }
    guard mine.isFull else {
      return ask(ExchangeSheaf.call(.putEmpty, empty, cache, node), then: .push(object))
    }
    guard world.slab.sheaves.isFull(mine.spare) else {
      world.slab.sheaves.swapSpare(at: place)
      return ask(ExchangeSheaf.call(.putEmpty, empty, cache, node), then: .push(object))
    }
    // The barn had no empty sheaf, but room for a full one.
    world.slab.note(.barn_put, of: cache)
    let full = world.slab.sheaves.setMain(empty, at: place)
    return ask(ExchangeSheaf.call(.putFull, full, cache, node), then: .push(object))
  }

  /// Puts the object in the main sheaf, and gives up the lock.
  private mutating func push(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let place = world.slab.cpu(world.slab.slabs[object.slab].cacheID, cpu)
    if world.slab.isTaken(object.slab, object.index) {
      world.slab.countOrigin(
        object.slab, object.index, on: cpu, memoryNode: world.memoryNode(of: cpu))
      world.slab.markCached(object)
      world.slab.sheaves.push(object, at: place)
      world.slab.sheaves.cpus[place].freeFast &+= 1
    } else {
      world.complainDoubleFree(object.slab, object.index, on: cpu)
    }
    return unlock(.leave, &world, place)
  }

  /// Frees the object to its slab.
  private mutating func past(
    _ object: ObjectRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.slab.rules.sheaves == .all else {
      let cache = world.slab.slabs[object.slab].cacheID
      switch world.slab.giveLocal(object.slab, object.index, cache, on: cpu) {
      case .done: return .return()
      case .elsewhere: break
      case .doubleFree:
        world.complainDoubleFree(object.slab, object.index, on: cpu)
        return .return()
      }
      return ask(.call(.slabFree(.start(object.slab, .one(object.index)))), then: .done)
    }
    return ask(.call(world.slubSlowFree(object.slab, object.index)), then: .done)
  }
}

extension World {
  /// Whether a slow path that is interrupted on this CPU has the sheaves of an object's cache.
  @inline(__always)
  fileprivate func areSheavesLocked(_ object: ObjectRef, on cpu: CPUID) -> Bool {
    slab.sheaves.cpus[slab.cpu(slab.slabs[object.slab].cacheID, cpu)].isLocked
  }
}
