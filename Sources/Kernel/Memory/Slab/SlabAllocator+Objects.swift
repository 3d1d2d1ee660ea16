import Hardware
import Simulation

/// Where an address points to. Kernel: `virt_to_slab()`, `obj_to_index()`.
enum AddressOwner: BitwiseCopyable {
  /// The object of a slab.
  case object(ID<Slab>, UInt16)
  /// The first byte of a block that kmalloc took from the page allocator.
  case large(Order)
  /// Inside a slab or a large block, but at the start of nothing.
  case inside(ID<Slab>)
  /// Nothing of this allocator.
  case nothing
}

/// What became of an object given back.
enum Giving: BitwiseCopyable {
  case done
  /// The object's slab is not this CPU's: the slow path must do it.
  case elsewhere
  /// It was free already; nothing was changed.
  case doubleFree
}

/// Single objects: what the fast paths do, and addresses.
extension SlabAllocator {
  @inline(__always)
  func address(_ pages: PFN, _ index: UInt16, size: UInt32) -> Address {
    let offset = UInt64(index) &* UInt64(size)
    return Address(
      directMap &+ UInt64(truncatingIfNeeded: pages.index) &<< pageShift &+ offset)
  }

  @inline(__always)
  func address(_ slab: ID<Slab>, _ index: UInt16) -> Address {
    address(slabs[slab].pages, index, size: layouts[slabs[slab].cacheID.index].size)
      + Int(start(of: slab))
  }

  /// Takes the first object of the CPU's freelist. Returns: `null` when there is none, or when its
  /// slab is of another node than asked for.
  ///
  /// Kernel: the fast path of `__slab_alloc_node()` (mm/slub.c, 6.12).
  @inline(__always)
  mutating func takeLocal(_ cache: CacheID, node: NodeID, on cpu: CPUID) -> Address {
    let (first, size) = (Int(layouts[cache.index].cpus), layouts[cache.index].size)
    guard first >= 0 else { return .null }
    let place = first &+ cpu.index
    let mine = cpus[place]
    guard mine.freelist != Link.end, node == .any || node.raw == mine.node else { return .null }
    let link = Int(mine.links) &+ Int(mine.freelist)
    cpus[place].freelist = links[link]
    cpus[place].tid = mine.tid &+ KmemCacheCPU.tidStep
    cpus[place].allocFast = mine.allocFast &+ 1
    links[link] = Link.taken(by: cpu)
    return address(mine.pages, mine.freelist, size: size)
  }

  /// Puts an object on the CPU's freelist if its slab is this CPU's.
  ///
  /// Kernel: the fast path of `do_slab_free()` (mm/slub.c, 6.12).
  @inline(__always)
  mutating func giveLocal(_ slab: ID<Slab>, _ index: UInt16, _ cache: CacheID, on cpu: CPUID)
    -> Giving
  {
    let place = Int(layouts[cache.index].cpus) &+ cpu.index
    let mine = cpus[place]
    guard mine.slab == slab else { return .elsewhere }
    let link = Int(mine.links) &+ Int(index)
    let taken = links[link]
    guard !Link.isFree(taken) else { return .doubleFree }
    if taken != Link.taken(by: cpu) { note(.free_remote_cpu, of: cache) }
    links[link] = mine.freelist
    cpus[place].freelist = index
    cpus[place].tid = mine.tid &+ KmemCacheCPU.tidStep
    cpus[place].freeFast = mine.freeFast &+ 1
    return .done
  }

  /// Whether an object of a slab is allocated.
  @inline(__always)
  func isTaken(_ slab: ID<Slab>, _ index: UInt16) -> Bool {
    !Link.isFree(links[Int(slabs[slab].links) &+ Int(index)])
  }

  /// Finds what an address belongs to. Complexity: O(1), no division.
  @inline(__always)
  func owner(of address: Address) -> AddressOwner {
    let offset = address.raw &- directMap
    let page = Int(truncatingIfNeeded: offset &>> pageShift)
    guard address.raw >= directMap, page < owners.pageCount else { return .nothing }
    let owner = owners[page]
    guard owner > 0, settings.kind != .slob else {
      let isStart = address.raw & (1 &<< pageShift &- 1) == 0
      return owner < 0 && isStart ? .large(Order(Int(-owner) &- 1)) : .nothing
    }
    let slab = ID<Slab>(Int(owner) &- 1)
    let record = slabs[slab]
    let start = UInt64(truncatingIfNeeded: record.pages.index) &<< pageShift &+ start(of: slab)
    let (size, reciprocal) = (
      layouts[record.cacheID.index].size, layouts[record.cacheID.index].reciprocal
    )
    let index = ((offset &- start) &* reciprocal) &>> CacheLayout.reciprocalBits
    guard offset >= start, index &* UInt64(size) == offset &- start, index < UInt64(record.objects)
    else {
      return .inside(slab)
    }
    return .object(slab, UInt16(truncatingIfNeeded: index))
  }

  /// The bytes a caller may use behind `address`; 0 where nothing is allocated there.
  ///
  /// Kernel: `__ksize()` (mm/slab_common.c, 6.12).
  package func size(of address: Address) -> Int {
    switch owner(of: address) {
    case .object(let slab, _): caches[slabs[slab].cacheID].sizing.objectSize
    case .large(let order): 1 << (Int(pageShift) + order.index)
    case .inside, .nothing: settings.kind == .slob ? slobSize(of: address) : 0
    }
  }

  /// The node whose memory `address` is in, where a slab holds it.
  package func node(of address: Address) -> NodeID? {
    if case .object(let slab, _) = owner(of: address) { slabs[slab].nodeID } else { nil }
  }

  /// The slab that holds `address`, as a number, for counting distinct ones.
  package func slab(of address: Address) -> ID<Slab>? {
    switch owner(of: address) {
    case .object(let slab, _), .inside(let slab): slab
    case .large, .nothing: nil
    }
  }

  /// Whether a page is a slab's. Kernel: `PageSlab()`.
  @inline(__always) func isSlab(_ page: PFN) -> Bool {
    page.index < owners.pageCount && owners[page.index] > 0
  }

  /// A block of pages goes back: if kmalloc gave it out, it is no more kmalloc's.
  @inline(__always) mutating func forgetLarge(_ page: PFN) {
    if page.index < owners.pageCount, owners[page.index] < 0 { setLarge(page, nil) }
  }

  /// Notes that a block of pages is one kmalloc allocation, or is so no more.
  mutating func setLarge(_ pages: PFN, _ order: Order?) {
    owners.set(pages.index, 1, to: order.map { -Int32($0.index) - 1 } ?? 0)
  }
}
