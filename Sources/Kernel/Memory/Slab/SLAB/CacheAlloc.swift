import Hardware
import Simulation

/// Allocates where the CPU's array is empty or another node is asked for. Interrupts are off
/// throughout, but for a page allocation that may block.
///
/// Kernel: `__do_cache_alloc()` (mm/slab.c, 6.1). Not modelled: memory policies.
package enum CacheAlloc: Path {
  case start(SlabRequest)
  case irqsOff(SlabRequest)
  case refilled(SlabRequest)
  case given(SlabRequest)
  case leave(Address)

  package static var name: PathName { .__cache_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      world.slab.note(.alloc_slowpath, of: request.cacheID)
      return ask(.disable(.irqs), then: .irqsOff(request))
    case .irqsOff(let request):
      world.activateArrays(request.cacheID)
      let own = world.memoryNode(of: cpu)
      guard request.node == .any || request.node == own else {
        guard world.slab.hasMemory(request.node) else {
          return ask(.call(.fallbackAlloc(.start(request))), then: .given(request))
        }
        return ask(.call(.cacheAllocNode(.start(request))), then: .given(request))
      }
      // An interrupt may have filled the array since it was found empty.
      let object = world.slab.takeFromArray(
        request.cacheID, node: request.node, on: cpu, memoryNode: own)
      guard object == .null else { return ask(.enable(.irqs), then: .leave(object)) }
      return ask(.call(.cacheRefill(.start(request))), then: .refilled(request))
    case .refilled(var request):
      guard reply.address == .null else { return leave(reply.address) }
      request.node = world.memoryNode(of: cpu)
      return ask(.call(.cacheAllocNode(.start(request))), then: .given(request))
    case .given(let request):
      if reply.address == .null { world.slab.note(.alloc_failed, of: request.cacheID) }
      return leave(reply.address)
    case .leave(let object): return .return(.address(object))
    }
  }

  private mutating func leave(_ object: Address) -> Step {
    ask(.enable(.irqs), then: .leave(object))
  }
}

extension World {
  /// Gives a cache its arrays at its first use.
  @inline(__always)
  mutating func activateArrays(_ cache: CacheID) {
    guard slab.layouts[cache.index].cpus < 0 else { return }
    var counts = [Int](repeating: 0, count: layout.nodeCount)
    for place in 0..<layout.cpuCount { counts[Int(layout.places[place].node)] += 1 }
    slab.activateArrays(cache, cpusOfNode: { counts[$0] }, &locks, &lines)
  }

  /// The array of a CPU.
  @inline(__always)
  func array(_ cache: CacheID, on cpu: CPUID) -> Int {
    Int(slab.layouts[cache.index].cpus) &+ cpu.index
  }
}

/// Fills the CPU's array: from the shared array, else from slabs of the node, else from a new slab.
///
/// Returns: an object, or null where the node has no memory left. Interrupts are off.
///
/// Kernel: `cache_alloc_refill()`, `alloc_block()` (mm/slab.c; 3.10, 4.4, 6.1 compared).
package enum CacheRefill: Path {
  case start(SlabRequest)
  case peeked(SlabRequest, left: UInt8)
  case locked(SlabRequest, left: UInt8)
  case slabHere(SlabRequest, ID<Slab>, left: UInt8)
  case taken(SlabRequest, left: UInt8)
  case moved(SlabRequest, left: UInt8)
  case unlocked(SlabRequest, left: UInt8)
  case grown(SlabRequest, left: UInt8)
  case growing(SlabRequest, ID<Slab>)
  case growLocked(SlabRequest, ID<Slab>)
  case added(SlabRequest)

  package static var name: PathName { .cache_alloc_refill }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      let array = world.slab.arrays.arrays[world.array(request.cacheID, on: cpu)]
      let batch =
        array.touched ? Int(array.batch) : min(Int(array.batch), ArrayCacheSizing.coldBatchMax)
      guard world.slab.rules.checksNodeUnlocked else {
        return lock(request, UInt8(batch), &world, cpu)
      }
      let line = world.nodeLine(request.cacheID, world.memoryNode(of: cpu))
      return ask(.read(line), then: .peeked(request, left: UInt8(batch)))
    case .peeked(let request, let left):
      let node = world.slab.arrays.nodes[place(request, world.slab, world.memoryNode(of: cpu))]
      let shared = node.shared < 0 ? 0 : world.slab.arrays.arrays[Int(node.shared)].avail
      guard node.freeObjects > 0 || shared > 0 else { return grow(request, left) }
      return lock(request, left, &world, cpu)
    case .locked(let request, let left): return refill(request, left, &world, cpu)
    case .slabHere(let request, let slab, let left):
      return take(request, slab, left, &world, cpu)
    case .taken(let request, let left): return next(request, left, &world, cpu)
    case .moved(let request, let left):
      let lock = world.listLock(request.cacheID, world.memoryNode(of: cpu))
      return ask(.release(lock), then: .unlocked(request, left: left))
    case .unlocked(let request, let left):
      let array = world.array(request.cacheID, on: cpu)
      guard world.slab.arrays.arrays[array].avail == 0 else { return pop(request, &world, cpu) }
      return grow(request, left)
    case .grown, .growing, .growLocked, .added: return growth(&world, cpu, reply)
    }
  }

  @inline(__always)
  private func place(
    _ request: SlabRequest, _ slab: borrowing SlabAllocator, _ node: NodeID
  ) -> Int {
    Int(slab.layouts[request.cacheID.index].nodes) &+ node.index
  }

  private mutating func lock(
    _ request: SlabRequest, _ left: UInt8, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let lock = world.listLock(request.cacheID, world.memoryNode(of: cpu))
    return ask(.acquire(lock), then: .locked(request, left: left))
  }

  /// Under list_lock: from the shared array if that has any, else slab by slab.
  private mutating func refill(
    _ request: SlabRequest, _ left: UInt8, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (cache, own) = (request.cacheID, world.memoryNode(of: cpu))
    let shared = Int(world.slab.arrays.nodes[world.slab.node(cache, own)].shared)
    if shared >= 0 {
      let count = world.slab.transfer(
        from: shared, to: world.array(cache, on: cpu), most: Int(left))
      if count > 0 {
        world.slab.note(.alloc_refill, of: cache)
        world.slab.arrays.arrays[shared].touched = true
        return ask(
          .work(.slabMoveObject, times: Int32(count)), then: .moved(request, left: left))
      }
    }
    return next(request, left, &world, cpu)
  }

  private mutating func next(
    _ request: SlabRequest, _ left: UInt8, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (cache, own) = (request.cacheID, world.memoryNode(of: cpu))
    let slab = left > 0 ? world.slab.firstSlab(world.slab.node(cache, own)) : .none
    guard !slab.isNone else {
      return ask(.release(world.listLock(cache, own)), then: .unlocked(request, left: left))
    }
    return ask(
      .touch(world.slab.slabs[slab].line), then: .slabHere(request, slab, left: left))
  }

  private mutating func take(
    _ request: SlabRequest, _ slab: ID<Slab>, _ left: UInt8, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = request.cacheID
    let count = world.slab.takeBlock(
      slab, into: world.array(cache, on: cpu), most: Int(left))
    world.slab.relist(slab, took: count)
    let place = world.slab.node(cache, world.memoryNode(of: cpu))
    world.slab.arrays.nodes[place].freeObjects -= Int32(count)
    world.slab.note(.alloc_from_partial, of: cache)
    return ask(
      .work(.slabSlabObject, times: Int32(count)),
      then: .taken(request, left: left - UInt8(count)))
  }

  /// Asks for a new slab of this node, without waiting for memory (from 4.1).
  private mutating func grow(_ request: SlabRequest, _ left: UInt8) -> Step {
    ask(.call(.cacheGrow(.startOwn(request))), then: .grown(request, left: left))
  }

  /// With a new slab: objects of it into the array, the slab on a list. Up to 4.7 the slab went on
  /// the list of free ones first, and all began anew.
  private mutating func growth(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .grown(let request, let left):
      let slab = reply.slab
      let array = world.array(request.cacheID, on: cpu)
      guard !slab.isNone else { return popOrFail(request, &world, cpu) }
      let count =
        world.slab.rules.checksNodeUnlocked && world.slab.arrays.arrays[array].avail == 0
        ? world.slab.takeBlock(slab, into: array, most: Int(left)) : 0
      guard count > 0 else {
        return ask(.acquire(world.listLock(slab)), then: .growLocked(request, slab))
      }
      return ask(
        .work(.slabSlabObject, times: Int32(count)), then: .growing(request, slab))
    case .growing(let request, let slab):
      return ask(.acquire(world.listLock(slab)), then: .growLocked(request, slab))
    case .growLocked(let request, let slab):
      let lock = world.listLock(slab)
      world.slab.addGrown(slab)
      world.slab.note(.alloc_slab, of: request.cacheID)
      world.traceSlabs(of: request.cacheID)
      return ask(.release(lock), then: .added(request))
    case .added(let request):
      let array = world.array(request.cacheID, on: cpu)
      guard world.slab.arrays.arrays[array].avail == 0 else { return pop(request, &world, cpu) }
      if world.slab.rules.checksNodeUnlocked { return .return(.address(.null)) }
      self = .start(request)
      return step(&world, on: cpu, .none)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func popOrFail(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let array = world.array(request.cacheID, on: cpu)
    guard world.slab.arrays.arrays[array].avail > 0 else { return .return(.address(.null)) }
    return pop(request, &world, cpu)
  }

  private mutating func pop(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let own = world.memoryNode(of: cpu)
    let object = world.slab.takeFromArray(request.cacheID, node: .any, on: cpu, memoryNode: own)
    // A miss was counted for it already.
    world.slab.arrays.arrays[world.array(request.cacheID, on: cpu)].allocHits &-= 1
    return .return(.address(object))
  }
}
