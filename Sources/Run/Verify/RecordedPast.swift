import Kernel

/// The free memory that a recording began with, as its first operation prints it.
///
/// In a list of three boots the values of one boot belong together; the first boot's are taken.
struct RecordedPast {
  struct Zone {
    var node: Int
    var name: String
    /// Free pages in the buddy lists.
    var free: Int?
    /// Free blocks by order of the types that were printed.
    var blocks: [MigrateType: [Int]] = [:]
  }
  private(set) var zones: [Zone] = []

  /// Reads `zone_buddy_free.n0.DMA 3651` and `buddy.n0.Normal.Unmovable 39 28 27 …`.
  init(_ list: OperationList) {
    for figure in list.operations.first?.figures ?? [] {
      let parts = figure.key.split(separator: ".")
      guard parts.count >= 3, parts[1].first == "n", let node = Int(parts[1].dropFirst()) else {
        continue
      }
      let place = place(node, String(parts[2]))
      switch parts[0] {
      case "zone_buddy_free" where parts.count == 3:
        zones[place].free = Int(figure.ofFirstBoot)
      case "buddy" where parts.count == 4:
        let counts = figure.ofFirstBoot.split(separator: " ").compactMap { Int($0) }
        guard counts.count == 11, counts.allSatisfy({ (0...1 << 20).contains($0) }),
          let type = MigrateType.allCases.first(where: { $0.name == parts[3] })
        else { continue }
        zones[place].blocks[type] = counts
      default: break
      }
    }
    zones.removeAll { $0.free == nil && $0.blocks.isEmpty }
  }

  private mutating func place(_ node: Int, _ name: String) -> Int {
    if let known = zones.firstIndex(where: { $0.node == node && $0.name == name }) { return known }
    zones.append(Zone(node: node, name: name))
    return zones.count - 1
  }
}

extension RecordedFigure {
  /// The value of the first boot, or of all.
  fileprivate var ofFirstBoot: String {
    switch answer {
    case .same(let value): value
    case .byBoot(let values): values.first ?? ""
    }
  }
}

extension MigrateType {
  /// As /proc/pagetypeinfo spells it. Kernel: `migratetype_names[]` (mm/show_mem.c, 6.12).
  var name: String {
    switch self {
    case .unmovable: "Unmovable"
    case .movable: "Movable"
    case .reclaimable: "Reclaimable"
    case .highAtomic: "HighAtomic"
    }
  }
}

extension EmulatedGuest {
  /// Brings the free memory of each zone to what was recorded before the first operation.
  mutating func take(past: RecordedPast) {
    for recorded in past.zones {
      guard
        let number = (0..<machine.world.pages.zones.count).first(where: {
          machine.world.pages.zones[$0].node.index == recorded.node
            && machine.world.pages.zones[$0].kind.name == recorded.name
        })
      else { continue }
      if recorded.blocks.count == 3,
        machine.world.pages.arrange(number, PageAllocator.Blocks(recorded.blocks))
      {
        continue
      }
      if let free = recorded.free { machine.world.pages.withhold(number, keeping: free) }
    }
  }
}
