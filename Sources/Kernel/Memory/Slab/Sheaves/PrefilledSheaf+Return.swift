import Hardware
import Simulation

/// Fills a sheaf in hand so that it has at least `size` objects; one that is too small is replaced.
/// Returns: its number, which may be another, or -1 where it stays as it was.
///
/// Kernel: `kmem_cache_refill_sheaf()` (mm/slub.c; 6.18, 7.0).
package enum RefillPrefilled: Path {
  case start(ID<Sheaf>, size: UInt16, gfp: GFPFlags)
  case filled(ID<Sheaf>)
  case prefilled(ID<Sheaf>, gfp: GFPFlags)
  case returned(ID<Sheaf>)

  package static var name: PathName { .kmem_cache_refill_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let size, let gfp):
      guard world.isInHand(sheaf, on: cpu) else { return .return(.number(-1)) }
      if gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
      let record = world.slab.sheaves.all[sheaf]
      guard record.size < size else { return .return(.number(sheaf.index)) }
      guard record.capacity >= size else {
        let call = PrefillSheaf.start(cache: record.cache, size: size, gfp: gfp)
        return ask(.call(.prefillSheaf(call)), then: .prefilled(sheaf, gfp: gfp))
      }
      return ask(.call(.topUpSheaf(.start(sheaf, gfp))), then: .filled(sheaf))
    case .filled(let sheaf): return .return(.number(reply.bool ? sheaf.index : -1))
    case .prefilled(let old, let gfp):
      guard reply.number >= 0 else { return .return(.number(-1)) }
      return ask(
        .call(.returnSheaf(.start(old, gfp))), then: .returned(ID(reply.number)))
    case .returned(let sheaf): return .return(.number(sheaf.index))
    }
  }
}

/// Takes back a sheaf: as the CPU's spare one, filled up into its barn, or apart.
///
/// Kernel: `kmem_cache_return_sheaf()` (mm/slub.c; 6.18, 7.0).
package enum ReturnSheaf: Path {
  case start(ID<Sheaf>, GFPFlags)
  case locked(ID<Sheaf>, GFPFlags)
  case taken
  case slow(ID<Sheaf>, GFPFlags)
  case looked(ID<Sheaf>, GFPFlags)
  case filled(ID<Sheaf>)
  case done

  package static var name: PathName { .kmem_cache_return_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf, let gfp):
      guard world.isInHand(sheaf, on: cpu) else { return .return() }
      world.slab.sheaves.all[sheaf].isInHand = false
      guard world.slab.isOwnSize(sheaf) else { return empty(sheaf) }
      return ask(.disable(.migration), then: .locked(sheaf, gfp))
    case .locked(let sheaf, let gfp):
      let cache = world.slab.sheaves.all[sheaf].cacheID
      let place = world.slab.cpu(cache, cpu)
      let mine = world.slab.sheaves.cpus[place]
      guard mine.spare.isNone, !mine.isLocked else {
        return ask(.enable(.migration), then: .slow(sheaf, gfp))
      }
      world.slab.sheaves.cpus[place].spare = sheaf
      world.slab.note(.sheaf_return_fast, of: cache)
      return ask(.enable(.migration), then: .taken)
    case .taken: return .return()
    case .slow(let sheaf, let gfp):
      let cache = world.slab.sheaves.all[sheaf].cacheID
      world.slab.note(.sheaf_return_slow, of: cache)
      let lock = world.slab.sheaves.barns[barn(sheaf, world, cpu)].lock
      return ask(.read(world.locks.locks.items[lock].line), then: .looked(sheaf, gfp))
    case .looked(let sheaf, let gfp):
      guard world.slab.sheaves.barns[barn(sheaf, world, cpu)].fullCount < Barn.fullMax else {
        return empty(sheaf)
      }
      guard !world.slab.sheaves.isFull(sheaf) else { return put(sheaf, &world, cpu) }
      return ask(.call(.topUpSheaf(.start(sheaf, gfp))), then: .filled(sheaf))
    case .filled(let sheaf): return reply.bool ? put(sheaf, &world, cpu) : empty(sheaf)
    case .done: return .return()
    }
  }

  private mutating func put(
    _ sheaf: ID<Sheaf>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.sheaves.all[sheaf].cacheID
    world.slab.note(.barn_put, of: cache)
    return ask(
      ExchangeSheaf.call(.putFull, sheaf, cache, world.memoryNode(of: cpu)), then: .done)
  }

  private mutating func empty(_ sheaf: ID<Sheaf>) -> Step {
    ask(.call(.emptySheaf(.start(sheaf))), then: .done)
  }

  @inline(__always)
  private func barn(_ sheaf: ID<Sheaf>, _ world: borrowing World, _ cpu: CPUID) -> Int {
    world.slab.node(world.slab.sheaves.all[sheaf].cacheID, world.memoryNode(of: cpu))
  }
}
