import Hardware
import Simulation

/// The allocator's locks, and how it comes from what a machine boots with.
extension PageAllocator {
  /// The locks beside the data that they guard.
  struct LockTable: ~Copyable {
    /// Of each zone.
    var zones: Buffer<LockID>
    /// Of each CPU's lists, by their place in `perCPU`.
    var lists: Buffer<LockID>
    let drain: LockID

    init(zones: consuming Buffer<LockID>, lists: consuming Buffer<LockID>, drain: LockID) {
      self.zones = zones
      self.lists = lists
      self.drain = drain
    }
    /// A table for the mechanism alone, which asks for none.
    init(zoneCount: Int) {
      self.init(zones: Buffer(zoneCount, .none), lists: Buffer(16, .none), drain: .none)
    }
    func clone() -> LockTable {
      LockTable(zones: zones.clone(), lists: lists.clone(), drain: drain)
    }
  }

  package init(
    _ boot: borrowing Boot, _ layout: borrowing Layout, _ locks: inout Locks,
    _ lines: inout CacheLines
  ) {
    let machine = boot.machine
    var zones = ZoneLayout(
      nodes: machine.nodes.map(\.memoryBytes), architecture: boot.architecture,
      lowEnd: boot.config.lowMemoryEnd)
    for known in boot.config.managedPages {
      guard let kind = ZoneKind.allCases.first(where: { $0.name == known.zone }) else { continue }
      _ = zones.setManaged(NodeID(known.node), kind, known.pages)
    }
    var settings = PageSettings.standard
    settings.rules = boot.version.pages
    settings.hasDMA = boot.architecture.zoneDMAEnd > 0
    settings.hasDMA32 = boot.architecture.name.is64Bit
    settings.freeMinKiB = boot.config.minFreeKBytes
    settings.hugePages = boot.config.transparentHugePages
    settings.markBoost = boot.config.watermarkBoostFactor
    var counts = [Int](repeating: 0, count: machine.nodes.count)
    for cpu in machine.cpus { counts[cpu.node] += 1 }
    self.init(
      zones, cpuCounts: counts, settings: settings,
      distance: { machine.distances[$0.index][$1.index] })
    makeLocks(&locks, &lines)
  }

  private mutating func makeLocks(_ locks: inout Locks, _ lines: inout CacheLines) {
    var table = Buffer(zones.count, LockID.none)
    for number in 0..<zones.count {
      let (node, kind) = (zones[number].node, zones[number].kind)
      table[number] = locks.make(
        .zoneLock, name: "zone->lock node \(node.index) \(kind.name)", lines: &lines,
        node: node.index)
      zones[number].counterName = locks.addName("node \(node.index) \(kind.name)")
    }
    let drain = locks.make(.pcpuDrainMutex, name: "pcpu_drain_mutex", lines: &lines)
    self.locks = LockTable(zones: table, lists: Buffer(16, .none), drain: drain)
  }

  /// What the model keeps for CPUs' lists. Unit: bytes of the host.
  package var listBytes: Int { perCPU.byteCount + locks.lists.byteCount }
}

extension World {
  /// The lists of `cpu` of a zone, made with their lock when they are first used.
  ///
  /// Called in the order of emulated time only, so that locks are numbered in that order.
  mutating func lists(of zone: Int, on cpu: CPUID) -> Int {
    if let place = pages.perCPUPlace(zone, cpu) { return place }
    let place = pages.makePerCPU(zone, cpu)
    let (node, kind) = (pages.zones[zone].node, pages.zones[zone].kind)
    let lock = locks.make(
      .pcpLock, name: "pcp->lock node \(node.index) \(kind.name) cpu \(cpu.index)", lines: &lines,
      node: layout.places[cpu.index].node.asInt)
    if place == pages.locks.lists.count { pages.locks.lists.grow(to: 2 * place, .none) }
    pages.locks.lists[place] = lock
    return place
  }
}

extension UInt8 {
  fileprivate var asInt: Int { Int(self) }
}
