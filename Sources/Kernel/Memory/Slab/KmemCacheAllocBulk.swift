import Hardware
import Simulation

/// Allocates many objects of a cache, all or none. Returns: how many.
///
/// SLUB takes the CPU's freelist with interrupts off, by no cmpxchg, and calls the slow path for
/// each refill, which turns interrupts off itself to 5.14; they count as off throughout from 4.4 to
/// 5.14, so turning them off is paid once there. A cache with sheaves fills an array from
/// them. What stands before other caches serves an object at a time, as
/// `__kmem_cache_alloc_bulk()` of mm/slab_common.c did for those without more.
/// Kernel: `kmem_cache_alloc_bulk()` → `__kmem_cache_alloc_bulk()` (mm/slub.c; 5.10, 6.12).
package enum KmemCacheAllocBulk: Path {
  case start(ID<BulkCall>)
  case masking(ID<BulkCall>)
  case masked(ID<BulkCall>)
  case popped(ID<BulkCall>)
  case refill(ID<BulkCall>)
  case refilled(ID<BulkCall>)
  case one(ID<BulkCall>)
  case oneGiven(ID<BulkCall>)
  case freed
  case leave(ID<BulkCall>)
  case zeroed(Int32)
  case batchGiven(ID<BulkCall>, ID<Sheaf>)

  package static var name: PathName { .kmem_cache_alloc_bulk }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let id):
      let call = world.slab.bulk.calls[id]
      guard world.slab.caches[call.cache].state == .live else {
        world.complain(
          .useAfterFree, "a bulk allocation from a cache that does not exist here", on: cpu)
        return .return(.number(0))
      }
      if call.gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
      if world.slab.takesSheafBulk(call.cache) { return callSheaves(id, &world) }
      guard world.slab.takesBulk(call.cache) else {
        return ask(.ahead(world.slab.allocWork), then: .one(id))
      }
      world.slab.activate(call.cache, &world.locks, &world.lines)
      return mask(id, &world)
    case .masking(let id): return ask(.disable(.irqs), then: .masked(id))
    case .masked(let id): return pop(id, &world, cpu)
    case .refilled(let id): return refilled(id, reply.address, &world)
    case .popped(let id):
      guard world.slab.bulk.calls[id].left > 0 else {
        return ask(.enable(.irqs), then: .leave(id))
      }
      return ask(.enable(.irqs), then: .refill(id))
    case .refill(let id): return callSlow(id, &world, then: .refilled(id))
    case .one(let id): return takeOne(id, &world, cpu)
    case .oneGiven(let id): return store(reply.address, id, &world, cpu)
    case .freed: return .return(.number(0))
    case .leave(let id): return finish(id, &world)
    case .zeroed(let count): return .return(.number(Int(count)))
    case .batchGiven(let id, let array):
      let got = world.slab.takeBatch(of: array, for: id)
      guard got > 0 else { return fail(id, &world) }
      guard world.slab.bulk.calls[id].left > 0 else { return finish(id, &world) }
      return callSheaves(id, &world)
    }
  }

  private mutating func callSheaves(_ id: ID<BulkCall>, _ world: inout World) -> Step {
    let call = world.slab.bulk.calls[id]
    let size = min(Int(call.left), SlabAllocator.sheafBatchMax)
    let array = world.slab.sheaves.make(call.cache, capacity: size)
    return ask(.call(.sheafAllocBulk(.start(array, call.gfp))), then: .batchGiven(id, array))
  }

  private mutating func callSlow(
    _ id: ID<BulkCall>, _ world: inout World, then place: KmemCacheAllocBulk
  ) -> Step {
    let call = world.slab.bulk.calls[id]
    let request = SlabRequest(call.cache, call.gfp, .any)
    return ask(.call(world.slowAllocation(request)), then: place)
  }

  /// Turns interrupts off, and pays for turning them on again too.
  private mutating func mask(_ id: ID<BulkCall>, _ world: inout World) -> Step {
    let work = world.slab.rules.bulkSavesIRQs ? Work.irqSaveRestore : .irqDisableEnable
    return ask(.ahead(work), then: .masking(id))
  }

  private mutating func refilled(
    _ id: ID<BulkCall>, _ object: Address, _ world: inout World
  ) -> Step {
    guard object != .null else { return fail(id, &world) }
    world.slab.storeInBulk(id, object)
    let rules = world.slab.rules
    guard rules.gathersBulkFrees, rules.isSlowPathIRQsOff else { return mask(id, &world) }
    return ask(.disable(.irqs), then: .masked(id))
  }

  /// Takes what the CPU's freelist has. Interrupts are off at its end.
  private mutating func pop(
    _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let count = world.slab.takeLocalBulk(id, on: cpu)
    guard count > 0 else { return ask(.sync, then: .popped(id)) }
    return ask(.work(.slubBulkObject, times: Int32(count)), then: .popped(id))
  }

  private mutating func takeOne(
    _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let object = world.takeFast(world.slab.bulk.calls[id].cache, node: .any, on: cpu)
    guard object != .null else { return callSlow(id, &world, then: .oneGiven(id)) }
    return store(object, id, &world, cpu)
  }

  private mutating func store(
    _ object: Address, _ id: ID<BulkCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard object != .null else { return fail(id, &world) }
    world.slab.storeInBulk(id, object)
    guard world.slab.bulk.calls[id].left > 0 else { return finish(id, &world) }
    return ask(.ahead(world.slab.allocWork), then: .one(id))
  }

  /// Frees what there is: a bulk allocation gives all or nothing.
  private mutating func fail(_ id: ID<BulkCall>, _ world: inout World) -> Step {
    let call = world.slab.bulk.calls[id]
    let got = Int(call.count - call.left)
    guard got > 0 else { return .return(.number(0)) }
    let objects = (0..<got).map { world.slab.bulk[id, $0] }
    for place in 0..<got { world.slab.bulk[id, place] = .null }
    return ask(.call(world.bulkFree(call.cache, objects)), then: .freed)
  }

  private mutating func finish(_ id: ID<BulkCall>, _ world: inout World) -> Step {
    let call = world.slab.bulk.calls[id]
    guard call.gfp.contains(.zero) else { return .return(.number(Int(call.count))) }
    let lines = Int32((world.slab.caches[call.cache].sizing.objectSize + 63) / 64)
    return ask(.work(.zeroLine, times: lines * call.count), then: .zeroed(call.count))
  }
}

extension SlabAllocator {
  /// Whether a cache's bulk calls take and give objects of a CPU's slab at once.
  @inline(__always)
  func takesBulk(_ cache: CacheID) -> Bool {
    layouts[cache.index].front == .cpuSlab && rules.hasSlabCmpxchg
      && !layouts[cache.index].isDebug
  }

  mutating func storeInBulk(_ id: ID<BulkCall>, _ object: Address) {
    let call = bulk.calls[id]
    bulk[id, Int(call.count - call.left)] = object
    bulk.calls[id].left -= 1
  }

  /// Takes objects off the CPU's freelist for a bulk call. Returns: how many. Complexity: O(them).
  mutating func takeLocalBulk(_ id: ID<BulkCall>, on cpu: CPUID) -> Int {
    let (cache, wanted) = (bulk.calls[id].cache, Int(bulk.calls[id].left))
    let place = self.cpu(cache, cpu)
    var count = 0
    while count < wanted, cpus[place].freelist != Link.end {
      let (object, rest) = pop(cpus[place].slab, cpus[place].freelist, on: cpu)
      cpus[place].freelist = rest
      storeInBulk(id, object)
      count += 1
    }
    cpus[place].tid &+= KmemCacheCPU.tidStep
    if rules.countsBulkObjects { cpus[place].allocFast &+= UInt32(count) }
    return count
  }
}
