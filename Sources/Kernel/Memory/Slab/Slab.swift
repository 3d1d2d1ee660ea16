import Hardware
import Simulation

package typealias CacheID = ID<KmemCache>

/// One slab: a block of pages cut into objects of one cache. 32 bytes.
///
/// Kernel: `struct slab` (mm/slab.h, 6.12). A record is recycled with its line and its part of the
/// links arena, for slabs of about as many objects.
package struct Slab: BitwiseCopyable {
  var pages: PFN
  /// Where the links of its objects begin.
  var links: Int32
  /// The next slab of whatever list it is on: node, CPU, to be drained, to be discarded, unused.
  var next: ID<Slab>
  /// The one before it on a node's list. On a CPU's list (a union in the kernel too): the slabs and
  /// free objects that the list had when this one was pushed, itself included (`listed`).
  var previous: ID<Slab>
  /// The line of `freelist` and the counters, which one cmpxchg changes together.
  var line: LineID
  /// First object freed here by whoever is not the slab's CPU; `Link.end` when there is none.
  var freelist: UInt16
  /// Objects not on `freelist`, so those of a CPU's freelist count too.
  var inuse: UInt16
  var objects: UInt16
  var cache: UInt16
  /// The current slab of a CPU, to 6.7 also one of a CPU's list: exempt from nodes' lists.
  var isFrozen: Bool
  /// On its node's partial list. Kernel: `PG_workingset`, from 6.8.
  var isOnNodeList: Bool
  var node: UInt8
  /// The order in bits 0 to 3, the block class of `links` in bits 4 to 7.
  var shape: UInt8

  @inline(__always) var order: Order { Order(Int(shape & 15)) }
  @inline(__always) var blockClass: Int { Int(shape &>> 4) }
  @inline(__always) var cacheID: CacheID { CacheID(Int(cache)) }
  @inline(__always) var nodeID: NodeID { NodeID(Int(node)) }
  /// Slabs of the CPU list that this one heads. Kernel: `slab->slabs`, `page->pages`.
  @inline(__always) var slabsOfList: Int { previous.index & 0xFFF }
  /// Free objects of them, each counted when it was pushed. Kernel: `page->pobjects`, to 5.15.
  @inline(__always) var objectsOfList: Int { previous.index &>> 12 }
  /// Both as `previous` holds them: a list is drained long before it has 4,096 slabs.
  static func listed(slabs: Int, objects: Int) -> ID<Slab> { ID(slabs | objects &<< 12) }

  static let blank = Slab(
    pages: .none, links: 0, next: .none, previous: .none, line: .none, freelist: Link.end,
    inuse: 0, objects: 0, cache: .max, isFrozen: false, isOnNodeList: false, node: 0, shape: 0)
}

/// What the arena holds for an object: the next free one, or who has it.
enum Link {
  /// The last of a list of free objects.
  static let end: UInt16 = 0x7FFF
  /// Set while the object is on no list of its slab; the other bits say on which CPU it was
  /// allocated, if it is.
  static let inUse: UInt16 = 0x8000
  /// Free, but held by a CPU's array or a sheaf, so that its slab counts it as used.
  static let cached: UInt16 = 0xFFFF

  @inline(__always) static func taken(by cpu: CPUID) -> UInt16 {
    inUse | UInt16(truncatingIfNeeded: cpu.index)
  }
  @inline(__always) static func isFree(_ link: UInt16) -> Bool { link < inUse || link == cached }
}

/// What one CPU has of one cache. 32 bytes, two to a line of the host.
///
/// Kernel: `struct kmem_cache_cpu` (mm/slub.c, 6.12). The parts of the current slab that the fast
/// paths need are copied here, so they touch no slab record.
struct KmemCacheCPU: BitwiseCopyable {
  /// First free object of the current slab that only this CPU may take.
  var freelist: UInt16
  /// The node of the current slab.
  var node: UInt8
  /// The current slab's `pages` and `links`.
  var pages: PFN
  var links: Int32
  var slab: ID<Slab>
  /// Partial slabs of this CPU, the one pushed last first.
  var partial: ID<Slab>
  /// Changes with each change of `freelist` or `slab`; it starts as the CPU's number.
  var tid: UInt32
  var allocFast: UInt32
  var freeFast: UInt32

  /// Kernel: `TID_STEP`, `roundup_pow_of_two(CONFIG_NR_CPUS)` with CONFIG_PREEMPTION.
  static let tidStep: UInt32 = 8192

  init(cpu: Int) {
    (freelist, node, pages, links) = (Link.end, 0, .none, 0)
    (slab, partial, tid) = (.none, .none, UInt32(cpu))
    (allocFast, freeFast) = (0, 0)
  }
}

/// The partial slabs of one cache on one node. Kernel: `struct kmem_cache_node` (mm/slab.h, 6.12).
struct KmemCacheNode: BitwiseCopyable {
  /// Guards `partialCount`, the list, and `isOnNodeList` of its slabs.
  var listLock: LockID
  var first: ID<Slab>
  var last: ID<Slab>
  /// Kernel: `nr_partial`.
  var partialCount: Int32
  /// Kernel: `nr_slabs`, `total_objects`; atomics, so no lock guards them.
  var slabCount: Int32
  var objectCount: Int32

  static let blank = KmemCacheNode(
    listLock: .none, first: .none, last: .none, partialCount: 0, slabCount: 0, objectCount: 0)
}

/// One cache. Kernel: `struct kmem_cache` (mm/slab.h, 6.12).
package struct KmemCache: BitwiseCopyable {
  package enum State: UInt8, BitwiseCopyable, Sendable {
    /// An unused place of the table.
    case none
    /// Its sizes are known, but `kmem_cache_create()` has not run, or it was destroyed since.
    case declared
    case live
    /// Destroyed with objects left: what remains can be freed, nothing allocated.
    case shutDown
  }
  package var flags: SlabFlags
  /// Kernel: `kmem_cache.allocflags`.
  var gfp: GFPFlags
  /// Of 1024 draws, how many let an allocation look for partial slabs on other nodes.
  var remoteNodeDefragRatio: UInt16
  /// What trace events call it: a name of the locks' table, known once the cache is used.
  var name: Int32
  /// Its permutation begins here in `sequences`; -1: freelists ascend.
  var sequence: Int32
  /// Where each new freelist begins in the permutation.
  var starts: RandomStream
  package var state: State
  package var sizing: SlabSizing

  /// Kernel: `do_kmem_cache_create()` (mm/slub.c, 6.12): sysfs shows a tenth of it.
  static let defragRatio: UInt16 = 1000

  init(_ sizing: SlabSizing, flags: SlabFlags, state: State) {
    (self.sizing, self.flags, self.state) = (sizing, flags, state)
    gfp = .comp
    if flags.contains(.dma) { gfp.insert(.dma) }
    if flags.contains(.reclaimAccount) { gfp.insert(.reclaimable) }
    remoteNodeDefragRatio = KmemCache.defragRatio
    (name, sequence) = (0, -1)
    starts = RandomStream(seed: 0, index: 0)
  }
}

/// What the fast paths and lists read of a cache: small, so that no hot path copies the rest.
struct CacheLayout: BitwiseCopyable {
  /// From one object to the next. Unit: bytes.
  var size: UInt32
  /// The CPUs' records of this cache begin here; -1 before the cache is first used.
  var cpus: Int32
  var nodes: Int32
  var cpuPartialSlabs: UInt16
  var minPartial: UInt16
  /// Objects a sheaf holds; 0 where there are none.
  var sheafCapacity: UInt16
  var front: Front
  /// Checked at each allocation and free, so that no CPU has its slabs. Kernel: `kmem_cache_debug()`.
  var isDebug: Bool
  /// What limits a CPU's list to 5.15. Unit: free objects.
  var cpuPartial: UInt16
  /// `offset * reciprocal >> 44` is `offset / size`, for all offsets in a slab.
  var reciprocal: UInt64

  /// Bits after the point of `reciprocal`: a slab has at most 2^22 bytes, so 44 make it exact.
  static let reciprocalBits: UInt64 = 44

  init(_ sizing: SlabSizing, _ kind: SlabKind, _ rules: SlabRules) {
    sheafCapacity = UInt16(sizing.sheafCapacity)
    front = Front(kind, rules, sheafCapacity: sizing.sheafCapacity)
    size = UInt32(sizing.size)
    (cpus, nodes) = (-1, -1)
    (cpuPartial, isDebug) = (UInt16(sizing.cpuPartial), false)
    (cpuPartialSlabs, minPartial) = (UInt16(sizing.cpuPartialSlabs), UInt16(sizing.minPartial))
    let one: UInt64 = 1 << CacheLayout.reciprocalBits
    reciprocal = (one + UInt64(sizing.size) - 1) / UInt64(sizing.size)
  }

  /// Kernel: `kmem_cache_has_cpu_partial()`.
  @inline(__always) var hasCPUPartial: Bool { cpuPartialSlabs > 0 }
}
