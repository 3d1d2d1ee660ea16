import Run

extension ProcFiles {
  /// The zones of every node, populated or not: x86-64 with CONFIG_ZONE_DEVICE.
  private static let zoneNames = ["DMA", "DMA32", "Normal", "Movable", "Device"]
  /// `min` of an empty Movable zone: SWAP_CLUSTER_MAX. Kernel: `__setup_per_zone_wmarks()`.
  private static let movableMinPages = 32

  /// `/proc/zoneinfo`. Kernel: `zoneinfo_show_print()`, mm/vmstat.c (6.12).
  package static func zoneinfo(_ result: RunResult) -> String {
    var text = ""
    for node in 0..<result.machine.nodes {
      let zones = result.zones.filter { $0.node == node }
      // The node's own figures stand once, in its first populated zone.
      let first = zones.first { $0.presentPages > 0 }?.zone
      for name in zoneNames {
        let zone = zones.first { $0.zone == name && $0.presentPages > 0 }
        text += "Node \(node), zone \(right(name, 8))\n"
        if name == first { text += nodeStats(result, node) }
        text += pages(zone, name)
        guard let zone else { continue }
        text += zoneStats(zone) + pagesets(zone, cpus: result.machine.cpus)
        text += "  node_unreclaimable:  0\n  start_pfn:           \(zone.startPfn)\n"
      }
    }
    return text
  }

  private static func nodeStats(_ result: RunResult, _ node: Int) -> String {
    func slabs(isReclaimable: Bool) -> Int {
      result.caches.filter { $0.isReclaimable == isReclaimable }
        .reduce(0) { $0 + (node < $1.slabsByNode.count ? $1.slabsByNode[node] << $1.order : 0) }
    }
    let own = [
      "nr_slab_reclaimable": slabs(isReclaimable: true),
      "nr_slab_unreclaimable": slabs(isReclaimable: false),
    ]
    return "  per-node stats\n"
      + VMStatNames.node.map { "      \(left($0, 12)) \(own[$0] ?? 0)\n" }.joined()
  }

  private static func pages(_ zone: RunResult.Zone?, _ name: String) -> String {
    let empty = name == "Movable" ? movableMinPages : 0
    let marks = zone?.watermarks
    var protection = zone?.protection ?? []
    // One figure for each zone a request may prefer; above the last one nothing changes.
    while protection.count < zoneNames.count { protection.append(protection.last ?? 0) }
    let lines: [(String, Int)] = [
      ("boost", zone?.boost ?? 0), ("min", marks?.min ?? empty), ("low", marks?.low ?? empty),
      ("high", marks?.high ?? empty), ("promo", marks?.promo ?? empty),
      ("spanned", zone?.spannedPages ?? 0),
      ("present", zone?.presentPages ?? 0), ("managed", zone?.managedPages ?? 0), ("cma", 0),
    ]
    var text = "  pages free     \(zone?.freePages ?? 0)\n"
    for (title, pages) in lines { text += "        \(left(title, 8)) \(pages)\n" }
    let kept = protection.map { "\($0)" }.joined(separator: ", ")
    return text + "        protection: (\(kept))\n"
  }

  private static func zoneStats(_ zone: RunResult.Zone) -> String {
    (VMStatNames.zone + VMStatNames.numa).map { name in
      "      \(left(name, 12)) \(name == "nr_free_pages" ? zone.freePages : 0)\n"
    }.joined()
  }

  private static func pagesets(_ zone: RunResult.Zone, cpus: Int) -> String {
    var text = "  pagesets\n"
    for set in zone.pagesets {
      text += "    cpu: \(set.cpu)\n"
      text += "              count: \(set.count)\n"
      text += "              high:  \(set.high)\n"
      text += "              batch: \(set.batch)\n"
      text += "  vm stats threshold: \(statThreshold(zone, cpus: cpus))\n"
    }
    return text
  }

  /// Kernel: `calculate_normal_threshold()`, mm/vmstat.c (6.12): by CPUs and by 128 MiB units.
  static func statThreshold(_ zone: RunResult.Zone, cpus: Int) -> Int {
    func fls(_ number: Int) -> Int { Int.bitWidth - number.leadingZeroBitCount }
    return min(125, 2 * fls(cpus) * (1 + fls(zone.managedPages >> 15)))
  }
}
