import Hardware
import Kernel

/// Reads the memory subsystems of a machine that has run.
extension RunResult {
  /// Every cache that lives, in the order of creation.
  static func caches(of machine: borrowing Machine) -> [Cache] {
    var all: [Cache] = []
    for id in machine.world.slab.liveCaches {
      let cache = machine.world.slab.caches[id]
      let figures = machine.world.slab.figures(of: id)
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
          stats: stats))
    }
    return all
  }

  /// Every zone with pages, in the order of nodes and addresses.
  static func zones(of machine: borrowing Machine, _ hasDetails: Bool) -> [Zone] {
    (0..<machine.world.pages.zones.count).map { number in
      let zone = machine.world.pages.zones[number]
      let marks = zone.marks
      return Zone(
        node: zone.node.index, zone: zone.kind.name, startPfn: zone.first,
        spannedPages: zone.end - zone.first, presentPages: zone.present,
        managedPages: zone.managed, freePages: zone.freePages,
        freeByOrder: (0...Order.max.index).map { zone.area.blockCount(Order($0)) },
        watermarks: Zone.Watermarks(
          min: marks.min, low: marks.low, high: marks.high, promo: marks.promo),
        boost: zone.boost, protection: ZoneKind.allCases.map { zone.reserve[Int($0.rawValue)] },
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
    Vmalloc(areas: 0, lazyPages: 0, lazyMaxPages: 0, purges: 0, pages: 0, list: [])
  }
  static func wouldReclaim(of machine: borrowing Machine) -> UInt64 {
    machine.world.counters[.would_reclaim]
  }
}
