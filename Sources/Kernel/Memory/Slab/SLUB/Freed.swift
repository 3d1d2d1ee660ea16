import Simulation

/// What is freed at once: an object, or objects of one slab that a bulk call linked. 2 bytes.
package struct Freed: BitwiseCopyable {
  private let raw: UInt16
  private init(raw: UInt16) { self.raw = raw }
  @inline(__always) static func one(_ index: UInt16) -> Freed { Freed(raw: index) }
  /// The chain that begins at `head`; a slab has fewer than 2^15 objects.
  @inline(__always) static func chain(_ head: UInt16) -> Freed { Freed(raw: head | 0x8000) }
  @inline(__always) var head: UInt16 { raw & 0x7FFF }
  @inline(__always) var isChain: Bool { raw & 0x8000 != 0 }
}

extension SlabAllocator {
  /// Objects that are freed. Complexity: O(them).
  @inline(__always)
  func count(_ id: ID<Slab>, _ freed: Freed) -> Int { freed.isChain ? count(id, freed.head) : 1 }

  /// Whether a free may go on: linked objects were looked at when they were linked.
  @inline(__always)
  func isTaken(_ id: ID<Slab>, _ freed: Freed) -> Bool {
    freed.isChain || isTaken(id, freed.head)
  }

  /// Puts them on their slab's own freelist. Kernel: the cmpxchg of `__slab_free()`.
  @inline(__always)
  mutating func give(_ freed: Freed, to id: ID<Slab>, on cpu: CPUID, memoryNode: NodeID) {
    guard freed.isChain else {
      countOrigin(id, freed.head, on: cpu, memoryNode: memoryNode)
      return giveToSlab(id, freed.head)
    }
    let base = Int(slabs[id].links)
    var (last, count) = (freed.head, 1)
    while links[base + Int(last)] != Link.end {
      last = links[base + Int(last)]
      count += 1
    }
    links[base + Int(last)] = slabs[id].freelist
    slabs[id].freelist = freed.head
    slabs[id].inuse -= UInt16(count)
  }
}
