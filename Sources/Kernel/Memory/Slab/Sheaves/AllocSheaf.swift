import Hardware
import Simulation

/// Makes an empty sheaf: it is kmalloc'ed, so it may fail, and may call the allocator again.
/// Returns: its number, or -1.
///
/// A sheaf of a kmalloc cache is asked for with `__GFP_NO_OBJ_EXT`, with which no sheaf is made:
/// so the call goes one level deep at most.
/// Kernel: `__alloc_empty_sheaf()` (mm/slub.c, 7.0).
package enum AllocSheaf: Path {
  case start(cache: UInt16, gfp: GFPFlags)
  case given(cache: UInt16)

  /// Kernel: `OBJCGS_CLEAR_MASK` (mm/slub.c, 7.0).
  private static let cleared: GFPFlags = [.dma, .reclaimable, .account, .noFail]

  package static var name: PathName { .alloc_empty_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache, let gfp):
      guard !gfp.contains(.noObjectExtension) else { return .return(.number(-1)) }
      let id = CacheID(Int(cache))
      var mask = gfp.subtracting(AllocSheaf.cleared).union(.zero)
      if world.slab.caches[id].flags.contains(.kmalloc) { mask.insert(.noObjectExtension) }
      let bytes = Sheaf.bytes(capacity: Int(world.slab.layouts[id.index].sheafCapacity))
      return ask(
        .call(.kmalloc(.start(size: bytes, gfp: mask, node: .any))), then: .given(cache: cache))
    case .given(let cache):
      guard reply.address != .null else { return .return(.number(-1)) }
      let id = CacheID(Int(cache))
      world.slab.note(.sheaf_alloc, of: id)
      let capacity = Int(world.slab.layouts[id.index].sheafCapacity)
      let sheaf = world.slab.sheaves.make(id, capacity: capacity, memory: reply.address)
      return .return(.number(sheaf.index))
    }
  }
}

/// Frees an empty sheaf.
///
/// Kernel: `free_empty_sheaf()` (mm/slub.c, 7.0).
package enum FreeSheaf: Path {
  case start(ID<Sheaf>)
  case done

  package static var name: PathName { .free_empty_sheaf }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let sheaf):
      let record = world.slab.sheaves.all[sheaf]
      world.slab.note(.sheaf_free, of: record.cacheID)
      world.slab.sheaves.give(sheaf)
      guard record.memory != .null else { return .return() }
      return ask(.call(.kfree(.start(record.memory))), then: .done)
    case .done: return .return()
    }
  }
}

/// Makes the main sheaf of every CPU for a new cache. Returns: whether there was memory for all.
///
/// Kernel: `init_percpu_sheaves()` (mm/slub.c, 7.0). Not modelled: the memory of barns and of the
/// CPUs' records.
package enum InitCPUSheaves: Path {
  case start(cache: UInt16)
  case made(cache: UInt16, cpu: UInt16)

  package static var name: PathName { .init_percpu_sheaves }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache):
      world.slab.activate(CacheID(Int(cache)), &world.locks, &world.lines)
      return make(cache, for: 0, &world)
    case .made(let cache, let target):
      guard reply.number >= 0 else { return .return(.bool(false)) }
      let place = world.slab.cpu(CacheID(Int(cache)), CPUID(Int(target)))
      world.slab.sheaves.setMain(ID(reply.number), at: place)
      return make(cache, for: Int(target) + 1, &world)
    }
  }

  private mutating func make(_ cache: UInt16, for target: Int, _ world: inout World) -> Step {
    guard target < world.slab.cpuCount else { return .return(.bool(true)) }
    return ask(
      .call(.allocSheaf(.start(cache: cache, gfp: .kernel))),
      then: .made(cache: cache, cpu: UInt16(target)))
  }
}

/// Frees the main sheaves of all CPUs, empty by now, of a cache that ends.
///
/// Kernel: `pcs_destroy()` (mm/slub.c, 7.0).
package enum DestroyCPUSheaves: Path {
  case start(cache: UInt16)
  case next(cache: UInt16, cpu: UInt16)

  package static var name: PathName { .pcs_destroy }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let cache): return next(cache, from: 0, &world)
    case .next(let cache, let target): return next(cache, from: Int(target), &world)
    }
  }

  private mutating func next(_ cache: UInt16, from first: Int, _ world: inout World) -> Step {
    for target in first..<world.slab.cpuCount {
      let place = world.slab.cpu(CacheID(Int(cache)), CPUID(target))
      let main = world.slab.sheaves.cpus[place].main
      guard !main.isNone else { continue }
      world.slab.sheaves.storeMainSize(at: place)
      world.slab.sheaves.cpus[place].main = .none
      (world.slab.sheaves.cpus[place].size, world.slab.sheaves.cpus[place].capacity) = (0, 0)
      return ask(
        .call(.freeSheaf(.start(main))), then: .next(cache: cache, cpu: UInt16(target + 1)))
    }
    return .return()
  }
}
