import Hardware
import Kernel
import Simulation

/// Reads the memory subsystems of a machine that has run.
extension RunResult {
  /// Every cache that lives, in the order of creation.
  static func caches(of machine: borrowing Machine) -> [Cache] {
    var all: [Cache] = []
    for id in machine.world.slab.liveCaches {
      let cache = machine.world.slab.caches[id]
      let figures = machine.world.slab.figures(of: id)
      let aliases = machine.world.slab.aliases(of: id)
      var stats: [String: UInt64] = [:]
      for stat in SlabStat.allCases {
        stats[stat.text] = machine.world.slab.count(stat, of: id)
      }
      if stats.values.allSatisfy({ $0 == 0 }) { stats = [:] }
      all.append(
        Cache(
          name: machine.world.slab.names[id.index], objectSize: cache.sizing.objectSize,
          slabSize: cache.sizing.size, objectsPerSlab: cache.sizing.objects,
          order: cache.sizing.order.index, slabs: figures.slabs.reduce(0, +),
          activeObjects: figures.objects.reduce(0, +),
          objects: figures.totalObjects.reduce(0, +), partial: figures.partial.reduce(0, +),
          isReclaimable: cache.flags.contains(.reclaimAccount), slabsByNode: figures.slabs,
          stats: stats, arrays: arrays(of: id, machine),
          cpuSlabs: figures.cpuSlabs.reduce(0, +),
          flags: (aliases.isEmpty ? "" : "*") + letters(cache.flags), aliases: aliases))
    }
    return all
  }

  /// Kernel: `NR_SLAB_RECLAIMABLE_B` and `NR_SLAB_UNRECLAIMABLE_B`, which slob.c counts too
  /// (`slob_new_pages()`, 6.1).
  static func slabPages(of machine: borrowing Machine) -> Int {
    if let slob = machine.world.slab.slobFigures { return slob.pages }
    var pages = 0
    for id in machine.world.slab.liveCaches {
      let slabs = machine.world.slab.figures(of: id).slabs.reduce(0, +)
      pages += slabs << machine.world.slab.caches[id].sizing.order.index
    }
    return pages
  }

  static func slob(of machine: borrowing Machine) -> Slob? {
    guard let figures = machine.world.slab.slobFigures else { return nil }
    let names = figures.lists.count == 1 ? ["all"] : ["small", "medium", "large"]
    return Slob(
      lists: zip(names, figures.lists).map { name, list in
        Slob.List(
          name: name, pages: list.pages, freeBytes: list.freeBytes, holes: list.holes,
          largestHole: list.largestHole, searches: list.searches, misses: list.misses,
          pagesPassed: list.pagesPassed)
      }, fullPages: figures.fullPages)
  }

  private static func arrays(of cache: CacheID, _ machine: borrowing Machine) -> Cache.Arrays? {
    guard let sizing = machine.world.slab.arraySizing(of: cache) else { return nil }
    let nodes = machine.world.slab.arrayFigures(of: cache).nodes
    return Cache.Arrays(
      limit: sizing.limit, batchcount: sizing.batch, sharedfactor: sizing.sharedFactor,
      sharedavail: nodes.reduce(0) { $0 + $1.shared },
      freeSlabs: nodes.reduce(0) { $0 + $1.free })
  }

  /// Kernel: `slabcache()` of tools/mm/slabinfo.c (6.12), and two letters of our own.
  private static func letters(_ flags: SlabFlags) -> String {
    let known: [(SlabFlags, String)] = [
      (.dma, "d"), (.hwCacheAlign, "A"), (.reclaimAccount, "a"), (.constructor, "C"),
      (.typesafeByRCU, "t"),
    ]
    return known.filter { flags.contains($0.0) }.map(\.1).joined()
  }

  /// Every call site that allocated, or has objects left.
  static func callSites(of machine: borrowing Machine) -> [CallSite] {
    let leaks = machine.leaks
    func nanoseconds(_ length: Simulation.Duration, _ count: UInt64) -> Double {
      count > 0 ? length.nanoseconds / Double(count) : 0
    }
    return leaks.enumerated().compactMap { index, leak -> CallSite? in
      let totals = machine.world.program.sites.totals[index]
      guard totals.allocations + totals.failures + totals.frees > 0 || totals.live > 0 else {
        return nil
      }
      return CallSite(
        name: leak.site, allocations: totals.allocations, failed: totals.failures,
        requestedBytes: totals.requested, allocatedBytes: totals.given,
        wastedBytes: totals.given - min(totals.given, totals.requested), slowPath: totals.slow,
        newSlabs: totals.newSlabs, frees: totals.frees, crossCpuFrees: totals.crossCPUFrees,
        liveObjects: totals.live, leakedObjects: leak.objects, leakedBytes: leak.bytes,
        latencyNs: CallSite.Times(
          mean: nanoseconds(totals.latency, totals.allocations),
          max: totals.latencyMost.nanoseconds),
        lifetimeNs: CallSite.Times(
          mean: nanoseconds(totals.lifetime, totals.frees), max: totals.lifetimeMost.nanoseconds))
    }
  }

  /// Every zone with pages, in the order of nodes and addresses.
  static func zones(of machine: borrowing Machine, _ hasDetails: Bool) -> [Zone] {
    let kinds = ZoneKind.all(of: machine.world.architecture)
    return (0..<machine.world.pages.zones.count).map { number in
      let zone = machine.world.pages.zones[number]
      let marks = zone.marks
      return Zone(
        node: zone.node.index, zone: zone.kind.name, startPfn: zone.first,
        spannedPages: zone.end - zone.first, presentPages: zone.present,
        managedPages: zone.managed, freePages: zone.freePages,
        freeByOrder: (0...Order.max.index).map { zone.area.blockCount(Order($0)) },
        watermarks: Zone.Watermarks(
          min: marks.min, low: marks.low, high: marks.high, promo: marks.promo),
        boost: zone.boost, protection: kinds.map { zone.reserve[Int($0.rawValue)] },
        pagesets: hasDetails ? pagesets(of: machine, zone: number) : [])
    }
  }

  private static func pagesets(of machine: borrowing Machine, zone: Int) -> [Zone.PerCPUPages] {
    let sizing = machine.world.pages.zones[zone].sizing
    return (0..<machine.world.layout.cpuCount).map { cpu in
      let lists = machine.world.pages.lists(zone, CPUID(cpu))
      return Zone.PerCPUPages(
        cpu: cpu, count: Int(lists.count), high: Int(lists.high), batch: Int(sizing.batch),
        highMin: Int(sizing.highMin), highMax: Int(sizing.highMax))
    }
  }

  static func vmalloc(of machine: borrowing Machine, _ hasDetails: Bool) -> Vmalloc {
    let statistics = machine.world.vmalloc.statistics
    return Vmalloc(
      areas: machine.world.vmalloc.areaCount, lazyPages: machine.world.vmalloc.purge.pages,
      lazyMaxPages: machine.world.vmalloc.purge.pagesMax, purges: Int(statistics.purgeCalls),
      pages: machine.world.vmalloc.pageCount, allocations: statistics.areasAllocated,
      lazyFrees: statistics.lazyFrees, deferredFrees: statistics.deferredFrees,
      purgedAreas: statistics.areasPurged, tlbMisses: statistics.tlbMisses,
      staleAccesses: statistics.staleAccesses, list: hasDetails ? areas(of: machine) : [])
  }

  /// Complexity: O(areas + their pages * zones).
  private static func areas(of machine: borrowing Machine) -> [Vmalloc.Area] {
    let nodeCount = machine.world.layout.nodeCount
    var ranges: [(pages: Range<Int>, node: NodeID)] = []
    for number in 0..<machine.world.pages.zones.count {
      let zone = machine.world.pages.zones[number]
      ranges.append((zone.first..<zone.end, zone.node))
    }
    return machine.world.vmalloc.vmallocInfo().map { info in
      let nodes = machine.world.vmalloc.pagesByNode(
        of: Address(info.start), nodeCount: nodeCount,
        node: { page in ranges.first { $0.pages.contains(page.index) }?.node ?? NodeID(0) })
      return Vmalloc.Area(
        start: info.start, end: info.end, pages: info.pages, nodes: nodes,
        isVmap: !info.isLazy && info.pages == 0 && info.hasOwner,
        isMapRAM: !info.isLazy && !info.hasOwner, hasVmallocedArray: info.hasVmallocedArray,
        isUnpurged: info.isLazy)
    }
  }

  static func wouldReclaim(of machine: borrowing Machine) -> UInt64 {
    machine.world.counters[.would_reclaim]
  }
}
