import Hardware
import Simulation

/// All caches and their slabs. Mechanism: lists, counts and links; it knows no lock and no time.
///
/// Objects are real: an object is a place in a slab, a slab is pages, so it has an address, and an
/// address finds its object by a table of pages and a multiplication. Freelists are linked lists
/// through `links`, last in first out as in the kernel. An allocated object's link says which CPU
/// took it, so a second free, or a free of what never was an object, is seen at once.
///
/// A cache costs its record until it is first used; then a record for each CPU and node.
///
/// Invariants, walked by `checkInvariants()`:
/// 1. an object is allocated, or on its slab's freelist, or on that of the CPU that has the slab;
/// 2. a slab's `inuse` is its objects less those on its own freelist;
/// 3. a slab is at most in one place: a CPU's, on a CPU's list, on its node's list;
/// 4. it is frozen only as a CPU's slab, on its node's list only with `isOnNodeList`;
/// 5. a node's counts are those of its list and of its slabs.
///
/// Kernel: mm/slub.c (6.12). Not modelled: debugging, freelist hardening, slabs from emergency
/// reserves (`pfmemalloc`), merging of caches.
package struct SlabAllocator: ~Copyable {
  /// Statistics a cache has room for; a power of two, for the index.
  static let statsMax = 64

  /// What the kernel's configuration decides.
  package struct Settings: BitwiseCopyable, Sendable {
    /// CONFIG_SLUB, CONFIG_SLAB or CONFIG_SLOB.
    var kind = SlabKind.slub
    /// CONFIG_MEMCG: accounted requests have caches of their own.
    var memcg: Bool
    /// CONFIG_SLAB_FREELIST_RANDOM: new freelists follow a permutation of their cache.
    var isFreelistRandom: Bool
    /// `slab_debug=`, for all caches.
    var debug: SlabFlags = []
    /// CONFIG_RANDOM_KMALLOC_CACHES: sixteen copies of the normal kmalloc caches, by call site.
    var hasRandomCopies = false
    /// CONFIG_SLAB_BUCKETS, where the release has it; else `kmem_buckets_alloc()` is kmalloc.
    var hasBuckets = false
    /// Caches that are alike are one. Kernel: `slab_nomerge`, the other way round.
    var merges = false
  }

  package let rules: SlabRules
  package let settings: Settings
  package let classes: KmallocClasses
  /// What a fast allocation and a fast free cost.
  let allocWork: Work
  let freeWork: Work
  let seed: UInt64
  /// Guards the table of caches. Kernel: `slab_mutex`.
  let mutex: LockID
  /// One flush of all CPUs at a time. Kernel: `flush_lock`.
  let flushLock: LockID
  let directMap: UInt64
  let pageShift: UInt64
  package let cpuCount: Int
  package let nodeCount: Int
  /// 1 for each node that has memory. Kernel: `slab_nodes`.
  private var memoryNodes: Buffer<UInt8>

  package internal(set) var caches: Buffer<KmemCache>
  /// The hot part of each cache, by the same numbers.
  var layouts: Buffer<CacheLayout>
  /// Caches by name, for reports: never read on a hot path.
  package internal(set) var names: [String]
  /// Other names of caches that were merged, by the cache's number.
  var aliases: [Int: [String]]
  /// Users of a cache beside its first.
  var furtherUsers: [Int: Int]
  /// The cache of each family and class.
  var kmallocCaches: Buffer<CacheID>
  var cpus: Buffer<KmemCacheCPU>
  var nodes: Buffer<KmemCacheNode>
  var cpusUsed: Int
  var nodesUsed: Int
  /// Slabs of all caches that their nodes count.
  package internal(set) var slabCount: Int
  /// Where destroyed caches had their records, for the next ones.
  var unusedCPUs: [Int32]
  var unusedNodes: [Int32]
  var slabs: Buffer<Slab>
  var slabsUsed: Int
  /// Records given back, by the block class of their links: first of a list through `next`.
  var unused: Buffer<ID<Slab>>
  var links: Buffer<UInt16>
  var linksUsed: Int
  /// The permutations of caches with random freelists. Kernel: `kmem_cache.random_seq`.
  var sequences: Buffer<UInt16>
  var sequencesUsed: Int
  var owners: PageOwners
  var counts: Buffer<UInt64>
  /// Arrays of free objects before the slabs, for caches whose front they are.
  var sheaves: Sheaves
  /// What the draws of `get_any_partial()` read instead of a cycle counter: a stream a CPU.
  var draws: Buffer<RandomStream>
  /// Calls of krealloc that are under way.
  var reallocations: Pool<Krealloc.Request>
  /// What SLAB has beside all that.
  var arrays: ArrayCaches
  package var bulk: BulkCalls
  /// The lock bits of slabs by their numbers, and the name they share; to 3.1.
  var slabLocks: Buffer<LockID>
  var slabLockName: Int32
  /// All that SLOB has, and the one lock that guards it. Kernel: `slob_lock`.
  package internal(set) var slob: SlobPages
  let slobLock: LockID
  /// The largest kmalloc that a class serves; 0 in SLOB, which has none.
  let classesMax: Int

  /// An allocator whose kmalloc caches exist, for the pages of `pages`.
  init(
    _ boot: borrowing Boot, _ pages: borrowing PageAllocator, _ locks: inout Locks,
    _ lines: inout CacheLines
  ) {
    var pageCount = 0
    for zone in 0..<pages.zones.count { pageCount = max(pageCount, pages.zones[zone].end) }
    self.init(
      cpuCount: boot.cpuCount, memoryNodes: boot.machine.nodes.map { $0.memoryBytes > 0 },
      pageCount: pageCount, architecture: boot.architecture, rules: boot.version.slab,
      settings: Settings(
        kind: boot.config.slab, memcg: boot.config.memcg,
        isFreelistRandom: boot.config.slabFreelistRandom, debug: boot.config.slabDebug,
        hasRandomCopies: boot.config.randomKmallocCaches && boot.version.slab.hasRandomCaches,
        hasBuckets: boot.config.slabBuckets && boot.version.slab.hasBuckets,
        merges: boot.config.slabMerge),
      seed: boot.seed, mutex: locks.make(.slabMutex, name: "slab_mutex", lines: &lines),
      flushLock: locks.make(.slubFlush, name: "flush_lock", lines: &lines),
      slobLock: boot.config.slab == .slob
        ? locks.make(.slobLock, name: "slob_lock", lines: &lines) : .none)
  }

  /// `cpuCount` is the number of present CPUs; `memoryNodes` says of each node if it has memory.
  init(
    cpuCount: Int, memoryNodes: [Bool], pageCount: Int, architecture: Architecture,
    rules: SlabRules, settings: Settings, seed: UInt64, mutex: LockID = .none,
    flushLock: LockID = .none, slobLock: LockID = .none
  ) {
    (self.cpuCount, nodeCount, self.rules) = (cpuCount, memoryNodes.count, rules)
    (self.settings, self.seed) = (settings, seed)
    (self.mutex, self.flushLock) = (mutex, flushLock)
    switch settings.kind {
    case .slub where rules.isFastPathLockless:
      (allocWork, freeWork) = (.slubAllocFast, .slubFreeFast)
    case .slub: (allocWork, freeWork) = (.slubAllocMasked, .slubFreeMasked)
    case .slab: (allocWork, freeWork) = (.slabAllocFast, .slabFreeFast)
    case .slob: (allocWork, freeWork) = (.kmallocLookup, .kmallocLookup)
    }
    (unusedCPUs, unusedNodes) = ([], [])
    reallocations = Pool(capacity: 4, blank: .blank)
    arrays = ArrayCaches(cpuCount: cpuCount)
    bulk = BulkCalls()
    slabLocks = Buffer(0, .none)
    slabLockName = -1
    slob = SlobPages(listCount: rules.slobLists)
    self.slobLock = slobLock
    self.memoryNodes = Buffer(memoryNodes.count, 0)
    classes = KmallocClasses(
      minimum: KmallocClasses.minimum(architecture, settings.kind), kind: settings.kind,
      rules: rules)
    classesMax = settings.kind == .slob ? 0 : classes.cacheMax
    directMap = architecture.directMap.raw
    pageShift = UInt64(architecture.pageShift)
    let sizing = SlabSizing(objectSize: 8, align: 8, cpuCount: cpuCount, rules: rules)!
    caches = Buffer(64, KmemCache(sizing, flags: [], state: .none))
    layouts = Buffer(64, CacheLayout(sizing, settings.kind, rules))
    sheaves = Sheaves()
    (names, aliases, furtherUsers) = ([], [:], [:])
    kmallocCaches = Buffer(
      (KmallocFamily.rows + KmallocFamily.bucketsMax) * KmallocClasses.count, .none)
    cpus = Buffer(0, KmemCacheCPU(cpu: 0))
    nodes = Buffer(0, .blank)
    slabs = Buffer(1024, .blank)
    unused = Buffer(16, .none)
    links = Buffer(1 << 15, 0)
    sequences = Buffer(0, 0)
    owners = PageOwners(pageCount: pageCount)
    counts = Buffer(64 * SlabAllocator.statsMax, 0)
    draws = Buffer(cpuCount, RandomStream(seed: seed, index: 0))
    (cpusUsed, nodesUsed, slabsUsed, linksUsed, sequencesUsed) = (0, 0, 0, 0, 0)
    slabCount = 0
    for (node, hasMemory) in memoryNodes.enumerated() where hasMemory {
      self.memoryNodes[node] = 1
    }
    for cpu in 0..<cpuCount {
      draws[cpu] = RandomStream(seed: seed, name: "remote_node_defrag_ratio", index: cpu)
    }
    createKmallocCaches(cacheLine: architecture.cacheLineSize)
  }

  private init(cloning other: borrowing SlabAllocator) {
    (rules, classes, settings) = (other.rules, other.classes, other.settings)
    (allocWork, freeWork) = (other.allocWork, other.freeWork)
    (seed, mutex, flushLock) = (other.seed, other.mutex, other.flushLock)
    (unusedCPUs, unusedNodes) = (other.unusedCPUs, other.unusedNodes)
    reallocations = other.reallocations.clone()
    arrays = other.arrays.clone()
    bulk = other.bulk.clone()
    slabLocks = other.slabLocks.clone()
    slabLockName = other.slabLockName
    slob = other.slob.clone()
    (slobLock, classesMax) = (other.slobLock, other.classesMax)
    memoryNodes = other.memoryNodes.clone()
    (directMap, pageShift) = (other.directMap, other.pageShift)
    (cpuCount, nodeCount) = (other.cpuCount, other.nodeCount)
    caches = other.caches.clone()
    layouts = other.layouts.clone()
    (names, aliases, furtherUsers) = (other.names, other.aliases, other.furtherUsers)
    kmallocCaches = other.kmallocCaches.clone()
    cpus = other.cpus.clone()
    nodes = other.nodes.clone()
    (cpusUsed, nodesUsed, slabCount) = (other.cpusUsed, other.nodesUsed, other.slabCount)
    slabs = other.slabs.clone()
    slabsUsed = other.slabsUsed
    unused = other.unused.clone()
    links = other.links.clone()
    linksUsed = other.linksUsed
    sequences = other.sequences.clone()
    sequencesUsed = other.sequencesUsed
    owners = other.owners.clone()
    counts = other.counts.clone()
    sheaves = other.sheaves.clone()
    draws = other.draws.clone()
  }
  package func clone() -> SlabAllocator { SlabAllocator(cloning: self) }

  /// Whether slabs can come from `node`. A node that the machine does not have, has no memory.
  @inline(__always)
  func hasMemory(_ node: NodeID) -> Bool {
    node.index < nodeCount && memoryNodes[node.index] != 0
  }

  /// What the model keeps for CPUs and nodes, beside slabs. Unit: bytes of the host.
  package var cpuBytes: Int {
    cpus.byteCount + nodes.byteCount + draws.byteCount + arrays.byteCount + sheaves.byteCount
  }

  @inline(__always) mutating func note(_ stat: SlabStat, of cache: CacheID, _ times: Int = 1) {
    counts[cache.index &* SlabAllocator.statsMax &+ stat.rawValue] &+= UInt64(times)
  }

  @inline(__always) func node(_ cache: CacheID, _ node: NodeID) -> Int {
    Int(layouts[cache.index].nodes) &+ node.index
  }
  @inline(__always) func cpu(_ cache: CacheID, _ cpu: CPUID) -> Int {
    Int(layouts[cache.index].cpus) &+ cpu.index
  }
}
