import Hardware
import Simulation

/// Reads or writes memory from end to end, once each `stride` bytes, through the CPU's TLB.
///
/// The direct map is of 2 MiB pages, vmalloc space mostly of 4 KiB pages: so a walk over vmalloc
/// memory misses the TLB sooner, and every flush makes it miss again. An access that only an entry
/// still allows that should be gone is reported, and one that nothing allows as well.
///
/// Kernel: none; this is what the workload's own instructions do.
/// Not modelled: the cache lines of the data; each access is one hit of the second-level cache.
package enum TouchMemory: Path {
  case start(address: Address, bytes: UInt32, stride: UInt16)
  case next(ID<TouchCall>)
  case accessed(ID<TouchCall>, reads: Int32)

  /// Pages between two looks at the clock: a flush by another CPU comes in between.
  static let pagesPerStep = 16

  package static var name: PathName { .touch }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let bytes, let stride):
      let touch = TouchCall(
        at: address.raw, end: address.raw &+ UInt64(bytes), stride: UInt64(max(stride, 1)))
      return access(world.vmalloc.touches.take(touch), &world, cpu)
    case .next(let id): return access(id, &world, cpu)
    case .accessed(let id, let reads):
      return ask(.work(.tlbMissWalkStep, times: reads), then: .next(id))
    }
  }

  /// Makes the accesses of the next few pages.
  private mutating func access(
    _ id: ID<TouchCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    var touch = world.vmalloc.touches[id]
    guard touch.at < touch.end else {
      world.vmalloc.touches.give(id)
      return .return()
    }
    var (accesses, reads) = (Int32(0), Int32(0))
    for _ in 0..<TouchMemory.pagesPerStep where touch.at < touch.end {
      guard let cost = translate(Address(touch.at), &world, cpu) else {
        world.vmalloc.touches[id].at = touch.end
        return ask(.work(.memoryAccess, times: max(accesses, 1)), then: .next(id))
      }
      reads += cost
      accesses += touch.skipPage()
    }
    world.vmalloc.touches[id] = touch
    return ask(
      .work(.memoryAccess, times: accesses),
      then: reads > 0 ? .accessed(id, reads: reads) : .next(id))
  }

  /// - Returns: table reads; nil where there is nothing at the address.
  private func translate(
    _ address: Address, _ world: inout World, _ cpu: CPUID
  ) -> Int32? {
    guard !world.architecture.isHighMemory(address) else {
      world.complain(
        .badContext, "a page of high memory has no address: map it, with vmap or kmap", on: cpu)
      return nil
    }
    guard world.vmalloc.isVmallocOrModule(address) else {
      // The direct map: 2 MiB pages, always there.
      guard world.tlbs.look(up: address, .huge, on: cpu.index).found == .nowhere else { return 0 }
      world.vmalloc.statistics.tlbMisses += 1
      let frame = world.architecture.pfn(of: address)
      return Int32(
        world.tlbs.fill(
          address, .huge, frame, levels: world.vmalloc.pageTable.levels - 1, on: cpu.index))
    }
    let walk = world.vmalloc.pageTable.walk(address)
    let hit = world.tlbs.look(up: address, .page, on: cpu.index)
    if hit.found != .nowhere {
      if hit.frame != walk.frame { complainOfStale(address, &world, cpu) }
      return 0
    }
    // The frame that a large page begins with; of a small one its own.
    let isHuge = walk.size == .huge
    let base = isHuge ? PFN(walk.frame.index & ~(Order.pmd.pageCount - 1)) : walk.frame
    if world.version.vmalloc.hugeMappings != .none {
      let large = world.tlbs.look(up: address, .huge, on: cpu.index)
      if large.found != .nowhere {
        if !isHuge || large.frame != base { complainOfStale(address, &world, cpu) }
        return 0
      }
    }
    world.vmalloc.statistics.tlbMisses += 1
    guard !walk.frame.isNone else {
      let why = world.vmalloc.isLazy(address.raw) ? "it was freed" : "nothing is mapped there"
      world.complain(
        .useAfterFree, "unable to handle page fault for address \(hex(address)): \(why)", on: cpu)
      return nil
    }
    return Int32(
      world.tlbs.fill(address, walk.size, base, levels: walk.levels, on: cpu.index))
  }

  private func complainOfStale(_ address: Address, _ world: inout World, _ cpu: CPUID) {
    world.vmalloc.statistics.staleAccesses += 1
    world.complain(
      .useAfterFree,
      "access to freed vmalloc address \(hex(address)) through a TLB entry that no flush has"
        + " removed yet", on: cpu)
  }
}

/// One activation of `TouchMemory`. Unit: bytes.
package struct TouchCall: BitwiseCopyable {
  var at: UInt64 = 0
  var end: UInt64 = 0
  var stride: UInt64 = 1

  /// Goes to the first access beyond this page. Returns: the accesses in it.
  mutating func skipPage() -> Int32 {
    let pageEnd = min(at | 4095, end - 1)
    let count = (pageEnd - at) / stride + 1
    at += count * stride
    return Int32(truncatingIfNeeded: count)
  }
}
