import Hardware
import Simulation

/// SLUB before 3.2: a lock bit in each slab guards its freelist and counters, and interrupts are off
/// from the entry of kmalloc to its return. No CPU has a list of partial slabs.
///
/// The lock of a slab is a `LockID` on the slab's own line. It is taken before list_lock, but for
/// the search of a node's list, which only tries it.
/// Kernel: `__slab_alloc()` (mm/slub.c; 2.6.24, 2.6.36). Not modelled: debug caches, which are
/// served as others are.
package enum SlabAllocLocked: Path {
  case start(SlabRequest)
  case masked(SlabRequest)
  case refilled(SlabRequest)
  case partialSought(SlabRequest)
  // Pages, with interrupts on where the caller may block.
  case unmasked(SlabRequest)
  case pagesGiven(SlabRequest)
  case maskedAgain(SlabRequest, ID<Slab>)
  case counted(ID<Slab>)
  case flushed(ID<Slab>)
  case locked(ID<Slab>)
  case unlocked(ID<Slab>, freelist: UInt16)
  // The slab is this CPU's.
  case loaded(Address)
  case leave(Address)

  package static var name: PathName { .__slab_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request): return ask(.disable(.irqs), then: .masked(request))
    case .masked(let request): return look(request, &world, cpu)
    case .refilled(let request), .partialSought(let request):
      guard reply.slab.isNone else { return take(reply.slab, reply.freelist, &world, cpu) }
      if case .refilled = self {
        return ask(.call(.getPartial(.start(request))), then: .partialSought(request))
      }
      guard request.gfp.allowsBlocking else { return allocate(request) }
      return ask(.enable(.irqs), then: .unmasked(request))
    case .unmasked, .pagesGiven, .maskedAgain, .counted, .flushed, .locked, .unlocked:
      return pages(&world, cpu, reply)
    case .loaded(let object): return ask(.enable(.irqs), then: .leave(object))
    case .leave(let object): return .return(.address(object))
    }
  }

  private mutating func look(
    _ asked: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var request = asked
    let cache = request.cacheID
    world.slab.activate(cache, &world.locks, &world.lines)
    if request.node != .any, !world.slab.hasMemory(request.node) { request.node = .any }
    let mine = world.slab.cpus[world.slab.cpu(cache, cpu)]
    guard !mine.slab.isNone else {
      return ask(.call(.getPartial(.start(request))), then: .partialSought(request))
    }
    guard request.node == .any || request.node.raw == mine.node else {
      let (slab, freelist) = world.slab.detach(cache, on: cpu)
      return ask(
        .call(.deactivateLocked(.start(slab, freelist, refills: false))), then: .refilled(request))
    }
    // An interrupt before they went off may have left objects here.
    guard mine.freelist == Link.end else { return take(mine.slab, mine.freelist, &world, cpu) }
    _ = world.slab.detach(cache, on: cpu)
    return ask(
      .call(.deactivateLocked(.start(mine.slab, Link.end, refills: true))),
      then: .refilled(request))
  }

  private mutating func allocate(_ request: SlabRequest) -> Step {
    ask(.call(.allocateSlab(.start(request))), then: .pagesGiven(request))
  }

  private mutating func pages(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .unmasked(let request): return allocate(request)
    case .pagesGiven(let request):
      guard request.gfp.allowsBlocking else { return given(request, reply.slab, &world, cpu) }
      return ask(.disable(.irqs), then: .maskedAgain(request, reply.slab))
    case .maskedAgain(let request, let slab): return given(request, slab, &world, cpu)
    case .counted(let slab):
      let cache = world.slab.slabs[slab].cacheID
      guard !world.slab.cpus[world.slab.cpu(cache, cpu)].slab.isNone else {
        return ask(.acquire(world.slab.lock(of: slab)), then: .locked(slab))
      }
      let (old, freelist) = world.slab.detach(cache, on: cpu)
      world.slab.note(.cpuslab_flush, of: cache)
      return ask(
        .call(.deactivateLocked(.start(old, freelist, refills: false))), then: .flushed(slab))
    case .flushed(let slab):
      return ask(.acquire(world.slab.lock(of: slab)), then: .locked(slab))
    case .locked(let slab):
      let freelist = world.slab.takeFreelist(slab)
      return ask(
        .release(world.slab.lock(of: slab)), then: .unlocked(slab, freelist: freelist))
    case .unlocked(let slab, let freelist): return take(slab, freelist, &world, cpu)
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func given(
    _ request: SlabRequest, _ slab: ID<Slab>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !slab.isNone else {
      world.failSlabAllocation(request, on: cpu)
      return ask(.enable(.irqs), then: .leave(.null))
    }
    return ask(.touch(world.countNewSlab(slab)), then: .counted(slab))
  }

  private mutating func take(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.slab.note(.alloc_slowpath, of: world.slab.slabs[slab].cacheID)
    let (object, rest) = world.slab.pop(slab, freelist, on: cpu)
    world.slab.install(slab, freelist: rest, on: cpu)
    return ask(.ahead(.slubSlowStep), then: .loaded(object))
  }
}

/// Takes the first slab of a node's list whose lock can be had, and its freelist.
///
/// Returns: the slab, frozen, and its freelist. The kernel returns it locked; interrupts are off,
/// so that nothing comes between. Kernel: `get_partial_node()`, `lock_and_freeze_slab()` (2.6.36).
package enum LockAndFreezeSlab: Path {
  case start(cache: UInt16, node: NodeID)
  case locked(cache: UInt16, node: NodeID)
  case tried(cache: UInt16, node: NodeID, ID<Slab>)
  case edited(ID<Slab>)
  case unlisted(ID<Slab>)
  case unlocked(ID<Slab>, freelist: UInt16)

  package static var name: PathName { .get_partial_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let node):
      return ask(
        .acquire(world.listLock(CacheID(Int(cache)), node)), then: .locked(cache: cache, node: node)
      )
    case .locked(let cache, let node):
      let first = world.slab.nodes[world.slab.node(CacheID(Int(cache)), node)].first
      return attempt(first, cache, node, &world)
    case .tried(let cache, let node, let slab):
      guard reply.bool else {
        return attempt(world.slab.slabs[slab].next, cache, node, &world)
      }
      world.slab.removePartial(slab)
      world.slab.slabs[slab].isFrozen = true
      world.slab.note(.alloc_from_partial, of: CacheID(Int(cache)))
      return ask(.work(.slubListEdit), then: .edited(slab))
    case .edited(let slab):
      return ask(.release(world.listLock(slab)), then: .unlisted(slab))
    case .unlisted(let slab):
      guard !slab.isNone else { return .return(.slab(.none)) }
      let freelist = world.slab.takeFreelist(slab)
      return ask(
        .release(world.slab.lock(of: slab)), then: .unlocked(slab, freelist: freelist))
    case .unlocked(let slab, let freelist): return .return(.slab(slab, freelist: freelist))
    }
  }

  private mutating func attempt(
    _ slab: ID<Slab>, _ cache: UInt16, _ node: NodeID, _ world: inout World
  ) -> Step {
    guard !slab.isNone else {
      return ask(.release(world.listLock(CacheID(Int(cache)), node)), then: .unlisted(.none))
    }
    return ask(
      .tryAcquire(world.slab.lock(of: slab)), then: .tried(cache: cache, node: node, slab))
  }
}

extension SlabAllocator {
  /// The lock bit of a slab, in a release that has one. Kernel: `slab_lock()` (mm/slub.c, 2.6.36).
  @inline(__always)
  func lock(of slab: ID<Slab>) -> LockID { slabLocks[slab.index] }

  /// Gives a new slab's record its lock, which stays with it when it is used again.
  mutating func makeLock(of slab: ID<Slab>, _ locks: inout Locks) {
    guard !rules.hasSlabCmpxchg else { return }
    if slab.index >= slabLocks.count { slabLocks.grow(to: slabs.count, .none) }
    guard slabLocks[slab.index].isNone else { return }
    if slabLockName < 0 { slabLockName = locks.addName("slab_lock") }
    slabLocks[slab.index] = locks.make(.slabLock, named: slabLockName, line: slabs[slab].line)
  }
}
