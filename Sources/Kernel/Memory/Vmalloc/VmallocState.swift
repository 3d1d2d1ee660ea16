import Hardware
import Simulation

/// All that vmalloc remembers: areas in every state, page tables, the locks that guard them.
///
/// The mechanisms are files of their own; here is what ties them together for the paths. Which
/// lock guards what: `nodeLocks` the trees and pools of a node, `freeVmapArea` the free tree,
/// `vmapPurge` (a mutex) the running purge, `pageTableLock` the hanging in of tables.
///
/// Kernel: the statics of mm/vmalloc.c and `init_mm` (6.12).
package struct VmallocState: ~Copyable {
  package var areas: VmapAreas
  package var free: VmapTree
  package var nodes: VmapNodes
  package var blocks: VmapBlocks
  /// How addresses are looked for before there is a tree of free ones.
  var search: HoleSearch
  let store: VmallocRules.Store
  let leavesGap: Bool
  /// Areas that wait for a purge in the tree of those in use, and those of the running purge: chains.
  var lazyList: VmapAreaID
  var purging: VmapAreaID
  package var purge: LazyPurge
  package var vms: VmStructs
  package var pageTable: PageTable
  var deferred: VfreeDeferred
  var calls: Pool<VmallocCall>
  var touches: Pool<TouchCall>
  var walks: Pool<BlockWalk>
  /// An area for a middle cut, for each CPU. Kernel: `ne_fit_preload_node`.
  var preload: Buffer<VmapAreaID>
  /// Pages of page tables that wait for a worker: a chain. Kernel: `kernel_pgtable_work.list`.
  var tablesToFree: PFN
  /// Arguments of calls that make memory larger.
  var reallocations: Pool<Reallocation>
  /// Bits of a mask were taken away once. Kernel: `WARN_ONCE()`.
  var hasWarnedOfMask: Bool
  package internal(set) var statistics: VmallocStatistics
  /// Of areas in use, guards among them, until they are counted as lazy. Unit: pages.
  package internal(set) var usedPages = 0
  /// One past the highest page of vmalloc space that was ever given out, from its start on.
  package internal(set) var highestPage = 0

  package let start: Address
  package let end: Address
  /// Kernel: `VMALLOC_END`.
  let limit: UInt64
  /// Where modules are put. Kernel: `MODULES_VADDR`, `MODULES_END`.
  package let modules: (start: Address, end: Address)
  /// More is refused at once. Kernel: `totalram_pages()`. Unit: pages.
  let totalRAMPages: Int
  let areaCache: CacheID

  private let ownFreeLock: LockID
  let vmapPurge: LockID
  let pageTableLock: LockID
  /// Busy, lazy, pool; three for each node.
  private let nodeLocks: Buffer<LockID>
  /// The line of `vmap_lazy_nr`, and that of `nr_vmalloc_pages`.
  let lazyLine: LineID
  let pageCountLine: LineID

  package init(
    _ boot: borrowing Boot, _ pages: borrowing PageAllocator, _ slab: inout SlabAllocator,
    _ locks: inout Locks, _ lines: inout CacheLines
  ) {
    let architecture = boot.architecture
    (start, end) = (architecture.vmallocStart, architecture.vmallocEnd)
    limit = architecture.vmallocEnd.raw - (architecture.name == .x86_64 ? 1 : 0)
    modules = (architecture.modulesStart, architecture.modulesEnd)
    var managed = 0
    for zone in 0..<pages.zones.count { managed += pages.zones[zone].managed }
    totalRAMPages = managed
    let rules = boot.version.vmalloc
    (store, leavesGap) = (rules.store, rules.leavesGap)
    (search, lazyList, purging) = (HoleSearch(), .none, .none)
    areaCache =
      store == .freeTree ? VmallocState.makeAreaCache(&slab, bytes: rules.areaBytes) : .none
    areas = VmapAreas(capacity: 64)
    free = VmapTree(augmented: true)
    nodes = VmapNodes(
      count: VmapNodes.count(
        cpus: boot.cpuCount, most: architecture.name.is64Bit ? rules.nodesMax : 1),
      noneMeansAll: rules.quarterOfFewIsAll)
    blocks = VmallocState.makeBlocks(boot, &locks, &lines)
    purge = LazyPurge(onlineCPUs: boot.cpuCount)
    vms = VmStructs(capacity: 64)
    pageTable = PageTable(
      levels: architecture.tableLevels, pageShift: architecture.pageShift,
      boot: architecture.hasBootTables ? start..<end : start..<start,
      rootEntries: architecture.rootEntries)
    deferred = VfreeDeferred(cpuCount: boot.cpuCount)
    calls = Pool(capacity: 16, blank: .blank)
    touches = Pool(capacity: 16, blank: TouchCall())
    walks = Pool(capacity: 4, blank: BlockWalk(isForced: false, measures: false))
    preload = Buffer(boot.cpuCount, .none)
    tablesToFree = .none
    reallocations = Pool(capacity: 4, blank: Reallocation())
    hasWarnedOfMask = false
    statistics = VmallocStatistics()
    let isSpin = rules.purger == .underSpinlock
    vmapPurge = locks.make(
      isSpin ? .vmapPurgeSpin : .vmapPurge, name: isSpin ? "purge_lock" : "vmap_purge_lock",
      lines: &lines)
    pageTableLock = locks.make(.pageTable, name: "init_mm.page_table_lock", lines: &lines)
    let all = Buffer(3 * nodes.count, LockID.none)
    nodeLocks = VmallocState.makeLocks(all, rules, locks: &locks, lines: &lines)
    ownFreeLock =
      rules.hasFreeLock
      ? locks.make(.freeVmapArea, name: "free_vmap_area_lock", lines: &lines) : .none
    (lazyLine, pageCountLine) = (lines.make(), lines.make())
    guard store == .freeTree else { return }
    areas.insert(areas.pool.take(VmapArea(start: 1, end: .max)), into: &free)
  }

  private static func makeBlocks(
    _ boot: borrowing Boot, _ locks: inout Locks, _ lines: inout CacheLines
  ) -> VmapBlocks {
    let is64Bit = boot.architecture.name.is64Bit
    let built = is64Bit ? boot.config.possibleCPUs : min(boot.config.possibleCPUs, 32)
    var blocks = VmapBlocks(
      cpuCount: boot.cpuCount, possibleCPUs: max(built, boot.cpuCount), is64Bit: is64Bit,
      lockName: locks.addName("vb->lock"))
    let name = locks.addName("vbq->lock")
    for cpu in 0..<boot.cpuCount {
      blocks.queues[cpu].lock = locks.make(.vmapBlockQueue, named: name, line: lines.make())
    }
    return blocks
  }

  /// Kernel: `KMEM_CACHE(vmap_area, SLAB_PANIC)` in `vmalloc_init()`.
  private static func makeAreaCache(_ slab: inout SlabAllocator, bytes: Int) -> CacheID {
    guard let cache = slab.declare("vmap_area", objectSize: bytes) else {
      preconditionFailure("no slab holds a vmap_area")
    }
    slab.caches[cache].state = .live
    return cache
  }

  private static func makeLocks(
    _ all: consuming Buffer<LockID>, _ rules: VmallocRules, locks: inout Locks,
    lines: inout CacheLines
  ) -> Buffer<LockID> {
    var all = all
    let isOne = rules.nodesMax == 1
    for node in 0..<all.count / 3 {
      let busy = rules.store == .list ? "vmlist_lock" : "vmap_area_lock"
      all[3 * node] = locks.make(
        .vmapBusy, name: isOne ? busy : "vmap busy/\(node)", lines: &lines,
        kind: rules.store == .list ? .rwlock : .spinlock)
      all[3 * node + 1] = locks.make(
        .vmapLazy, name: isOne ? "purge_vmap_area_lock" : "vmap lazy/\(node)", lines: &lines)
      all[3 * node + 2] = locks.make(.vmapPool, name: "vmap pool/\(node)", lines: &lines)
    }
    return all
  }

  private init(cloning other: borrowing VmallocState) {
    areas = other.areas.clone()
    (free, purge, statistics) = (other.free, other.purge, other.statistics)
    nodes = other.nodes.clone()
    blocks = other.blocks.clone()
    (search, store, leavesGap) = (other.search, other.store, other.leavesGap)
    (lazyList, purging) = (other.lazyList, other.purging)
    vms = other.vms.clone()
    pageTable = other.pageTable.clone()
    deferred = other.deferred.clone()
    calls = other.calls.clone()
    touches = other.touches.clone()
    walks = other.walks.clone()
    preload = other.preload.clone()
    tablesToFree = other.tablesToFree
    reallocations = other.reallocations.clone()
    hasWarnedOfMask = other.hasWarnedOfMask
    limit = other.limit
    (usedPages, highestPage) = (other.usedPages, other.highestPage)
    (start, end, modules) = (other.start, other.end, other.modules)
    (totalRAMPages, areaCache) = (other.totalRAMPages, other.areaCache)
    (ownFreeLock, vmapPurge) = (other.ownFreeLock, other.vmapPurge)
    pageTableLock = other.pageTableLock
    nodeLocks = other.nodeLocks.clone()
    (lazyLine, pageCountLine) = (other.lazyLine, other.pageCountLine)
  }
  package func clone() -> VmallocState { VmallocState(cloning: self) }

  /// What the model keeps beside the areas in use. Unit: bytes of the host.
  package var byteCount: Int {
    nodes.byteCount + blocks.byteCount + nodeLocks.byteCount + preload.byteCount
      + areas.pool.byteCount
      + vms.byteCount + pageTable.byteCount
  }

  /// Of the free tree; to 5.4 it is that of the areas in use.
  var freeVmapArea: LockID { ownFreeLock.isNone ? nodeLocks[0] : ownFreeLock }
  func busyLock(_ node: VmapNodeID) -> LockID { nodeLocks[3 * node.index] }
  func lazyLock(_ node: VmapNodeID) -> LockID { nodeLocks[3 * node.index + 1] }
  func poolLock(_ node: VmapNodeID) -> LockID { nodeLocks[3 * node.index + 2] }

  /// Forgets what was counted, as at the end of a warm-up.
  mutating func resetStatistics() { statistics = VmallocStatistics() }

  /// Kernel: `is_vmalloc_addr()`.
  package func isVmalloc(_ address: Address) -> Bool { address >= start && address < end }
  /// Kernel: `is_vmalloc_or_module_addr()`.
  package func isVmallocOrModule(_ address: Address) -> Bool {
    isVmalloc(address) || address >= modules.start && address < modules.end
  }

  /// The frame behind a vmalloc address, none if nothing is mapped. Kernel: `vmalloc_to_pfn()`.
  package func frame(of address: Address) -> PFN { pageTable.walk(address).frame }

  /// Pages of areas that were freed and stay in the tree until a purge.
  private var lazyPagesInTree: Int {
    var (area, pages) = (lazyList, 0)
    while !area.isNone {
      pages += Int(areas[area].size >> 12)
      area = areas[area].nextLazy
    }
    return pages
  }

  /// Walks everything. Complexity: O(areas + pages).
  ///
  /// A free counts its pages as lazy before the area joins its tree, and a purge takes them off
  /// after the area has left: so the count is never below what the trees hold.
  package func checkInvariants() throws(BrokenInvariant) {
    try areas.pool.checkInvariants("vmap areas")
    if store == .freeTree { try areas.checkInvariants(of: free) }
    try nodes.checkInvariants(areas)
    try blocks.checkInvariants()
    try vms.checkInvariants()
    try pageTable.checkInvariants()
    var used = 0
    for node in 0..<nodes.count {
      var area = nodes[VmapNodeID(node)].busy.first
      while !area.isNone {
        if !areas[area].isLazy { used += Int(areas[area].size >> 12) }
        area = areas[area].next
      }
    }
    try ensure(used <= usedPages, "vmalloc: \(usedPages) pages counted as used, \(used) are")
    let waiting = nodes.unpurgedPages(areas) + lazyPagesInTree
    try ensure(
      waiting <= purge.pages, "vmalloc: \(purge.pages) lazy pages counted, \(waiting) wait")
    for node in 0..<nodes.count {
      var area = nodes[VmapNodeID(node)].busy.first
      while !area.isNone {
        let vm = areas[area].vm
        try ensure(
          vm.isNone || vms[vm].address.raw == areas[area].start,
          "vmalloc: the area at \(Address(areas[area].start).text) is another's")
        area = areas[area].next
      }
    }
  }
}

/// What vmalloc has counted since the start of the run.
package struct VmallocStatistics: Sendable, BitwiseCopyable {
  /// Areas given out. Tracepoint `alloc_vmap_area`.
  package internal(set) var areasAllocated: UInt64 = 0
  /// Areas freed without a flush. Tracepoint `free_vmap_area_noflush`.
  package internal(set) var lazyFrees: UInt64 = 0
  /// Calls of `__purge_vmap_area_lazy()`, and those of them by `drain_vmap_work`.
  package internal(set) var purgeCalls: UInt64 = 0
  package internal(set) var drainWorkRuns: UInt64 = 0
  /// Areas purged, and those of them by `drain_vmap_work`, which no tracing by pid sees.
  package internal(set) var areasPurged: UInt64 = 0
  package internal(set) var areasPurgedByWork: UInt64 = 0
  package internal(set) var areasDecayed: UInt64 = 0
  package internal(set) var poolHits: UInt64 = 0
  package internal(set) var poolMisses: UInt64 = 0
  package internal(set) var overflows: UInt64 = 0
  package internal(set) var deferredFrees: UInt64 = 0
  package internal(set) var failures: UInt64 = 0
  /// Page-table pages made.
  package internal(set) var tablePages: UInt64 = 0
  /// Calls of `flush_tlb_kernel_range()`, and the pages of their ranges.
  package internal(set) var flushCalls: UInt64 = 0
  package internal(set) var flushPages: UInt64 = 0
  /// Instructions that told all CPUs at once to forget, without interrupts.
  package internal(set) var broadcastOperations: UInt64 = 0
  /// CPUs that ran `do_flush_tlb_all()` and `do_kernel_range_flush()`.
  package internal(set) var flushAllCPUs: UInt64 = 0
  package internal(set) var rangeFlushCPUs: UInt64 = 0
  /// TLB misses of `touch`, and accesses through entries that should be gone.
  package internal(set) var tlbMisses: UInt64 = 0
  package internal(set) var staleAccesses: UInt64 = 0
}
