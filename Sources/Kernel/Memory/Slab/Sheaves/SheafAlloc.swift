import Hardware
import Simulation

/// The slow path of an allocation from sheaves: the spare one, a full one of the barn, one that is
/// filled from slabs; or an object past all sheaves.
///
/// The sheaves are locked with preemption off and interrupts on, so a handler may come; it finds
/// them locked and goes past them. While they are refilled they are not locked, so after it all is
/// looked at anew.
///
/// Kernel: `alloc_from_pcs()`, `__pcs_replace_empty_main()` (mm/slub.c; 6.18, 7.0). In 7.0 a sheaf
/// that could be refilled in part only is freed with what is in it, which is lost; here it is
/// flushed, as later releases do.
package enum SheafAlloc: Path {
  case start(SlabRequest)
  case entered(SlabRequest)
  case locked(SlabRequest)
  // The barn, with the sheaves locked.
  case fullSought(SlabRequest)
  case emptySought(SlabRequest)
  // Not locked: a sheaf is made and filled.
  case unlocked(SlabRequest, ID<Sheaf>)
  case made(SlabRequest)
  case refilled(SlabRequest, ID<Sheaf>)
  case flushed(SlabRequest, ID<Sheaf>)
  case relocked(SlabRequest, ID<Sheaf>)
  case spared(SlabRequest)
  // The main sheaf has objects.
  case take(SlabRequest)
  case leave(Address)
  // Past the sheaves.
  case goPast(SlabRequest)
  case done

  package static var name: PathName { .alloc_from_pcs }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request): return ask(.ahead(.slubSlowStep), then: .entered(request))
    case .entered(let request): return enter(request, &world, cpu)
    case .locked(let request): return look(request, &world, cpu)
    case .fullSought(let request): return gotFull(request, reply.number, &world, cpu)
    case .emptySought(let request):
      return unlock(request, ID(reply.number), &world, cpu)
    case .unlocked(let request, let empty):
      guard !empty.isNone else {
        let wanted = AllocSheaf.start(cache: request.cache, gfp: request.gfp)
        return ask(.call(.allocSheaf(wanted)), then: .made(request))
      }
      return refill(request, empty)
    case .made(let request):
      guard reply.number >= 0 else { return past(request, &world) }
      return refill(request, ID(reply.number))
    case .refilled(let request, let sheaf):
      // It was empty.
      let count = Int(world.slab.sheaves.all[sheaf].size)
      world.slab.note(.sheaf_refill, of: request.cacheID, count)
      guard !world.slab.sheaves.isFull(sheaf) else {
        return ask(.disable(.migration), then: .relocked(request, sheaf))
      }
      return ask(.call(.flushSheaf(.start(sheaf))), then: .flushed(request, sheaf))
    case .flushed(let request, let sheaf):
      return ask(.call(.freeSheaf(.start(sheaf))), then: .goPast(request))
    case .relocked(let request, let sheaf): return install(sheaf, request, &world, cpu)
    case .spared(let request): return ask(.enable(.migration), then: .goPast(request))
    case .take(let request): return take(request, &world, cpu)
    case .leave(let object): return .return(.address(object))
    case .goPast(let request): return past(request, &world)
    case .done: return .return(reply)
    }
  }

  private mutating func enter(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = request.cacheID
    world.slab.activate(cache, &world.locks, &world.lines)
    guard world.slab.layouts[cache.index].sheafCapacity > 0 else { return past(request, &world) }
    if request.node != .any, request.node != world.memoryNode(of: cpu) {
      world.slab.note(.alloc_node_mismatch, of: cache)
      return past(request, &world)
    }
    guard !world.slab.sheaves.cpus[world.slab.cpu(cache, cpu)].isLocked else {
      return past(request, &world)
    }
    return ask(.disable(.migration), then: .locked(request))
  }

  private mutating func look(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = request.cacheID
    let place = world.slab.cpu(cache, cpu)
    world.slab.needMain(cache, at: place)
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    guard mine.size == 0 else { return take(request, &world, cpu) }
    if !mine.spare.isNone, !world.slab.sheaves.isEmpty(mine.spare) {
      world.slab.sheaves.swapSpare(at: place)
      return take(request, &world, cpu)
    }
    world.slab.sheaves.storeMainSize(at: place)
    let node = world.memoryNode(of: cpu)
    return ask(
      ExchangeSheaf.call(.replaceEmpty, mine.main, cache, node), then: .fullSought(request))
  }

  /// What the barn had: a full sheaf, or nothing.
  private mutating func gotFull(
    _ request: SlabRequest, _ answer: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = request.cacheID
    let place = world.slab.cpu(cache, cpu)
    guard answer < 0 else {
      world.slab.note(.barn_get, of: cache)
      // The old one is in the barn by now: its size was written before.
      world.slab.sheaves.cpus[place].main = .none
      world.slab.sheaves.setMain(ID(answer), at: place)
      return take(request, &world, cpu)
    }
    world.slab.note(.barn_get_fail, of: cache)
    guard request.gfp.allowsBlocking || world.slab.rules.sheafRefillMayNotBlock else {
      world.slab.sheaves.cpus[place].isLocked = false
      return ask(.enable(.migration), then: .goPast(request))
    }
    let spare = world.slab.sheaves.takeSpare(at: place)
    guard spare.isNone else { return unlock(request, spare, &world, cpu) }
    return ask(
      ExchangeSheaf.call(.getEmpty, .none, cache, world.memoryNode(of: cpu)),
      then: .emptySought(request))
  }

  private mutating func unlock(
    _ request: SlabRequest, _ empty: ID<Sheaf>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.slab.sheaves.cpus[world.slab.cpu(request.cacheID, cpu)].isLocked = false
    return ask(.enable(.migration), then: .unlocked(request, empty))
  }

  private mutating func refill(_ request: SlabRequest, _ sheaf: ID<Sheaf>) -> Step {
    let gfp = request.gfp.union(.noMemAlloc)
    return ask(.call(.refillSheaf(.start(sheaf, gfp))), then: .refilled(request, sheaf))
  }

  /// A full sheaf for what is found now, which a handler may have changed.
  private mutating func install(
    _ full: ID<Sheaf>, _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = request.cacheID
    let (place, node) = (world.slab.cpu(cache, cpu), world.memoryNode(of: cpu))
    guard !world.slab.sheaves.cpus[place].isLocked else {
      // Only in a handler that cut into another allocation.
      world.slab.note(.barn_put, of: cache)
      return ask(ExchangeSheaf.call(.putFull, full, cache, node), then: .spared(request))
    }
    world.slab.sheaves.cpus[place].isLocked = true
    let mine = world.slab.sheaves.cpus[place]
    if mine.size == 0 {
      let old = world.slab.sheaves.setMain(full, at: place)
      guard !mine.spare.isNone else {
        world.slab.sheaves.cpus[place].spare = old
        return take(request, &world, cpu)
      }
      return ask(ExchangeSheaf.call(.putEmpty, old, cache, node), then: .take(request))
    }
    guard !mine.spare.isNone else {
      world.slab.sheaves.cpus[place].spare = full
      return take(request, &world, cpu)
    }
    if world.slab.sheaves.isEmpty(mine.spare) {
      world.slab.sheaves.cpus[place].spare = full
      return ask(ExchangeSheaf.call(.putEmpty, mine.spare, cache, node), then: .take(request))
    }
    world.slab.note(.barn_put, of: cache)
    return ask(ExchangeSheaf.call(.putFull, full, cache, node), then: .take(request))
  }

  /// Takes the last object of the main sheaf, and gives up the lock.
  private mutating func take(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let place = world.slab.cpu(request.cacheID, cpu)
    let mine = world.slab.sheaves.cpus[place]
    let last = world.slab.sheaves.objects[Int(mine.base) + Int(mine.size) - 1]
    world.slab.sheaves.cpus[place].isLocked = false
    guard request.node == .any || world.slab.slabs[last.slab].nodeID == request.node else {
      world.slab.note(.alloc_node_mismatch, of: request.cacheID)
      return ask(.enable(.migration), then: .goPast(request))
    }
    let object = world.slab.handOut(world.slab.sheaves.pop(at: place), to: cpu)
    world.slab.sheaves.cpus[place].allocFast &+= 1
    return ask(.enable(.migration), then: .leave(object))
  }

  /// An object from the slabs themselves.
  private mutating func past(_ request: SlabRequest, _ world: inout World) -> Step {
    let isAll = world.slab.rules.sheaves == .all && !world.isDebugLocked(request.cacheID)
    return ask(
      .call(isAll ? .allocSingle(.start(request)) : world.slubSlowAllocation(request)), then: .done)
  }
}
