import Hardware
import Simulation

/// The slow path: what others freed in this CPU's slab, then this CPU's partial slabs, then a
/// node's, then new pages.
///
/// Preemption is off but for the page allocation; interrupts are off only while the CPU's record
/// changes, so a handler may allocate in between: hence the second look at each `.disable(.irqs)`.
///
/// 5.15 to 6.19; `SlabAllocIRQsOff` has what was before.
/// Kernel: `___slab_alloc()` (mm/slub.c; 6.6, 6.12). Not modelled: slabs from emergency reserves.
package enum SlabAlloc: Path {
  case start(SlabRequest)
  case entered(SlabRequest)
  case rereadSlab(SlabRequest)
  // The current slab: its freelist, or what others freed in it.
  case currentLocked(SlabRequest, ID<Slab>)
  case currentHere(SlabRequest, ID<Slab>)
  // Of another node: given up.
  case deactivate(SlabRequest, ID<Slab>)
  case detached(SlabRequest, ID<Slab>, freelist: UInt16)
  // This CPU's partial slabs.
  case newSlab(SlabRequest)
  case partialLocked(SlabRequest)
  case partialHere(SlabRequest, ID<Slab>)
  case partialRejected(SlabRequest, ID<Slab>)
  // A node's partial slabs, or new pages.
  case newObjects(SlabRequest)
  case partialSought(SlabRequest)
  case freezing(ID<Slab>)
  case pagesWanted(SlabRequest)
  case pagesGiven(SlabRequest)
  case slabGiven(ID<Slab>)
  // The slab is ours: made the current one.
  case retryLoad(ID<Slab>, freelist: UInt16)
  case installing(ID<Slab>, freelist: UInt16)
  case flushing(ID<Slab>, freelist: UInt16, old: ID<Slab>, oldFreelist: UInt16)
  case flushed(ID<Slab>, freelist: UInt16)
  /// Of a debug cache, 5.15 to 6.0: the slab goes back to its node at once.
  case takenOne(Address, ID<Slab>, rest: UInt16)
  case loaded(Address)
  case leave(Address)

  package static var name: PathName { .___slab_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      world.slab.note(.alloc_slowpath, of: request.cacheID)
      return ask(.ahead(.slubSlowStep), then: .entered(request))
    case .entered(let request): return ask(.disable(.migration), then: .rereadSlab(request))
    case .rereadSlab, .currentLocked, .currentHere, .deactivate, .detached:
      return current(&world, cpu)
    case .newSlab, .partialLocked, .partialHere, .partialRejected: return partials(&world, cpu)
    case .newObjects, .partialSought, .freezing, .pagesWanted, .pagesGiven, .slabGiven:
      return objects(&world, cpu, reply)
    case .retryLoad, .installing, .flushing, .flushed: return load(&world, cpu)
    case .takenOne(let object, let slab, let rest):
      return ask(.call(.deactivateSlab(.start(slab, rest))), then: .loaded(object))
    case .loaded(let object): return ask(.enable(.migration), then: .leave(object))
    case .leave(let object): return .return(.address(object))
    }
  }

  /// `reread_slab`, `get_freelist()` and `deactivate_slab` of the kernel's function.
  private mutating func current(_ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .rereadSlab(var request):
      let cache = request.cacheID
      world.slab.activate(cache, &world.locks, &world.lines)
      if request.node != .any, !world.slab.hasMemory(request.node) { request.node = .any }
      let mine = world.slab.cpus[world.slab.cpu(cache, cpu)]
      guard !mine.slab.isNone else { return findPartial(request, &world, cpu) }
      guard request.node == .any || request.node.raw == mine.node else {
        world.slab.note(.alloc_node_mismatch, of: cache)
        return ask(.disable(.irqs), then: .deactivate(request, mine.slab))
      }
      return ask(.disable(.irqs), then: .currentLocked(request, mine.slab))
    case .currentLocked(let request, let slab):
      let mine = world.slab.cpus[world.slab.cpu(request.cacheID, cpu)]
      guard mine.slab == slab else { return ask(.enable(.irqs), then: .rereadSlab(request)) }
      guard mine.freelist == Link.end else { return take(slab, mine.freelist, &world, cpu) }
      return ask(.touch(world.slab.slabs[slab].line), then: .currentHere(request, slab))
    case .currentHere(let request, let slab):
      let freelist = world.slab.takeFreelist(slab)
      guard freelist != Link.end else {
        _ = world.slab.detach(request.cacheID, on: cpu)
        world.slab.note(.deactivate_bypass, of: request.cacheID)
        return ask(.enable(.irqs), then: .newSlab(request))
      }
      world.slab.note(.alloc_refill, of: request.cacheID)
      return take(slab, freelist, &world, cpu)
    case .deactivate(let request, let slab):
      let mine = world.slab.cpus[world.slab.cpu(request.cacheID, cpu)]
      guard mine.slab == slab else { return ask(.enable(.irqs), then: .rereadSlab(request)) }
      let (_, freelist) = world.slab.detach(request.cacheID, on: cpu)
      return ask(.enable(.irqs), then: .detached(request, slab, freelist: freelist))
    case .detached(let request, let slab, let freelist):
      return ask(.call(.deactivateSlab(.start(slab, freelist))), then: .newSlab(request))
    default: preconditionFailure("another part's case")
    }
  }

  /// `new_slab` of the kernel's function: this CPU's list of partial slabs.
  private mutating func partials(_ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .newSlab(let request): return findPartial(request, &world, cpu)
    case .partialLocked(let request):
      let cache = request.cacheID
      guard world.slab.cpus[world.slab.cpu(cache, cpu)].slab.isNone else {
        return ask(.enable(.irqs), then: .rereadSlab(request))
      }
      let slab = world.slab.popCPUPartial(cache, on: cpu)
      guard !slab.isNone else { return ask(.enable(.irqs), then: .newObjects(request)) }
      if world.slab.rules.freezesPartials {
        // To 6.7 it is the current slab first, and looked at like any other.
        world.slab.install(slab, freelist: Link.end, on: cpu)
        world.slab.note(.cpu_partial_alloc, of: cache)
        return ask(.enable(.irqs), then: .rereadSlab(request))
      }
      guard request.node == .any || world.slab.slabs[slab].nodeID == request.node else {
        return ask(.enable(.irqs), then: .partialRejected(request, slab))
      }
      world.slab.note(.cpu_partial_alloc, of: cache)
      return ask(.touch(world.slab.slabs[slab].line), then: .partialHere(request, slab))
    case .partialHere(_, let slab):
      return take(slab, world.slab.takeFreelist(slab), &world, cpu)
    case .partialRejected(let request, let slab):
      world.slab.slabs[slab].next = .none
      return ask(.call(.putPartials(.start(slab))), then: .newSlab(request))
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func findPartial(
    _ request: SlabRequest, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let mine = world.slab.cpus[world.slab.cpu(request.cacheID, cpu)]
    guard mine.partial.isNone else { return ask(.disable(.irqs), then: .partialLocked(request)) }
    return getPartial(request, &world)
  }

  /// `new_objects` of the kernel's function: a node's partial slab, or new pages.
  private mutating func objects(_ world: inout World, _ cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .newObjects(let request): return getPartial(request, &world)
    case .partialSought(let request):
      guard !reply.slab.isNone else {
        return ask(.enable(.migration), then: .pagesWanted(request))
      }
      if world.slab.rules.freezesPartials {
        return ask(.disable(.irqs), then: .installing(reply.slab, freelist: reply.freelist))
      }
      return ask(.touch(world.slab.slabs[reply.slab].line), then: .freezing(reply.slab))
    case .freezing(let slab):
      return ask(
        .disable(.irqs), then: .installing(slab, freelist: world.slab.takeFreelist(slab)))
    case .pagesWanted(let request):
      return ask(
        .call(.allocateSlab(.start(request.narrowed(by: world.slab.rules)))),
        then: .pagesGiven(request))
    case .pagesGiven(var request):
      guard reply.slab.isNone else {
        return ask(.disable(.migration), then: .slabGiven(reply.slab))
      }
      if request.prefersNode, !request.isSecondTry, world.slab.rules.triesNodeFirst {
        request.isSecondTry = true
        return ask(.disable(.migration), then: .newObjects(request))
      }
      world.failSlabAllocation(request, on: cpu)
      return .return(.address(.null))
    case .slabGiven(let slab):
      let freelist = world.slab.takeFreelist(slab)
      return ask(.touch(world.countNewSlab(slab)), then: .retryLoad(slab, freelist: freelist))
    default: preconditionFailure("another part's case")
    }
  }

  private mutating func getPartial(_ request: SlabRequest, _ world: inout World) -> Step {
    let asked = request.narrowed(by: world.slab.rules)
    return ask(.call(.getPartial(.start(asked))), then: .partialSought(request))
  }

  /// `retry_load_slab` of the kernel's function; what came between becomes a partial slab.
  private mutating func load(_ world: inout World, _ cpu: CPUID) -> Step {
    switch self {
    case .retryLoad(let slab, let freelist), .flushed(let slab, let freelist):
      return ask(.disable(.irqs), then: .installing(slab, freelist: freelist))
    case .installing(let slab, let freelist):
      let cache = world.slab.slabs[slab].cacheID
      guard world.slab.cpus[world.slab.cpu(cache, cpu)].slab.isNone else {
        let (old, oldFreelist) = world.slab.detach(cache, on: cpu)
        world.slab.note(.cpuslab_flush, of: cache)
        return ask(
          .enable(.irqs),
          then: .flushing(slab, freelist: freelist, old: old, oldFreelist: oldFreelist))
      }
      return take(slab, freelist, &world, cpu)
    case .flushing(let slab, let freelist, let old, let oldFreelist):
      return ask(
        .call(.deactivateSlab(.start(old, oldFreelist))), then: .flushed(slab, freelist: freelist))
    default: preconditionFailure("another part's case")
    }
  }

  /// `load_freelist` of the kernel's function: interrupts are off here, and on after it.
  private mutating func take(
    _ slab: ID<Slab>, _ freelist: UInt16, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let (object, rest) = world.slab.pop(slab, freelist, on: cpu)
    if world.slab.layouts[world.slab.slabs[slab].cacheID.index].isDebug {
      return ask(.enable(.irqs), then: .takenOne(object, slab, rest: rest))
    }
    world.slab.install(slab, freelist: rest, on: cpu)
    return ask(.enable(.irqs), then: .loaded(object))
  }
}

extension World {
  /// There were no pages. Kernel: `slab_out_of_memory()` (mm/slub.c, 6.12); its rate limit is that
  /// of all warnings.
  mutating func failSlabAllocation(_ request: SlabRequest, on cpu: CPUID) {
    slab.note(.alloc_failed, of: request.cacheID)
    guard !request.gfp.contains(.noWarn) else { return }
    let sizing = slab.caches[request.cacheID].sizing
    let wanted = request.node == .any ? -1 : request.node.index
    warn(
      "SLUB: Unable to allocate memory on CPU \(cpu.index) (of node \(node(of: cpu).index)) on "
        + "node \(wanted), gfp=0x\(String(request.gfp.rawValue, radix: 16)), cache: "
        + "\(slab.names[request.cacheID.index]), object size: \(sizing.objectSize), buffer size: "
        + "\(sizing.size), default order: \(sizing.order.index), min order: "
        + "\(sizing.minOrder.index)", on: cpu)
  }
}
