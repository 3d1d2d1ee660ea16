import Hardware
import Simulation

/// Allocates a block: the first that fits, from the page on where the last one was found. One lock
/// guards all, with interrupts off, and the walk is paid for by its length.
///
/// Kernel: `slob_alloc()` (mm/slob.c; 4.0, 5.10, 6.1).
package enum SlobAlloc: Path {
  case start(SlobRequest)
  case locked(SlobRequest)
  case found(Address)
  case missed(SlobRequest)
  case pageWanted(SlobRequest)
  case pageGiven(SlobRequest)
  case pageLocked(SlobRequest, PFN)
  case done(Address)

  package static var name: PathName { .slob_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let request):
      return ask(.acquire(world.slab.slobLock, irqs: .off), then: .locked(request))
    case .locked(let request):
      let walk = world.slab.slob.allocate(request)
      let object = world.slobAddress(walk, request)
      return ask(
        .work(.slobWalkStep, times: max(walk.pages + walk.blocks, 1)),
        then: object == .null ? .missed(request) : .found(object))
    case .found(let object):
      return ask(.release(world.slab.slobLock, irqs: .off), then: .done(object))
    case .missed(let request):
      return ask(.release(world.slab.slobLock, irqs: .off), then: .pageWanted(request))
    case .pageWanted(let request):
      let gfp = request.gfp.subtracting(.zero)
      return ask(
        .call(.allocPages(.start(order: Order(0), gfp: gfp, node: request.node))),
        then: .pageGiven(request))
    case .pageGiven(let request):
      guard !reply.pfn.isNone else { return .return(.address(.null)) }
      return ask(
        .acquire(world.slab.slobLock, irqs: .off), then: .pageLocked(request, reply.pfn))
    case .pageLocked(let request, let pages):
      let node = world.pages.zones[Int(world.pages.map[pages].zone)].node
      let page = world.slab.slob.add(pages, node: node, for: request)
      world.slab.setSlobPage(pages, page)
      var walk = SlobPages.Walk()
      world.slab.slob.take(request, in: page, &walk)
      let object = world.slobAddress(walk, request)
      return ask(.release(world.slab.slobLock, irqs: .off), then: .done(object))
    case .done(let object): return .return(.address(object))
    }
  }
}

/// Gives a block back; a page that is then wholly free goes back at once.
///
/// Kernel: `slob_free()` (mm/slob.c, 6.1). Not modelled: the grace period of SLAB_TYPESAFE_BY_RCU.
package enum SlobFree: Path {
  case start(Address, bytes: UInt16)
  case locked(Address, bytes: UInt16)
  case given(PFN)
  case unlocked(PFN)
  case done

  package static var name: PathName { .slob_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let block, let bytes):
      return ask(
        .acquire(world.slab.slobLock, irqs: .off), then: .locked(block, bytes: bytes))
    case .locked(let block, let bytes):
      guard let (page, unit) = world.slab.slobPlace(of: block),
        world.slab.slob.takenUnits(page, unit) > 0
      else {
        world.complainSlobFree(block, on: cpu)
        return ask(.release(world.slab.slobLock, irqs: .off), then: .done)
      }
      let (blocks, isEmpty) = world.slab.slob.give(page, unit, bytes: Int(bytes))
      let pages = world.slab.slob.all[page].pages
      if isEmpty {
        world.slab.slob.drop(page)
        world.slab.setSlobPage(pages, nil)
      }
      return ask(
        .work(.slobWalkStep, times: blocks + 1), then: .given(isEmpty ? pages : .none))
    case .given(let pages):
      return ask(.release(world.slab.slobLock, irqs: .off), then: .unlocked(pages))
    case .unlocked(let pages):
      guard !pages.isNone else { return .return() }
      return ask(.call(.freePages(.start(pages, Order(0)))), then: .done)
    case .done: return .return()
    }
  }
}

/// Memory as the callers of SLOB know it: kmalloc with a header, objects of a cache without, and
/// whole pages for what is as large as one.
///
/// Kernel: `__do_kmalloc_node()`, `slob_alloc_node()`, `kfree()`, `kmem_cache_free()` (mm/slob.c,
/// 6.1).
package enum SlobObject: Path {
  /// kmalloc.
  case kmalloc(size: UInt32, gfp: GFPFlags, node: NodeID)
  case given
  /// An object of a cache.
  case allocate(SlabRequest)
  case pagesGiven(Order)
  /// kfree, or kmem_cache_free where a cache is said.
  case free(Address)
  case freeOf(Address, cache: UInt16)
  case done

  package static var name: PathName { .slob_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .kmalloc(let size, let gfp, let node):
      let request = SlobRequest(
        kmalloc: Int(size), gfp: gfp, node: node, rules: world.slab.rules)
      return ask(.call(.slobAlloc(.start(request))), then: .given)
    case .given: return .return(reply)
    case .allocate(let request):
      let sizing = world.slab.caches[request.cacheID].sizing
      guard sizing.size >= world.architecture.pageSize else {
        let wanted = SlobRequest(
          bytes: sizing.size, align: sizing.align, isKmalloc: false, gfp: request.gfp,
          node: request.node)
        return ask(.call(.slobAlloc(.start(wanted))), then: .given)
      }
      let gfp = request.gfp.subtracting(.zero).union(.comp)
      return ask(
        .call(.allocPages(.start(order: sizing.order, gfp: gfp, node: request.node))),
        then: .pagesGiven(sizing.order))
    case .pagesGiven(let order):
      guard !reply.pfn.isNone else { return .return(.address(.null)) }
      world.slab.setLarge(reply.pfn, order)
      return .return(.address(world.architecture.address(of: reply.pfn)))
    case .free(let address):
      guard let (page, unit) = world.slab.slobPlace(of: address + -SlobRequest.headerBytes),
        world.slab.slob.takenUnits(page, unit) > 0
      else {
        world.complainSlobFree(address, on: cpu)
        return .return()
      }
      let bytes = UInt16(clamping: world.slab.slob.header(page, unit))
      return ask(
        .call(.slobFree(.start(address + -SlobRequest.headerBytes, bytes: bytes))), then: .done)
    case .freeOf(let address, let cache):
      let bytes = UInt16(clamping: world.slab.caches[CacheID(Int(cache))].sizing.size)
      return ask(.call(.slobFree(.start(address, bytes: bytes))), then: .done)
    case .done: return .return()
    }
  }
}

extension World {
  /// What the caller gets of a block that was found; null where none was.
  @inline(__always)
  fileprivate func slobAddress(_ walk: SlobPages.Walk, _ request: SlobRequest) -> Address {
    guard walk.unit >= 0 else { return .null }
    let start = architecture.address(of: slab.slob.all[walk.page].pages)
    let offset = Int(walk.unit) * SlobPages.unitBytes
    return start + offset + (request.isKmalloc ? SlobRequest.headerBytes : 0)
  }

  fileprivate mutating func complainSlobFree(_ address: Address, on cpu: CPUID) {
    let block = slab.slobPlace(of: address)
    let isFree = block.map { slab.slob.isFree($0.0, $0.1) } ?? false
    guard !isFree else {
      return complain(
        .doubleFree,
        "the object at \(address.text) is free already. Free it once, and set the pointer to "
          + "NULL.", on: cpu)
    }
    complainBadFree(address, .nothing, on: cpu)
  }
}

extension SlabAllocator {
  /// The page and unit of an address in a page of SLOB's.
  func slobPlace(of address: Address) -> (ID<SlobPages.Page>, Int)? {
    let offset = address.raw &- directMap
    let page = Int(truncatingIfNeeded: offset >> pageShift)
    guard settings.kind == .slob, address.raw >= directMap, page < owners.pageCount,
      owners[page] > 0, offset & 1 == 0
    else { return nil }
    let unit = Int(offset & (1 << pageShift - 1)) / SlobPages.unitBytes
    return (ID(Int(owners[page]) - 1), unit)
  }

  /// Notes that a page is SLOB's, or is so no more.
  mutating func setSlobPage(_ pages: PFN, _ page: ID<SlobPages.Page>?) {
    owners.set(pages.index, 1, to: page.map { Int32($0.index) + 1 } ?? 0)
  }

  /// What kmalloc gave at an address may hold; an object of a cache, which has no header before it,
  /// is as long as its block. Kernel: `ksize()` (mm/slob.c, 6.1), which knows the former only.
  func slobSize(of address: Address) -> Int {
    let own = takenUnits(at: address)
    guard own == 0 else { return own * SlobPages.unitBytes }
    guard let (page, unit) = slobPlace(of: address + -SlobRequest.headerBytes),
      slob.takenUnits(page, unit) > 0
    else { return 0 }
    let bytes = max(slob.header(page, unit) - SlobRequest.headerBytes, 0)
    return SlobPages.units(bytes) * SlobPages.unitBytes
  }

  /// What an allocation takes of memory: its block, header included; elsewhere what it may hold.
  ///
  /// Kernel: `bytes_alloc` of `trace_kmalloc()` (mm/slob.c, 6.1).
  func taken(by address: Address) -> Int {
    guard settings.kind == .slob else { return size(of: address) }
    let units = max(takenUnits(at: address), takenUnits(at: address + -SlobRequest.headerBytes))
    return units > 0 ? units * SlobPages.unitBytes : size(of: address)
  }

  /// Units of the block that begins at an address; 0 where none does.
  private func takenUnits(at address: Address) -> Int {
    slobPlace(of: address).map { slob.takenUnits($0.0, $0.1) } ?? 0
  }

  /// The sizes of a cache. Kernel: `__kmem_cache_create()` (mm/slob.c, 6.1).
  func slobSizing(objectSize: Int, align: Int, flags: SlabFlags) -> SlabSizing? {
    guard objectSize > 0, objectSize <= KmallocClasses.sizeMax else { return nil }
    // Kernel: `struct slob_rcu`.
    let whole = objectSize + (flags.contains(.typesafeByRCU) ? 24 : 0)
    let size = SlobPages.units(whole) * SlobPages.unitBytes
    let pageSize = 1 << Int(pageShift)
    return SlabSizing(
      objectSize: objectSize, size: size, align: align,
      order: Order.holding(bytes: size, pageSize: pageSize), objects: max(pageSize / size, 1))
  }
}
