import Hardware
import Simulation

/// Frees an object that the CPU's array has no room for, or that is of another node. Interrupts are
/// off throughout.
///
/// Kernel: `___cache_free()`, `__cache_free_alien()`, `cache_flusharray()` (mm/slab.c; 3.10 and 6.1
/// compared). Not modelled: `noaliencache`.
package enum CacheFree: Path {
  case start(ID<Slab>, UInt16)
  case irqsOff(ID<Slab>, UInt16)
  // Of another node.
  case alienLocked(ID<Slab>, UInt16, array: Int32)
  case alienDrained(ID<Slab>, UInt16, array: Int32)
  case alienPushed(LockID, chain: ID<Slab>)
  case alienUnlocked(chain: ID<Slab>)
  // The array is full.
  case listLocked(ID<Slab>, UInt16)
  case moved(ID<Slab>, UInt16)
  case flushed(ID<Slab>, UInt16)
  case unlocked(ID<Slab>, UInt16, chain: ID<Slab>)
  case destroyed(ID<Slab>, UInt16)
  case pushed
  case leave

  package static var name: PathName { .cache_flusharray }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slab, let index):
      world.slab.note(.free_slowpath, of: world.slab.slabs[slab].cacheID)
      return ask(.disable(.irqs), then: .irqsOff(slab, index))
    case .irqsOff(let slab, let index): return begin(slab, index, &world, cpu)
    case .alienLocked, .alienDrained, .alienPushed, .alienUnlocked:
      return alien(&world, cpu, reply)
    case .listLocked, .moved, .flushed, .unlocked, .destroyed: return flush(&world, cpu, reply)
    case .pushed: return ask(.enable(.irqs), then: .leave)
    case .leave: return .return()
    }
  }

  private mutating func begin(
    _ slab: ID<Slab>, _ index: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.slab.isTaken(slab, index) else {
      world.complainDoubleFree(slab, index, on: cpu)
      return ask(.enable(.irqs), then: .leave)
    }
    let (cache, own) = (world.slab.slabs[slab].cacheID, world.memoryNode(of: cpu))
    let node = world.slab.slabs[slab].nodeID
    world.slab.countOrigin(slab, index, on: cpu, memoryNode: own)
    guard node == own else {
      let array = world.slab.makeAlien(cache, of: node, at: own, &world.locks, &world.lines)
      let lock = world.slab.arrays.arrays[array].lock
      return ask(.acquire(lock), then: .alienLocked(slab, index, array: Int32(array)))
    }
    let array = world.array(cache, on: cpu)
    // A flush above may have made room since it was found full.
    guard world.slab.arrays.arrays[array].avail == world.slab.arrays.arrays[array].limit else {
      world.slab.push(slab, index, to: array)
      return ask(.work(.slabFreeFast), then: .pushed)
    }
    return ask(.acquire(world.listLock(cache, own)), then: .listLocked(slab, index))
  }

  /// With the lock of the alien array: a full one goes home first.
  private mutating func alien(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .alienLocked(let slab, let index, let array):
      let record = world.slab.arrays.arrays[Int(array)]
      guard record.avail == record.limit else { return push(slab, index, array, .none, &world) }
      let cache = world.slab.slabs[slab].cache
      return ask(
        .call(.drainAlien(.start(cache: cache, array: array))),
        then: .alienDrained(slab, index, array: array))
    case .alienDrained(let slab, let index, let array):
      return push(slab, index, array, reply.slab, &world)
    case .alienPushed(let lock, let chain):
      return ask(.release(lock), then: .alienUnlocked(chain: chain))
    case .alienUnlocked(let chain):
      guard !chain.isNone else { return ask(.enable(.irqs), then: .leave) }
      return ask(.call(.slabsDestroy(.start(chain))), then: .pushed)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func push(
    _ slab: ID<Slab>, _ index: UInt16, _ array: Int32, _ chain: ID<Slab>, _ world: inout World
  ) -> Step {
    let lock = world.slab.arrays.arrays[Int(array)].lock
    world.slab.push(slab, index, to: Int(array))
    return ask(.work(.slabFreeFast), then: .alienPushed(lock, chain: chain))
  }

  /// With list_lock: a batch of the oldest objects goes to the shared array, else to their slabs.
  private mutating func flush(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .listLocked(let slab, let index):
      let cache = world.slab.slabs[slab].cacheID
      let array = world.array(cache, on: cpu)
      let node = world.slab.node(cache, world.memoryNode(of: cpu))
      let batch = world.slab.arrays.arrays[array].batch
      let count = world.slab.flushToShared(array, node)
      guard count == 0 else {
        let left = Int32(world.slab.arrays.arrays[array].avail)
        return ask(
          .work(.slabMoveObject, times: Int32(count) + left), then: .moved(slab, index))
      }
      return ask(
        .call(.freeBlock(.start(array: Int32(array), count: batch))),
        then: .flushed(slab, index))
    case .moved(let slab, let index):
      return ask(
        .release(world.listLock(slab)), then: .unlocked(slab, index, chain: .none))
    case .flushed(let slab, let index):
      return ask(
        .release(world.listLock(slab)), then: .unlocked(slab, index, chain: reply.slab))
    case .unlocked(let slab, let index, let chain):
      guard !chain.isNone else { return pushOwn(slab, index, &world, cpu) }
      return ask(.call(.slabsDestroy(.start(chain))), then: .destroyed(slab, index))
    case .destroyed(let slab, let index): return pushOwn(slab, index, &world, cpu)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func pushOwn(
    _ slab: ID<Slab>, _ index: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.slab.push(slab, index, to: world.array(world.slab.slabs[slab].cacheID, on: cpu))
    return ask(.work(.slabFreeFast), then: .pushed)
  }
}

/// Puts the oldest objects of an array back to their slabs, and takes slabs that are too many free
/// away. The caller has the list_lock of the objects' node.
///
/// Returns: the slabs to destroy, a chain. Kernel: `free_block()` (mm/slab.c; 3.10 and 6.1 compared:
/// the limit is looked at once at the end, up to 4.8 at each slab that becomes free).
package enum FreeBlock: Path {
  case start(array: Int32, count: UInt16)
  case next(array: Int32, count: UInt16, done: UInt16, chain: ID<Slab>)
  case slabHere(array: Int32, count: UInt16, done: UInt16, chain: ID<Slab>)

  package static var name: PathName { .free_block }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let array, let count):
      guard count > 0 else { return .return(.slab(.none)) }
      return next(array, count, 0, .none, &world)
    case .next(let array, let count, let done, let chain):
      return next(array, count, done, chain, &world)
    case .slabHere(let array, let count, let done, var chain):
      let first = Int(world.slab.arrays.arrays[Int(array)].first) + Int(done)
      let slab = world.slab.arrays.entries[first].slab
      let node = world.slab.node(world.slab.slabs[slab].cacheID, world.slab.slabs[slab].nodeID)
      let given = world.slab.giveBack(Int(array), from: Int(done), most: Int(count - done))
      world.slab.arrays.nodes[node].freeObjects += Int32(given)
      let here = world.slab.arrays.nodes[node]
      if !world.slab.rules.checksNodeUnlocked, world.slab.slabs[slab].inuse == 0,
        here.freeObjects > here.freeLimit
      {
        chain = world.slab.removeFree(slab, chain)
      }
      return ask(
        .work(.slabSlabObject, times: Int32(given)),
        then: .next(array: array, count: count, done: done + UInt16(given), chain: chain))
    }
  }

  private mutating func next(
    _ array: Int32, _ count: UInt16, _ done: UInt16, _ chain: ID<Slab>, _ world: inout World
  ) -> Step {
    let first = Int(world.slab.arrays.arrays[Int(array)].first)
    guard done < count else {
      let slab = world.slab.arrays.entries[first].slab
      let cache = world.slab.slabs[slab].cacheID
      let node = world.slab.node(cache, world.slab.slabs[slab].nodeID)
      world.slab.dropOldest(Int(array), Int(count))
      let chain = world.slab.rules.checksNodeUnlocked ? world.slab.takeSurplus(node) : chain
      if !chain.isNone { world.traceSlabs(of: cache) }
      return .return(.slab(chain))
    }
    let slab = world.slab.arrays.entries[first + Int(done)].slab
    return ask(
      .touch(world.slab.slabs[slab].line),
      then: .slabHere(array: array, count: count, done: done, chain: chain))
  }
}

/// Sends the objects of an alien array home: to the node's shared array, the rest to their slabs.
/// The caller has the array's lock.
///
/// Returns: the slabs to destroy, a chain. Kernel: `__drain_alien_cache()` (mm/slab.c, 6.1).
package enum DrainAlien: Path {
  case start(cache: UInt16, array: Int32)
  case locked(cache: UInt16, array: Int32)
  case moved(cache: UInt16, array: Int32)
  case freed(LockID)
  case unlocked(chain: ID<Slab>)

  package static var name: PathName { .__drain_alien_cache }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let array):
      guard world.slab.arrays.arrays[Int(array)].avail > 0 else { return .return(.slab(.none)) }
      return ask(.acquire(home(array, world.slab)), then: .locked(cache: cache, array: array))
    case .locked(let cache, let array):
      let record = world.slab.arrays.arrays[Int(array)]
      let slab = world.slab.arrays.entries[Int(record.first)].slab
      let node = world.slab.node(CacheID(Int(cache)), world.slab.slabs[slab].nodeID)
      let shared = Int(world.slab.arrays.nodes[node].shared)
      guard shared >= 0 else { return free(cache, array, world.slab) }
      let count = world.slab.transfer(from: Int(array), to: shared, most: Int(record.limit))
      return ask(
        .work(.slabMoveObject, times: Int32(max(count, 1))),
        then: .moved(cache: cache, array: array))
    case .moved(let cache, let array): return free(cache, array, world.slab)
    case .freed(let lock): return ask(.release(lock), then: .unlocked(chain: reply.slab))
    case .unlocked(let chain): return .return(.slab(chain))
    }
  }

  /// The list_lock of the node whose objects these are. What is moved leaves its entry behind.
  @inline(__always)
  private func home(_ array: Int32, _ slab: borrowing SlabAllocator) -> LockID {
    let id = slab.arrays.entries[Int(slab.arrays.arrays[Int(array)].first)].slab
    let place = slab.node(slab.slabs[id].cacheID, slab.slabs[id].nodeID)
    return slab.nodes[place].listLock
  }

  private mutating func free(
    _ cache: UInt16, _ array: Int32, _ slab: borrowing SlabAllocator
  ) -> Step {
    let left = slab.arrays.arrays[Int(array)].avail
    return ask(
      .call(.freeBlock(.start(array: array, count: left))), then: .freed(home(array, slab)))
  }
}
