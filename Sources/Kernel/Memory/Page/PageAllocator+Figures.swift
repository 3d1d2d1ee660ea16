import Hardware
import Simulation

/// What reports and recordings ask of pages and lists, and the knobs that a running kernel has.
extension PageAllocator {
  /// Where a page that was handed out comes from.
  package func node(of page: PFN) -> NodeID { zones[Int(map[page].zone)].node }
  package func kind(of page: PFN) -> ZoneKind { zones[Int(map[page].zone)].kind }

  /// The lists of a CPU that are not empty, with how many blocks each holds, in the order of
  /// their numbers. Complexity: O(blocks).
  package func listLengths(
    _ zone: Int, _ cpu: CPUID
  ) -> [(order: Int, type: Int, count: Int)] {
    guard let place = perCPUPlace(zone, cpu) else { return [] }
    return (0..<PerCPUPages.listCount).compactMap { list in
      let count = perCPU[place].length(list, map)
      let isHuge = PerCPUPages.order(ofList: list).index > Order.costly.index
      let type = isHuge ? list & 1 : list % MigrateType.perCPUCount
      return count > 0 ? (PerCPUPages.order(ofList: list).index, type, count) : nil
    }
  }

  /// Puts what tunes itself in a CPU's lists back to the start; their pages stay.
  package mutating func resetLists(of cpu: CPUID) {
    for zone in 0..<zones.count {
      guard let place = perCPUPlace(zone, cpu) else { continue }
      perCPU[place].reset(zones[zone].sizing)
    }
  }

  /// Sets a sysctl of a running kernel: `vm/watermark_boost_factor`.
  ///
  /// - Returns: false where this one is not emulated.
  package mutating func set(_ name: String, to value: Int) -> Bool {
    switch name {
    case "vm/watermark_boost_factor", "vm.watermark_boost_factor":
      settings.markBoost = max(value, 0)
      return true
    default: return false
    }
  }
}
