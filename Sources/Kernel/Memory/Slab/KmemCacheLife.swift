import Hardware
import Simulation

/// Brings a declared cache to life. Returns: whether it did; not twice.
///
/// Kernel: `kmem_cache_create()` → `__kmem_cache_create_args()` (mm/slab_common.c, 6.12).
/// Not modelled: the kernel's own objects for a cache; merging with a cache that is alike.
package enum KmemCacheCreate: Path {
  case start(CacheID)
  case locked(CacheID)
  case made(CacheID)
  case sheavesMade(CacheID)
  case failed(CacheID)
  case done(Bool)

  package static var name: PathName { .kmem_cache_create }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      world.mightSleep(on: cpu, KmemCacheCreate.advice)
      return ask(.acquire(world.slab.mutex), then: .locked(cache))
    case .locked(let cache): return ask(.work(.slubSlowStep, times: 4), then: .made(cache))
    case .made(let cache):
      guard world.slab.caches[cache].state == .declared,
        world.slab.layouts[cache.index].sheafCapacity > 0
      else { return finish(cache, &world) }
      let number = UInt16(cache.index)
      return ask(.call(.initCPUSheaves(.start(cache: number))), then: .sheavesMade(cache))
    case .sheavesMade(let cache):
      guard !reply.bool else { return finish(cache, &world) }
      let number = UInt16(cache.index)
      return ask(.call(.destroyCPUSheaves(.start(cache: number))), then: .failed(cache))
    case .failed(let cache):
      world.slab.release(cache, &world.locks, &world.lines)
      return ask(.release(world.slab.mutex), then: .done(false))
    case .done(let isNew): return .return(.bool(isNew))
    }
  }

  private mutating func finish(_ cache: CacheID, _ world: inout World) -> Step {
    let isNew = world.slab.caches[cache].state == .declared
    if isNew { world.slab.caches[cache].state = .live }
    return ask(.release(world.slab.mutex), then: .done(isNew))
  }

  static var advice: String {
    "kmem_cache_create() and kmem_cache_destroy() take a mutex. Call them where the driver is "
      + "loaded and unloaded, not in atomic context."
  }
}

/// Ends a cache. One with objects left complains and stays, for ever unusable.
///
/// Kernel: `kmem_cache_destroy()` (mm/slab_common.c) → `__kmem_cache_shutdown()`, `free_partial()`
/// (mm/slub.c, 6.12); `kvfree_rcu_barrier_on_cache()` (mm/slab_common.c, 7.0).
package enum KmemCacheDestroy: Path {
  case start(CacheID)
  /// By a name that was destroyed already, of a cache that lives for others.
  case again(CacheID)
  case rcuFlushed(CacheID)
  case rcuDrained(CacheID)
  case locked(CacheID)
  case nextBarn(cache: UInt16, node: UInt8)
  case nextNode(cache: UInt16, node: UInt8)
  case nodeLocked(cache: UInt16, node: UInt8)
  case sorted(cache: UInt16, node: UInt8, empty: ID<Slab>)
  case freeing(cache: UInt16, node: UInt8, empty: ID<Slab>)
  case sheavesDestroyed(cache: UInt16)
  case released(isTypesafe: Bool)
  case done

  package static var name: PathName { .kmem_cache_destroy }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      world.mightSleep(on: cpu, KmemCacheCreate.advice)
      guard world.slab.layouts[cache.index].cpus >= 0,
        world.slab.layouts[cache.index].sheafCapacity > 0
      else { return drainRCU(cache, &world) }
      let number = UInt16(cache.index)
      return ask(.call(.flushRCUSheaves(.start(cache: number))), then: .rcuFlushed(cache))
    case .again(let cache):
      world.complainDestroyedTwice(cache, on: cpu)
      return .return()
    case .rcuFlushed(let cache): return drainRCU(cache, &world)
    case .rcuDrained(let cache): return ask(.acquire(world.slab.mutex), then: .locked(cache))
    case .locked(let cache):
      guard world.slab.caches[cache].state == .live else {
        world.complainDestroyedTwice(cache, on: cpu)
        return ask(.release(world.slab.mutex), then: .done)
      }
      guard !world.slab.dropUser(of: cache) else {
        return ask(.release(world.slab.mutex), then: .done)
      }
      let number = UInt16(cache.index)
      guard world.slab.layouts[cache.index].cpus >= 0 else { return finish(number, &world, cpu) }
      if world.slab.layouts[cache.index].front == .array {
        return ask(
          .call(.shrinkArrays(.start(cache: number))),
          then: .nextNode(cache: number, node: UInt8(world.slab.nodeCount)))
      }
      return ask(
        .call(.flushAll(.start(cache: number))), then: .nextBarn(cache: number, node: 0))
    case .nextBarn(let cache, let node):
      guard Int(node) < world.slab.nodeCount, world.slab.layouts[Int(cache)].sheafCapacity > 0
      else { return lockNode(cache, 0, &world) }
      return ask(
        .call(.shrinkBarn(.start(cache: cache, node: node))),
        then: .nextBarn(cache: cache, node: node + 1))
    case .nextNode(let cache, let node):
      guard Int(node) < world.slab.nodeCount else { return finish(cache, &world, cpu) }
      return lockNode(cache, node, &world)
    case .nodeLocked(let cache, let node):
      let (id, place) = (CacheID(Int(cache)), NodeID(Int(node)))
      let count = world.slab.nodes[world.slab.node(id, place)].partialCount
      let empty = world.slab.sortPartials(id, place)
      return ask(
        .work(.slubListEdit, times: max(count, 1)),
        then: .sorted(cache: cache, node: node, empty: empty))
    case .sorted(let cache, let node, let empty):
      let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
      return ask(
        .release(lock, irqs: .off), then: .freeing(cache: cache, node: node, empty: empty))
    case .freeing(let cache, let node, let empty):
      guard !empty.isNone else {
        return ask(.condResched, then: .nextNode(cache: cache, node: node + 1))
      }
      let next = world.slab.slabs[empty].next
      return ask(
        .call(.discardSlab(.freeSlab(empty))),
        then: .freeing(cache: cache, node: node, empty: next))
    case .sheavesDestroyed(let cache): return release(CacheID(Int(cache)), &world)
    case .released(let isTypesafe):
      guard isTypesafe, world.slab.rules.destroyAwaitsKfreeRCU else { return .return() }
      return ask(.call(.rcuBarrier(.start)), then: .done)
    case .done: return .return()
    }
  }

  /// Pages of its slabs may wait for a grace period still, which 6.12 waits for.
  private mutating func release(_ cache: CacheID, _ world: inout World) -> Step {
    let isTypesafe = world.slab.caches[cache].flags.contains(.typesafeByRCU)
    world.slab.release(cache, &world.locks, &world.lines)
    return ask(.release(world.slab.mutex), then: .released(isTypesafe: isTypesafe))
  }

  /// Waits for the blocks of `kfree_rcu()`, which may hold objects of this cache.
  private mutating func drainRCU(_ cache: CacheID, _ world: inout World) -> Step {
    guard world.slab.rules.destroyAwaitsKfreeRCU else {
      return ask(.acquire(world.slab.mutex), then: .locked(cache))
    }
    return ask(.call(.kvfreeRCUBarrier(.start)), then: .rcuDrained(cache))
  }

  private mutating func lockNode(_ cache: UInt16, _ node: UInt8, _ world: inout World) -> Step {
    let lock = world.listLock(CacheID(Int(cache)), NodeID(Int(node)))
    return ask(.acquire(lock, irqs: .off), then: .nodeLocked(cache: cache, node: node))
  }

  private mutating func finish(_ cache: UInt16, _ world: inout World, _ cpu: CPUID) -> Step {
    let id = CacheID(Int(cache))
    let left = world.slab.allocatedCount(of: id)
    let sheaves = world.slab.sheavesInHand(of: id)
    if left > 0 || sheaves > 0 {
      world.slab.caches[id].state = .shutDown
      world.complain(
        .leak,
        "kmem_cache_destroy \(world.slab.names[id.index]): Slab cache still has objects: \(left)"
          + (sheaves > 0 ? ", and prefilled sheaves that were not returned: \(sheaves)" : "")
          + ". Free every object before the cache is destroyed.", on: cpu)
      return ask(.release(world.slab.mutex), then: .done)
    }
    if world.slab.layouts[id.index].cpus >= 0, world.slab.layouts[id.index].sheafCapacity > 0 {
      return ask(
        .call(.destroyCPUSheaves(.start(cache: cache))), then: .sheavesDestroyed(cache: cache))
    }
    return release(id, &world)
  }
}

extension World {
  /// The kernel would take a merged cache from its other users.
  fileprivate mutating func complainDestroyedTwice(_ cache: CacheID, on cpu: CPUID) {
    let name = slab.names[cache.index]
    let merged = slab.aliases(of: cache).isEmpty ? "" : ", or one that was merged with it,"
    complain(.useAfterFree, "the cache \(name)\(merged) is destroyed twice.", on: cpu)
  }
}

/// Makes an allocation larger, or leaves it where it is.
///
/// Kernel: `krealloc()` → `__do_krealloc()` (mm/slub.c, 6.12).
package enum Krealloc: Path {
  /// What it was called with: too much for a frame.
  package struct Request: BitwiseCopyable {
    var address: Address
    var size: UInt32
    var gfp: GFPFlags
    var result: Address
    static let blank = Request(address: .null, size: 0, gfp: [], result: .null)
  }
  case start(ID<Request>)
  case allocated(ID<Request>)
  case copied(ID<Request>)
  case freed(Address)

  /// The call; the record that holds its arguments is given back when it returns.
  package static func frame(
    _ address: Address, size: UInt32, gfp: GFPFlags, _ world: inout World
  ) -> Frame {
    let request = Request(address: address, size: size, gfp: gfp, result: .null)
    return .krealloc(.start(world.slab.reallocations.take(request)))
  }

  package static var name: PathName { .krealloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let request = world.slab.reallocations[id]
      guard request.size > 0 else {
        world.slab.reallocations.give(id)
        return ask(.call(.kfree(.start(request.address))), then: .freed(.zeroSize))
      }
      guard request.address.isZeroOrNull || Int(request.size) > world.slab.size(of: request.address)
      else {
        world.slab.reallocations.give(id)
        return .return(.address(request.address))
      }
      let gfp = request.gfp.union(.runTimeSize)
      let call = Kmalloc.start(size: request.size, gfp: gfp, node: .any)
      return ask(.call(.kmalloc(call)), then: .allocated(id))
    case .allocated(let id):
      let request = world.slab.reallocations[id]
      world.slab.reallocations[id].result = reply.address
      guard reply.address != .null, !request.address.isZeroOrNull else {
        world.slab.reallocations.give(id)
        return .return(reply)
      }
      let lines = (world.slab.size(of: request.address) + 63) / 64
      return ask(.work(.zeroLine, times: Int32(max(lines, 1))), then: .copied(id))
    case .copied(let id):
      let request = world.slab.reallocations[id]
      world.slab.reallocations.give(id)
      return ask(.call(.kfree(.start(request.address))), then: .freed(request.result))
    case .freed(let result): return .return(.address(result))
    }
  }
}
