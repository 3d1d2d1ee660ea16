import Hardware
import Simulation

/// Allocates `size` bytes.
///
/// Kernel: `kmalloc()` → `__do_kmalloc_node()` → `slab_alloc_node()` (mm/slub.c, 6.12). The fast
/// path reads and writes nothing that another CPU may, so it ends with `.ahead`.
/// Not modelled: the retry of a this_cpu_cmpxchg that an interrupt made fail.
package enum Kmalloc: Path {
  case start(size: UInt32, gfp: GFPFlags, node: NodeID)
  case looked(size: UInt32, gfp: GFPFlags, node: NodeID)
  case fast(size: UInt32, gfp: GFPFlags, node: NodeID)
  case slow(size: UInt32, gfp: GFPFlags, node: NodeID)
  case large
  case zeroed(Address)

  package static var name: PathName { .kmalloc }
  @inline(__always)
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let size, let gfp, let node):
      guard size > 0 else { return .return(.address(.zeroSize)) }
      guard Int(size) <= world.slab.classesMax else {
        return ask(.call(.kmallocLarge(.start(size: size, gfp: gfp, node: node))), then: .large)
      }
      if gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
      // The compiler finds the class of a size that it knows.
      if gfp.contains(.runTimeSize), !world.goesAhead(.kmallocLookup, on: cpu) {
        return ask(.ahead(.kmallocLookup), then: .looked(size: size, gfp: gfp, node: node))
      }
      return begin(size, gfp, node, &world, cpu)
    case .looked(let size, let gfp, let node): return begin(size, gfp, node, &world, cpu)
    case .fast(let size, let gfp, let node): return fast(size, gfp, node, &world, cpu)
    case .slow(let size, let gfp, let node):
      world.noteSlowAllocation(on: cpu)
      let cache = world.slab.kmallocCache(size: Int(size), gfp: gfp)
      return finish(reply.address, cache, size, gfp, node, &world, cpu)
    case .large: return .return(reply)
    case .zeroed(let object): return .return(.address(object))
    }
  }

  @inline(__always)
  private mutating func begin(
    _ size: UInt32, _ gfp: GFPFlags, _ node: NodeID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let work = world.slab.allocWork
    guard world.goesAhead(work, on: cpu) else {
      return ask(.ahead(work), then: .fast(size: size, gfp: gfp, node: node))
    }
    return fast(size, gfp, node, &world, cpu)
  }

  @inline(__always)
  private mutating func fast(
    _ size: UInt32, _ gfp: GFPFlags, _ node: NodeID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let cache = world.slab.kmallocCache(size: Int(size), gfp: gfp)
    let object = world.takeFast(cache, node: node, on: cpu)
    guard object != .null else {
      let request = SlabRequest(cache, gfp, node)
      return ask(
        .call(world.slowAllocation(request)), then: .slow(size: size, gfp: gfp, node: node))
    }
    return finish(object, cache, size, gfp, node, &world, cpu)
  }

  @inline(__always)
  private mutating func finish(
    _ object: Address, _ cache: CacheID, _ size: UInt32, _ gfp: GFPFlags, _ node: NodeID,
    _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let given = Int(world.slab.layouts[cache.index].size)
    world.traceAllocation(
      .kmalloc, object, asked: Int(size), given: given, gfp, node, on: cpu)
    guard gfp.contains(.zero), object != .null else { return .return(.address(object)) }
    return ask(.work(.zeroLine, times: Int32((given + 63) / 64)), then: .zeroed(object))
  }

  static var advice: String {
    "GFP_KERNEL may sleep and must not be used in atomic context. Use GFP_ATOMIC or GFP_NOWAIT "
      + "there, or allocate before the lock is taken."
  }
}

/// Allocates more than the largest class from the page allocator.
///
/// Kernel: `___kmalloc_large_node()` (mm/slub.c, 6.12).
package enum KmallocLarge: Path {
  case start(size: UInt32, gfp: GFPFlags, node: NodeID)
  case given(size: UInt32, gfp: GFPFlags, node: NodeID)
  /// SLOB gave a block of it.
  case block(size: UInt32, gfp: GFPFlags, node: NodeID)
  case zeroed(Address)

  package static var name: PathName { .kmalloc_large }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let size, let asked, let node):
      var gfp = asked.flags
      let header = SlobRequest.headerBytes
      if world.slab.settings.kind == .slob, Int(size) < world.architecture.pageSize - header {
        if gfp.allowsBlocking { world.mightAlloc(on: cpu, Kmalloc.advice) }
        return ask(
          .call(.slobObject(.kmalloc(size: size, gfp: gfp, node: node))),
          then: .block(size: size, gfp: gfp, node: node))
      }
      if !gfp.isDisjoint(with: .slabBug) { gfp = world.fixSlabFlags(gfp, on: cpu) }
      gfp.insert(.comp)
      let order = Order.holding(bytes: Int(size), pageSize: world.architecture.pageSize)
      return ask(
        .call(.allocPages(.start(order: order, gfp: gfp, node: node))),
        then: .given(size: size, gfp: gfp, node: node))
    case .block(let size, let gfp, let node):
      let given = Int(size) + SlobRequest.headerBytes
      world.traceAllocation(
        .kmalloc, reply.address, asked: Int(size), given: given, gfp, node, on: cpu)
      guard gfp.contains(.zero), reply.address != .null else { return .return(reply) }
      return ask(.work(.zeroLine, times: Int32((given + 63) / 64)), then: .zeroed(reply.address))
    case .zeroed(let object): return .return(.address(object))
    case .given(let size, let gfp, let node):
      let order = Order.holding(bytes: Int(size), pageSize: world.architecture.pageSize)
      var object = Address.null
      if !reply.pfn.isNone {
        world.slab.setLarge(reply.pfn, order)
        object = world.architecture.address(of: reply.pfn)
      }
      world.traceAllocation(
        .kmalloc, object, asked: Int(size), given: world.architecture.pageSize << order.index,
        gfp, node, on: cpu)
      return .return(.address(object))
    }
  }
}

/// Allocates an array, or nothing where its size overflows.
///
/// Kernel: `kmalloc_array()`, `kcalloc()` (include/linux/slab.h, 6.12).
package enum KmallocArray: Path {
  /// `bytes` is `overflow` where the product does not fit.
  case start(bytes: UInt64, gfp: GFPFlags, node: NodeID)
  case given

  static let overflow = UInt64.max

  /// The call for `count` elements of `size` bytes; kcalloc's mask has `.zero`.
  package static func frame(
    count: UInt64, size: UInt64, gfp: GFPFlags, node: NodeID = .any
  ) -> Frame {
    let bytes = KmallocClasses.arrayBytes(count: count, size: size)
    return .kmallocArray(.start(bytes: bytes ?? overflow, gfp: gfp, node: node))
  }

  package static var name: PathName { .kmalloc_array }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let bytes, let gfp, let node):
      guard bytes != KmallocArray.overflow else { return .return(.address(.null)) }
      // More than 32 bits is more than any block of pages: it fails as the largest size does.
      let size = UInt32(clamping: bytes)
      return ask(.call(.kmalloc(.start(size: size, gfp: gfp, node: node))), then: .given)
    case .given: return .return(reply)
    }
  }
}

extension World {
  /// For the report by call site; a new slab was noted when it was made.
  @inline(__always) mutating func noteSlowAllocation(on cpu: CPUID) {
    cpus[cpu].allocationWay = max(cpus[cpu].allocationWay, CallSites.Way.slow.rawValue)
  }

  /// Takes out what no slab may be asked for, and says so. Kernel: `kmalloc_fix_flags()`.
  mutating func fixSlabFlags(_ gfp: GFPFlags, on cpu: CPUID) -> GFPFlags {
    let (bad, fixed) = (gfp.intersection(.slabBug), gfp.subtracting(.slabBug))
    warn(
      "Unexpected gfp: 0x\(String(bad.rawValue, radix: 16)). Fixing up to gfp: "
        + "0x\(String(fixed.rawValue, radix: 16)). Fix your code!", on: cpu)
    return fixed
  }
}
