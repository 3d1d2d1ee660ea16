import Hardware
import Simulation

/// Fills an array with allocated objects: from sheaves as far as they go, the rest from slabs.
/// Returns: how many; all or none.
///
/// The array is a sheaf of the caller's own, empty and with room for just what is wanted; what it
/// names afterwards is allocated.
/// Kernel: `kmem_cache_alloc_bulk()` → `alloc_from_pcs_bulk()`, `__kmem_cache_alloc_bulk()`
/// (mm/slub.c, 7.0).
package enum SheafAllocBulk: Path {
  case start(ID<Sheaf>, GFPFlags)
  case next(ID<Sheaf>, GFPFlags)
  case locked(ID<Sheaf>, GFPFlags)
  case fullSought(ID<Sheaf>, GFPFlags)
  case goPast(ID<Sheaf>, GFPFlags)
  case refilled(ID<Sheaf>, before: UInt16)
  case failed

  package static var name: PathName { .alloc_from_pcs_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let array, let gfp): return ask(.ahead(.slubSlowStep), then: .next(array, gfp))
    case .next(let array, let gfp): return next(array, gfp, &world, cpu)
    case .locked(let array, let gfp): return look(array, gfp, &world, cpu)
    case .fullSought(let array, let gfp):
      let cache = world.slab.sheaves.all[array].cacheID
      let place = world.slab.cpu(cache, cpu)
      guard reply.number >= 0 else {
        world.slab.note(.barn_get_fail, of: cache)
        world.slab.sheaves.cpus[place].isLocked = false
        return ask(.enable(.migration), then: .goPast(array, gfp))
      }
      world.slab.note(.barn_get, of: cache)
      world.slab.sheaves.cpus[place].main = .none
      world.slab.sheaves.setMain(ID(reply.number), at: place)
      return take(array, gfp, &world, place)
    case .goPast(let array, let gfp): return past(array, gfp, &world)
    case .refilled(let array, let before):
      let record = world.slab.sheaves.all[array]
      guard world.slab.sheaves.isFull(array) else {
        return ask(.call(.flushSheaf(.next(array))), then: .failed)
      }
      world.slab.note(.alloc_slowpath, of: record.cacheID, Int(record.size - before))
      return finish(array, &world, cpu)
    case .failed: return .return(.number(0))
    }
  }

  private mutating func next(
    _ array: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !world.slab.sheaves.isFull(array) else { return finish(array, &world, cpu) }
    let cache = world.slab.sheaves.all[array].cacheID
    world.slab.activate(cache, &world.locks, &world.lines)
    guard world.slab.layouts[cache.index].sheafCapacity > 0,
      !world.slab.sheaves.cpus[world.slab.cpu(cache, cpu)].isLocked
    else { return past(array, gfp, &world) }
    return ask(.disable(.migration), then: .locked(array, gfp))
  }

  private mutating func look(
    _ array: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.sheaves.all[array].cacheID
    let place = world.slab.cpu(cache, cpu)
    world.slab.needMain(cache, at: place)
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard mine.size == 0 else { return take(array, gfp, &world, place) }
    if !mine.spare.isNone, !world.slab.sheaves.isEmpty(mine.spare) {
      world.slab.sheaves.swapSpare(at: place)
      return take(array, gfp, &world, place)
    }
    world.slab.sheaves.storeMainSize(at: place)
    let node = world.memoryNode(of: cpu)
    return ask(
      ExchangeSheaf.call(.replaceEmpty, mine.main, cache, node), then: .fullSought(array, gfp))
  }

  /// Moves objects of the main sheaf, and gives up the lock.
  private mutating func take(
    _ array: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World, _ place: Int
  ) -> Step {
    let mine = world.slab.sheaves.cpus[place]
    let count = min(Int(mine.size), world.slab.sheaves.room(in: array))
    world.slab.sheaves.storeMainSize(at: place)
    world.slab.sheaves.move(count, from: mine.main, to: array)
    world.slab.sheaves.cpus[place].size -= UInt16(count)
    world.slab.sheaves.cpus[place].allocFast &+= UInt32(count)
    world.slab.sheaves.cpus[place].isLocked = false
    return ask(.enable(.migration), then: .next(array, gfp))
  }

  private mutating func past(
    _ array: ID<Sheaf>, _ gfp: GFPFlags, _ world: inout World
  ) -> Step {
    let before = world.slab.sheaves.all[array].size
    return ask(.call(.refillSheaf(.start(array, gfp))), then: .refilled(array, before: before))
  }

  private func finish(_ array: ID<Sheaf>, _ world: inout World, _ cpu: CPUID) -> Step {
    let record = world.slab.sheaves.all[array]
    for place in 0..<Int(record.size) {
      _ = world.slab.handOut(world.slab.sheaves.objects[Int(record.base) + place], to: cpu)
    }
    return .return(.number(Int(record.size)))
  }
}

/// Frees the objects that an array names: into sheaves as far as they have room, the rest and
/// those of other nodes to their slabs. The array is empty afterwards.
///
/// Kernel: `kmem_cache_free_bulk()` → `free_to_pcs_bulk()` (mm/slub.c, 7.0). There a batch of 32
/// objects of other nodes that ends the array loses what is before it; here it does not.
package enum SheafFreeBulk: Path {
  static let remoteMax = 32

  case start(ID<Sheaf>)
  case sorting(ID<Sheaf>, remote: ID<Sheaf>, at: UInt16)
  case remoteFlushed(ID<Sheaf>, remote: ID<Sheaf>, at: UInt16)
  case next(ID<Sheaf>, remote: ID<Sheaf>)
  case locked(ID<Sheaf>, remote: ID<Sheaf>)
  case emptySought(ID<Sheaf>, remote: ID<Sheaf>)
  case replaced(ID<Sheaf>, remote: ID<Sheaf>)
  case goPast(ID<Sheaf>, remote: ID<Sheaf>)
  case flushed(remote: ID<Sheaf>)
  case done(remote: ID<Sheaf>)

  package static var name: PathName { .free_to_pcs_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let array):
      let cache = world.slab.sheaves.all[array].cacheID
      let remote = world.slab.sheaves.make(cache, capacity: SheafFreeBulk.remoteMax)
      return ask(.ahead(.slubSlowStep), then: .sorting(array, remote: remote, at: 0))
    case .sorting(let array, let remote, let place):
      return sort(array, remote, from: Int(place), &world, cpu)
    case .remoteFlushed(let array, let remote, let place):
      return sort(array, remote, from: Int(place), &world, cpu)
    case .next(let array, let remote): return next(array, remote, &world, cpu)
    case .locked(let array, let remote): return look(array, remote, &world, cpu)
    case .emptySought(let array, let remote):
      let place = world.slab.cpu(world.slab.sheaves.all[array].cacheID, cpu)
      guard reply.number >= 0 else { return noEmpty(array, remote, &world, place) }
      let old = world.slab.sheaves.setMain(ID(reply.number), at: place)
      world.slab.sheaves.cpus[place].spare = old
      return put(array, remote, &world, place)
    case .replaced(let array, let remote):
      let cache = world.slab.sheaves.all[array].cacheID
      let place = world.slab.cpu(cache, cpu)
      guard reply.number >= 0 else {
        world.slab.note(.barn_put_fail, of: cache)
        return noEmpty(array, remote, &world, place)
      }
      world.slab.note(.barn_put, of: cache)
      world.slab.sheaves.cpus[place].main = .none
      world.slab.sheaves.setMain(ID(reply.number), at: place)
      return put(array, remote, &world, place)
    case .goPast(let array, let remote): return past(array, remote, &world)
    case .flushed(let remote): return flush(remote, &world)
    case .done(let remote):
      world.slab.sheaves.give(remote)
      return .return()
    }
  }

  /// Takes out what is free already and what other nodes have.
  private mutating func sort(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, from first: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (base, node) = (Int(world.slab.sheaves.all[array].base), world.memoryNode(of: cpu))
    var place = first
    while place < Int(world.slab.sheaves.all[array].size) {
      let object = world.slab.sheaves.objects[base + place]
      let isTaken = world.slab.isTaken(object.slab, object.index)
      let isOwn = world.slab.slabs[object.slab].nodeID == node
      if isTaken {
        world.slab.countOrigin(object.slab, object.index, on: cpu, memoryNode: node)
        world.slab.markCached(object)
        if isOwn {
          place += 1
          continue
        }
        world.slab.sheaves.append(object, to: remote)
      } else {
        world.complainDoubleFree(object.slab, object.index, on: cpu)
      }
      let last = world.slab.sheaves.takeLast(of: array)
      world.slab.sheaves.objects[base + place] = last
      guard !world.slab.sheaves.isFull(remote) else {
        world.slab.note(
          .free_slowpath, of: world.slab.sheaves.all[array].cacheID, SheafFreeBulk.remoteMax)
        return ask(
          .call(.flushSheaf(.next(remote))),
          then: .remoteFlushed(array, remote: remote, at: UInt16(place)))
      }
    }
    return next(array, remote, &world, cpu)
  }

  private mutating func next(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !world.slab.sheaves.isEmpty(array) else { return flush(remote, &world) }
    let cache = world.slab.sheaves.all[array].cacheID
    guard world.slab.layouts[cache.index].sheafCapacity > 0,
      !world.slab.sheaves.cpus[world.slab.cpu(cache, cpu)].isLocked
    else { return past(array, remote, &world) }
    return ask(.disable(.migration), then: .locked(array, remote: remote))
  }

  private mutating func look(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.sheaves.all[array].cacheID
    let (place, node) = (world.slab.cpu(cache, cpu), world.memoryNode(of: cpu))
    world.slab.needMain(cache, at: place)
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard mine.isFull else { return put(array, remote, &world, place) }
    guard !mine.spare.isNone else {
      return ask(
        ExchangeSheaf.call(.getEmpty, .none, cache, node),
        then: .emptySought(array, remote: remote))
    }
    guard world.slab.sheaves.isFull(mine.spare) else {
      world.slab.sheaves.swapSpare(at: place)
      return put(array, remote, &world, place)
    }
    world.slab.sheaves.storeMainSize(at: place)
    return ask(
      ExchangeSheaf.call(.replaceFull, mine.main, cache, node),
      then: .replaced(array, remote: remote))
  }

  /// Moves objects from the front of the array to the main sheaf, and gives up the lock.
  private mutating func put(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, _ world: inout World, _ place: Int
  ) -> Step {
    let (mine, record) = (world.slab.sheaves.cpus[place], world.slab.sheaves.all[array])
    let count = min(Int(record.size), Int(mine.capacity - mine.size))
    for object in 0..<count {
      world.slab.sheaves.push(world.slab.sheaves.objects[Int(record.base) + object], at: place)
    }
    world.slab.sheaves.removeFirst(count, of: array)
    world.slab.sheaves.cpus[place].freeFast &+= UInt32(count)
    world.slab.sheaves.cpus[place].isLocked = false
    return ask(.enable(.migration), then: .next(array, remote: remote))
  }

  private mutating func noEmpty(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, _ world: inout World, _ place: Int
  ) -> Step {
    world.slab.sheaves.cpus[place].isLocked = false
    return ask(.enable(.migration), then: .goPast(array, remote: remote))
  }

  private mutating func past(
    _ array: ID<Sheaf>, _ remote: ID<Sheaf>, _ world: inout World
  ) -> Step {
    let record = world.slab.sheaves.all[array]
    world.slab.note(.free_slowpath, of: record.cacheID, Int(record.size))
    return ask(.call(.flushSheaf(.next(array))), then: .flushed(remote: remote))
  }

  /// Frees what other nodes have.
  private mutating func flush(_ remote: ID<Sheaf>, _ world: inout World) -> Step {
    let record = world.slab.sheaves.all[remote]
    world.slab.note(.free_slowpath, of: record.cacheID, Int(record.size))
    return ask(.call(.flushSheaf(.next(remote))), then: .done(remote: remote))
  }
}
