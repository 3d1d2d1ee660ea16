import Hardware
import Simulation

/// An array of free objects, last in first out: a CPU's, the one that a node's CPUs share, or the
/// one for another node's objects. 32 bytes.
///
/// Kernel: `struct array_cache` (mm/slab.c, 6.1).
struct ArrayCache: BitwiseCopyable {
  /// Where its entries begin.
  var first: Int32
  var avail: UInt16
  var limit: UInt16
  /// Objects that move between it and the node at a time.
  var batch: UInt16
  /// While it is flushed: how many of its oldest entries are back in their slabs already.
  var given: UInt16
  /// Used since the reaper last came by.
  var touched: Bool
  /// Guards an alien array. Kernel: `alien_cache.lock`; a field of the array up to 3.17.
  var lock: LockID
  /// Kernel: `allochit`, `freehit`.
  var allocHits: UInt32
  var freeHits: UInt32

  static let blank = ArrayCache(
    first: 0, avail: 0, limit: 0, batch: 0, given: 0, touched: false, lock: .none, allocHits: 0,
    freeHits: 0)
}

/// An object in an array, and where its link and its slab are, so that taking it reads no slab.
struct CachedObject: BitwiseCopyable {
  var address: Address
  var slab: ID<Slab>
  /// Its place in the arena of links.
  var link: Int32

  static let blank = CachedObject(address: .null, slab: .none, link: 0)
}

/// What SLAB keeps of a cache on a node, beside the lock and the counts that all allocators have.
///
/// Kernel: `struct kmem_cache_node` (mm/slab.h, 6.1).
struct ArrayNode: BitwiseCopyable {
  /// Objects free in slabs.
  var freeObjects: Int32
  var freeLimit: Int32
  var nextColour: UInt16
  /// A slab of the free list was used since the reaper last came by.
  var freeTouched: Bool
  /// The shared array; -1: none.
  var shared: Int32
  /// Where the row of arrays for other nodes' objects begins; -1: not one was needed yet.
  var aliens: Int32
  /// Kernel: `next_reap`.
  var nextReap: Instant

  static let blank = ArrayNode(
    freeObjects: 0, freeLimit: 0, nextColour: 0, freeTouched: false, shared: -1, aliens: -1,
    nextReap: .zero)
}

/// A list of slabs, linked both ways.
struct SlabList: BitwiseCopyable {
  var first: ID<Slab>
  var last: ID<Slab>
  var count: Int32

  static let empty = SlabList(first: .none, last: .none, count: 0)
}

/// What SLAB keeps of a slab beside the record that all allocators have.
struct ArraySlab: BitwiseCopyable {
  /// The object that holds its free indexes, where that is elsewhere.
  var freelist: Address
  /// Where its first object lies. Unit: bytes.
  var start: UInt32
}

/// The storage of SLAB's arrays, nodes and slabs. Mechanism: places; no lock, no time.
///
/// Arrays for other nodes' objects are nodes * nodes a cache; each is made when it is first needed,
/// where the kernel makes all with the cache.
struct ArrayCaches: ~Copyable {
  /// By cache.
  var sizings: Buffer<ArrayCacheSizing>
  var arrays: Buffer<ArrayCache>
  var entries: Buffer<CachedObject>
  /// By the same places as `SlabAllocator.nodes`.
  var nodes: Buffer<ArrayNode>
  /// The lists of each node, in the order of `List`.
  var lists: Buffer<SlabList>
  /// Rows of arrays, -1 where one was not needed yet.
  var aliens: Buffer<Int32>
  /// By slab.
  var slabs: Buffer<ArraySlab>
  /// For each CPU, the node whose alien arrays its reaper looks at next. Kernel: `slab_reap_node`.
  var reapNodes: Buffer<UInt8>
  var arraysUsed: Int
  var entriesUsed: Int
  var aliensUsed: Int
  /// Blocks of arrays, and of entries, that destroyed caches gave back.
  private var spareArrays: [Block]
  private var spareEntries: [Block]

  /// The slabs of a node with some, with none and with only free objects. Objects in arrays count
  /// as used.
  enum List: Int, CaseIterable { case partial, full, free }

  @inline(__always) static func list(_ kind: List, of node: Int) -> Int {
    node &* List.allCases.count &+ kind.rawValue
  }

  private struct Block {
    let first: Int
    let count: Int
  }

  init(cpuCount: Int) {
    sizings = Buffer(0, .blank)
    arrays = Buffer(0, .blank)
    entries = Buffer(0, .blank)
    nodes = Buffer(0, .blank)
    lists = Buffer(0, .empty)
    aliens = Buffer(0, -1)
    slabs = Buffer(0, ArraySlab(freelist: .null, start: 0))
    reapNodes = Buffer(cpuCount, 0)
    (arraysUsed, entriesUsed, aliensUsed) = (0, 0, 0)
    (spareArrays, spareEntries) = ([], [])
  }

  private init(cloning other: borrowing ArrayCaches) {
    sizings = other.sizings.clone()
    arrays = other.arrays.clone()
    entries = other.entries.clone()
    nodes = other.nodes.clone()
    lists = other.lists.clone()
    aliens = other.aliens.clone()
    slabs = other.slabs.clone()
    reapNodes = other.reapNodes.clone()
    (arraysUsed, entriesUsed) = (other.arraysUsed, other.entriesUsed)
    aliensUsed = other.aliensUsed
    (spareArrays, spareEntries) = (other.spareArrays, other.spareEntries)
  }
  func clone() -> ArrayCaches { ArrayCaches(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int { arrays.byteCount + entries.byteCount + nodes.byteCount + aliens.byteCount }

  /// A block of `count` empty arrays for `limit` objects each. Returns: the first.
  mutating func makeArrays(_ count: Int, limit: Int, batch: Int) -> Int {
    let first = ArrayCaches.place(count, &spareArrays, &arraysUsed)
    if arraysUsed > arrays.count { arrays.grow(to: max(2 * arrays.count, arraysUsed), .blank) }
    var entry = ArrayCaches.place(count * limit, &spareEntries, &entriesUsed)
    if entriesUsed > entries.count {
      entries.grow(to: max(2 * entries.count, entriesUsed), .blank)
    }
    for place in first..<first + count {
      arrays[place] = .blank
      (arrays[place].first, arrays[place].limit) = (Int32(entry), UInt16(limit))
      arrays[place].batch = UInt16(batch)
      entry += limit
    }
    return first
  }

  /// Gives a block of arrays back, as it was made.
  mutating func giveArrays(_ first: Int, _ count: Int) {
    let limit = Int(arrays[first].limit)
    spareEntries.append(Block(first: Int(arrays[first].first), count: count * limit))
    spareArrays.append(Block(first: first, count: count))
  }

  private static func place(_ count: Int, _ spare: inout [Block], _ used: inout Int) -> Int {
    if let match = spare.firstIndex(where: { $0.count == count }) {
      return spare.remove(at: match).first
    }
    used += count
    return used - count
  }

  /// A row of `count` places for alien arrays, none made yet.
  mutating func makeRow(_ count: Int) -> Int32 {
    if aliensUsed + count > aliens.count {
      aliens.grow(to: max(2 * aliens.count, aliensUsed + count), -1)
    }
    for place in aliensUsed..<aliensUsed + count { aliens[place] = -1 }
    aliensUsed += count
    return Int32(aliensUsed - count)
  }
}

extension ArrayCacheSizing {
  /// Fills the table where there is no cache.
  static let blank = ArrayCacheSizing(
    objectSize: 4096, align: 8, cpuCount: 1, isSmallMachine: true, rules: KernelVersion.v6_1.slab)!
}
