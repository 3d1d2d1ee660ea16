import Hardware
import Simulation

/// What an allocation asks of a cache: it lives as long as the slow path. 8 bytes.
package struct SlabRequest: BitwiseCopyable {
  var gfp: GFPFlags
  var cache: UInt16
  var node: NodeID
  /// The node asked for had nothing without reclaim, so others may serve now.
  var isSecondTry: Bool

  init(_ cache: CacheID, _ gfp: GFPFlags, _ node: NodeID) {
    // Which kmalloc caches the call was for is decided; a sheaf made for it comes from any.
    (self.gfp, self.cache) = (gfp.flags, UInt16(truncatingIfNeeded: cache.index))
    (self.node, isSecondTry) = (node, false)
  }

  @inline(__always) var cacheID: CacheID { CacheID(Int(cache)) }

  /// The first attempt for a node takes only what that node has without reclaim, from 6.11.
  func narrowed(by rules: SlabRules) -> SlabRequest {
    guard rules.triesNodeFirst, prefersNode, !isSecondTry else { return self }
    var narrowed = self
    narrowed.gfp = [.noWait, .thisNode]
    return narrowed
  }

  /// A node is asked for, but others would do.
  var prefersNode: Bool { node != .any && !gfp.contains(.thisNode) }
}

extension GFPFlags {
  /// What a slab's pages take over of an object's mask. Kernel: `GFP_RECLAIM_MASK |
  /// GFP_CONSTRAINT_MASK` (mm/internal.h, 6.12).
  static let slabPages: GFPFlags = [
    .reclaim, .high, .io, .fs, .noWarn, .retryMayFail, .noFail, .noRetry, .memAlloc, .noMemAlloc,
    .hardWall, .thisNode,
  ]
  /// What no slab may be asked for. Kernel: `GFP_SLAB_BUG_MASK` (mm/internal.h, 6.12).
  static let slabBug: GFPFlags = [.dma32, .highMem]
}

/// What several paths of the slab allocator ask of the world.
///
/// What only reads is inlined: called out of line, it would get a copy of the whole world.
extension World {
  /// The line of a node's list_lock, counts and list head. Kernel: `struct kmem_cache_node`.
  @inline(__always)
  func nodeLine(_ cache: CacheID, _ node: NodeID) -> LineID {
    locks.locks.items[listLock(cache, node)].line
  }

  @inline(__always)
  func listLock(_ cache: CacheID, _ node: NodeID) -> LockID {
    slab.nodes[slab.node(cache, node)].listLock
  }

  @inline(__always)
  func listLock(_ id: ID<Slab>) -> LockID {
    listLock(slab.slabs[id].cacheID, slab.slabs[id].nodeID)
  }

  /// The tracepoints' words: address; bytes asked for and given; mask, node, whether accounted.
  @inline(__always)
  mutating func traceAllocation(
    _ event: TraceEvent, _ object: Address, asked: Int, given: Int, _ gfp: GFPFlags,
    _ node: NodeID, on cpu: CPUID
  ) {
    guard probe.isOn else { return }
    let number = node == .any ? 0xFFFF : UInt64(node.raw)
    let accounted: UInt64 = gfp.contains(.account) ? 1 : 0
    trace(
      event, on: cpu, a: object.raw, b: UInt64(asked) | UInt64(given) << 32,
      c: UInt64(gfp.flags.rawValue) | number << 32 | accounted << 48)
  }

  mutating func complainDoubleFree(_ id: ID<Slab>, _ index: UInt16, on cpu: CPUID) {
    let name = slab.names[Int(slab.slabs[id].cache)]
    let printed =
      slab.caches[slab.slabs[id].cacheID].flags.contains(.consistency)
      ? "BUG \(name): Object already free: " : ""
    complain(
      .doubleFree,
      printed
        + "the object of \(name) at \(slab.address(id, index).text) is free already. Free it once, "
        + "and set the pointer to NULL.", on: cpu)
  }

  /// Reports a pointer that no allocation returned, or that another function must free.
  mutating func complainBadFree(_ address: Address, _ owner: AddressOwner, on cpu: CPUID) {
    if architecture.isVmalloc(address) {
      return complain(
        .wrongFreeFunction,
        "\(address.text) is a vmalloc address. Use vfree(), or kvfree() where it may be either.",
        on: cpu)
    }
    let place =
      if case .inside(let id) = owner {
        "points into an object of \(slab.names[Int(slab.slabs[id].cache)])"
      } else { "was not returned by kmalloc or kmem_cache_alloc, or its slab is gone" }
    complain(
      .badFree, "\(address.text) \(place). Free the pointer that the allocation returned.",
      on: cpu)
  }
}

extension World {
  /// Kernel: `cache_from_obj()` (mm/slub.c, 6.12, CONFIG_SLAB_FREELIST_HARDENED).
  mutating func complainWrongCache(_ cache: CacheID, _ own: CacheID, on cpu: CPUID) {
    let (asked, owner) = (slab.names[cache.index], slab.names[own.index])
    complain(
      .wrongFreeFunction,
      "Wrong slab cache. \(asked) but object is from \(owner). Free it to the cache that it was "
        + "allocated from.", on: cpu)
  }
}

extension Address {
  /// As `%px` prints it.
  var text: String {
    let digits = String(raw, radix: 16)
    return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
  }
}
