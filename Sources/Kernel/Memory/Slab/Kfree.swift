import Hardware
import Simulation

/// Frees what kmalloc or any cache handed out; NULL and the zero-size pointer are nothing to free.
///
/// Kernel: `kfree()` → `slab_free()` → `do_slab_free()` (mm/slub.c, 6.12). What an address belongs
/// to does not change while it is allocated, so the fast path ends with `.ahead`.
package enum Kfree: Path {
  case start(Address)
  case fast(Address)
  case done

  package static var name: PathName { .kfree }
  @inline(__always)
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      let work = world.slab.freeWork
      guard world.goesAhead(work, on: cpu) else {
        return ask(.ahead(work), then: .fast(address))
      }
      return fast(address, &world, cpu)
    case .fast(let address): return fast(address, &world, cpu)
    case .done: return .return()
    }
  }

  @inline(__always)
  private mutating func fast(_ address: Address, _ world: inout World, _ cpu: CPUID) -> Step {
    world.trace(.kfree, on: cpu, a: address.raw)
    if address.isZeroOrNull { return .return() }
    let owner = world.slab.owner(of: address)
    guard case .object(let slab, let index) = owner else {
      return freeOther(address, owner, &world, cpu)
    }
    guard let slow = world.slabFree(slab, index, on: cpu) else { return .return() }
    return ask(slow, then: .done)
  }

  /// Kernel: `free_large_kmalloc()` (mm/slab_common.c, 6.12).
  private mutating func freeOther(
    _ address: Address, _ owner: AddressOwner, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard case .large(let order) = owner else {
      if world.slab.slobPlace(of: address) != nil {
        return ask(.call(.slobObject(.free(address))), then: .done)
      }
      world.complainBadFree(address, owner, on: cpu)
      return .return()
    }
    let pages = world.architecture.pfn(of: address)
    world.slab.setLarge(pages, nil)
    return ask(.call(.freePages(.start(pages, order))), then: .done)
  }
}

/// Frees an object of a cache. One of another cache goes back to its own, with a complaint.
///
/// Kernel: `kmem_cache_free()`, `cache_from_obj()` (mm/slub.c, 6.12, CONFIG_SLAB_FREELIST_HARDENED).
package enum KmemCacheFree: Path {
  case freeing(Address, CacheID)
  case fast(Address, CacheID)
  case done

  /// Where the function begins. The payload's order keeps the frame small.
  @inline(__always)
  package static func start(_ cache: CacheID, _ address: Address) -> KmemCacheFree {
    .freeing(address, cache)
  }

  package static var name: PathName { .kmem_cache_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .freeing(let address, let cache):
      return ask(.ahead(world.slab.freeWork), then: .fast(address, cache))
    case .fast(let address, let cache):
      let owner = world.slab.owner(of: address)
      guard case .object(let slab, let index) = owner else {
        return freeOther(address, owner, cache, &world, cpu)
      }
      let own = world.slab.slabs[slab].cacheID
      if own != cache { world.complainWrongCache(cache, own, on: cpu) }
      world.trace(
        .kmemCacheFree, on: cpu, a: address.raw,
        b: TraceNames.index(of: world.slab.caches[own].name))
      guard let slow = world.slabFree(slab, index, on: cpu) else { return .return() }
      return ask(slow, then: .done)
    case .done: return .return()
    }
  }

  /// What SLOB gave: a block of a page, or pages.
  private mutating func freeOther(
    _ address: Address, _ owner: AddressOwner, _ cache: CacheID, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    let isLarge = if case .large = owner { true } else { false }
    let isSlob = world.slab.settings.kind == .slob
    guard isSlob, isLarge || world.slab.slobPlace(of: address) != nil else {
      world.complainBadFree(address, owner, on: cpu)
      return .return()
    }
    world.trace(
      .kmemCacheFree, on: cpu, a: address.raw,
      b: TraceNames.index(of: world.slab.caches[cache].name))
    if case .large(let order) = owner {
      let pages = world.architecture.pfn(of: address)
      world.slab.setLarge(pages, nil)
      return ask(.call(.freePages(.start(pages, order))), then: .done)
    }
    let free = SlobObject.freeOf(address, cache: UInt16(cache.index))
    return ask(.call(.slobObject(free)), then: .done)
  }
}
