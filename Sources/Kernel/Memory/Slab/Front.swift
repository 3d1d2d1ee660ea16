import Hardware
import Simulation

/// What stands before a cache's slabs: where its fast paths go. Each has a folder of its own.
package enum Front: UInt8, BitwiseCopyable, Sendable {
  /// A slab of each CPU, and its partial slabs. SLUB up to 6.19.
  case cpuSlab
  /// Sheaves of each CPU and a barn of each node. SLUB from 6.18, by `SlabRules.sheaves`.
  case sheaf
  /// An array of objects of each CPU. SLAB.
  case array
  /// Nothing. SLOB.
  case nothing

  /// From 7.0 on no CPU has slabs: caches without sheaves go past those of no room.
  init(_ kind: SlabKind, _ rules: SlabRules, sheafCapacity: Int) {
    switch kind {
    case .slub: self = sheafCapacity > 0 || rules.sheaves == .all ? .sheaf : .cpuSlab
    case .slab: self = .array
    case .slob: self = .nothing
    }
  }
}

/// The one place where allocators differ for those who call them.
///
/// What only reads is inlined: called out of line, it would get a copy of the whole world.
extension World {
  /// Takes an object as far as that touches nothing but what this CPU has. Returns: `null` where
  /// it has none, or none on `node`.
  @inline(__always)
  mutating func takeFast(_ cache: CacheID, node: NodeID, on cpu: CPUID) -> Address {
    switch slab.layouts[cache.index].front {
    case .cpuSlab: return slab.takeLocal(cache, node: node, on: cpu)
    case .sheaf:
      return slab.takeFromSheaf(
        cache, node: node, memoryNode: memoryNode(of: cpu), on: cpu)
    case .array:
      return slab.takeFromArray(cache, node: node, on: cpu, memoryNode: memoryNode(of: cpu))
    case .nothing: return .null
    }
  }

  /// The call that allocates where `takeFast` did not.
  @inline(__always)
  func slowAllocation(_ request: SlabRequest) -> Frame {
    switch slab.layouts[request.cacheID.index].front {
    case .cpuSlab: return slubSlowAllocation(request)
    case .sheaf: return .sheafAlloc(.start(request))
    case .array: return .cacheAlloc(.start(request))
    case .nothing: return .slobObject(.allocate(request))
    }
  }

  /// Gives an object back: at once where that touches nothing but what this CPU has. Returns: the
  /// call that does it where it is not; `nil` when it is done.
  ///
  /// Kernel: `do_slab_free()` (mm/slub.c, 6.12).
  @inline(__always)
  mutating func slabFree(_ id: ID<Slab>, _ index: UInt16, on cpu: CPUID) -> Step? {
    let cache = slab.slabs[id].cacheID
    switch slab.layouts[cache.index].front {
    case .cpuSlab:
      switch slab.giveLocal(id, index, cache, on: cpu) {
      case .done: return nil
      case .elsewhere: return .call(slubSlowFree(id, index))
      case .doubleFree:
        complainDoubleFree(id, index, on: cpu)
        return nil
      }
    case .sheaf:
      switch slab.giveToSheaf(id, index, cache, memoryNode: memoryNode(of: cpu), on: cpu) {
      case .done: return nil
      case .elsewhere: return .call(.sheafFree(.start(ObjectRef(slab: id, index: index))))
      case .doubleFree:
        complainDoubleFree(id, index, on: cpu)
        return nil
      }
    case .array:
      let own = memoryNode(of: cpu)
      switch slab.giveToArray(id, index, cache, on: cpu, memoryNode: own) {
      case .done: return nil
      case .elsewhere: return .call(.cacheFree(.start(id, index)))
      case .doubleFree:
        complainDoubleFree(id, index, on: cpu)
        return nil
      }
    // SLOB has no slabs.
    case .nothing: return nil
    }
  }
}
