import Hardware
import Simulation

/// The slow path with interrupts off from end to end, but for a page allocation that may block.
///
/// The same places in the same order as `SlabAlloc`, and no second look anywhere, since nothing
/// comes between. 3.2 to 5.14; a CPU's partial slab is made the current one before it is looked at.
///
/// Kernel: `__slab_alloc()` → `___slab_alloc()`, `new_slab_objects()` (mm/slub.c; 3.10, 4.19, 5.10).
/// Not modelled: slabs from emergency reserves; a task that wakes up on another CPU.
package enum SlabAllocIRQsOff: Path {
  case start(SlabRequest)
  case masked(SlabRequest)
  case redo(SlabRequest)
  case currentHere(SlabRequest)
  case deactivated(SlabRequest)
  case partialSought(SlabRequest)
  // Pages, with interrupts on where the caller may block.
  case unmasked(SlabRequest)
  case pagesGiven(SlabRequest)
  case maskedAgain(SlabRequest, ID<Slab>)
  case counted(ID<Slab>)
  case flushed(ID<Slab>)
  // The slab is this CPU's.
  case loaded(Address)
  case leave(Address)

  package static var name: PathName { .___slab_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request): return ask(.disable(.irqs), then: .masked(request))
    case .masked(let request):
      world.slab.note(.alloc_slowpath, of: request.cacheID)
      return ask(.ahead(.slubSlowStep), then: .redo(request))
    case .redo(let request): return look(request, &world, cpu)
    case .currentHere(let request):
      let cache = request.cacheID
      let slab = world.slab.cpus[world.slab.cpu(cache, cpu)].slab
      let freelist = world.slab.takeFreelist(slab)
      guard freelist != Link.end else {
        _ = world.slab.detach(cache, on: cpu)
        world.slab.note(.deactivate_bypass, of: cache)
        return newSlab(request, &world, cpu)
      }
      world.slab.note(.alloc_refill, of: cache)
      return take(slab, freelist, &world, cpu)
    case .deactivated(let request): return newSlab(request, &world, cpu)
    case .partialSought(let request):
      guard reply.slab.isNone else { return take(reply.slab, reply.freelist, &world, cpu) }
      guard request.gfp.allowsBlocking else { return allocate(request) }
      return ask(.enable(.irqs), then: .unmasked(request))
    case .unmasked, .pagesGiven, .maskedAgain, .counted, .flushed:
      return pages(&world, cpu, reply)
    case .loaded(let object): return ask(.enable(.irqs), then: .leave(object))
    case .leave(let object): return .return(.address(object))
    }
  }

  /// `redo` of the kernel's function: the current slab.
  private mutating func look(
    _ asked: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var request = asked
    let cache = request.cacheID
    world.slab.activate(cache, &world.locks, &world.lines)
    if request.node != .any, !world.slab.hasMemory(request.node) { request.node = .any }
    let mine = world.slab.cpus[world.slab.cpu(cache, cpu)]
    guard !mine.slab.isNone else { return newSlab(request, &world, cpu) }
    guard request.node == .any || request.node.raw == mine.node else {
      world.slab.note(.alloc_node_mismatch, of: cache)
      let (slab, freelist) = world.slab.detach(cache, on: cpu)
      return ask(
        .call(.deactivateSlab(.start(slab, freelist))), then: .deactivated(request))
    }
    guard mine.freelist == Link.end else { return take(mine.slab, mine.freelist, &world, cpu) }
    return ask(.touch(world.slab.slabs[mine.slab].line), then: .currentHere(request))
  }

  /// `new_slab` of the kernel's function: this CPU's list, or a node's.
  private mutating func newSlab(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let slab = world.slab.popCPUPartial(request.cacheID, on: cpu)
    guard slab.isNone else {
      world.slab.install(slab, freelist: Link.end, on: cpu)
      world.slab.note(.cpu_partial_alloc, of: request.cacheID)
      return ask(.ahead(.slubSlowStep), then: .redo(request))
    }
    return ask(.call(.getPartial(.start(request))), then: .partialSought(request))
  }

  private mutating func allocate(_ request: SlabRequest) -> Step {
    ask(.call(.allocateSlab(.start(request))), then: .pagesGiven(request))
  }

  /// `allocate_slab()` and what `new_slab_objects()` does with the slab.
  private mutating func pages(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .unmasked(let request): return allocate(request)
    case .pagesGiven(let request):
      guard request.gfp.allowsBlocking else { return given(request, reply.slab, &world, cpu) }
      return ask(.disable(.irqs), then: .maskedAgain(request, reply.slab))
    case .maskedAgain(let request, let slab): return given(request, slab, &world, cpu)
    case .counted(let slab):
      // An interrupt, or another task, may have given the CPU a slab meanwhile.
      let cache = world.slab.slabs[slab].cacheID
      guard !world.slab.cpus[world.slab.cpu(cache, cpu)].slab.isNone else {
        return take(slab, world.slab.takeFreelist(slab), &world, cpu)
      }
      let (old, freelist) = world.slab.detach(cache, on: cpu)
      world.slab.note(.cpuslab_flush, of: cache)
      return ask(.call(.deactivateSlab(.start(old, freelist))), then: .flushed(slab))
    case .flushed(let slab):
      return take(slab, world.slab.takeFreelist(slab), &world, cpu)
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

  /// `load_freelist` of the kernel's function.
  private mutating func take(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (object, rest) = world.slab.pop(slab, freelist, on: cpu)
    if world.slab.layouts[world.slab.slabs[slab].cacheID.index].isDebug {
      return ask(.call(.deactivateSlab(.start(slab, rest))), then: .loaded(object))
    }
    world.slab.install(slab, freelist: rest, on: cpu)
    return ask(.ahead(.slubSlowStep), then: .loaded(object))
  }
}
