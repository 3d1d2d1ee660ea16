import Hardware
import Simulation

/// What can be set on a kernel's command line or by sysctl and changes zones and lists.
package struct PageSettings: Sendable {
  /// `min_free_kbytes`; nil: by the formula of boot. Unit: KiB.
  package var freeMinKiB: Int?
  /// `transparent_hugepage` other than `never`: raises `min_free_kbytes`.
  package var hugePages: Bool
  /// `watermark_scale_factor`. Unit: 1/10,000.
  package var markScale: Int
  /// `watermark_boost_factor`. Unit: 1/10,000.
  package var markBoost: Int
  /// `percpu_pagelist_high_fraction`; 0: lists tune themselves.
  package var listFraction: Int
  /// Whether a CPU's share of the last cache holds more than three batches of pages.
  package var hasLargeCache: Bool
  /// Whether the kernel has such zones; a mask that asks for one it has not means Normal. Kernel:
  /// `OPT_ZONE_DMA`, `OPT_ZONE_DMA32` (include/linux/gfp.h, 6.12).
  package var hasDMA = true
  package var hasDMA32 = true
  /// What is not a setting but the release's.
  package var rules: PageRules

  /// What a distribution's kernel has.
  package static let standard = PageSettings(
    freeMinKiB: nil, hugePages: true, markScale: 10, markBoost: 15_000, listFraction: 0,
    hasLargeCache: true, rules: KernelVersion.standard.pages)
}

/// All pages of the machine: map, zones, the order to try them in, and each CPU's own lists.
///
/// The mechanism under `AllocPages` and `FreePages`: it knows no lock and no time. What a zone's
/// lock guards is changed by `fetch`, `take`, `drain` and `give` only; what a CPU's list lock
/// guards by these and `takeCached` and `putCached`.
///
/// A CPU's lists of a zone are made when they are first used: a machine of many nodes has CPUs
/// times zones of them, and most stay empty.
///
/// Kernel: mm/page_alloc.c (6.12).
package struct PageAllocator: ~Copyable {
  package internal(set) var map: MemMap
  package internal(set) var zones: Buffer<Zone>
  var zonelist: Zonelist
  package internal(set) var settings: PageSettings
  package let cpuCount: Int
  package let nodeCount: Int
  /// Where the lists of each zone and CPU are in `perCPU`, plus one; 0: not made yet.
  private var perCPUPlaces: Buffer<Int32>
  var perCPU: Buffer<PerCPUPages>
  private var perCPUCount: Int
  var contexts: Pool<AllocContext>
  var locks: LockTable
  /// When a failed allocation was last reported.
  var lastWarning: Instant?

  /// The allocator of a machine that has just booted, all its pages free.
  ///
  /// - Parameters:
  ///   - cpuCounts: CPUs of each node.
  ///   - distance: between two nodes, 10 being local.
  package init(
    _ layout: ZoneLayout, cpuCounts: [Int], settings: PageSettings = .standard,
    distance: (NodeID, NodeID) -> Int
  ) {
    precondition(!layout.extents.isEmpty, "a machine without memory")
    self.settings = settings
    (cpuCount, nodeCount) = (cpuCounts.reduce(0, +), cpuCounts.count)
    var map = MemMap(pageCount: layout.pageCount)
    var zones = Buffer(layout.extents.count, Zone(number: 0, layout.extents[0], &map))
    for (number, extent) in layout.extents.enumerated() where number > 0 {
      zones[number] = Zone(number: number, extent, &map)
    }
    zonelist = Zonelist(
      zones: layout.extents.map { ($0.node, $0.kind) }, hasCPUs: cpuCounts.map { $0 > 0 },
      distance: distance)
    perCPU = Buffer(16, PerCPUPages(zones[0].sizing, hasLargeCache: false))
    perCPUPlaces = .zeroed(layout.extents.count * cpuCount)
    self.map = map
    self.zones = zones
    perCPUCount = 0
    contexts = Pool(capacity: 64, blank: .blank)
    locks = LockTable(zoneCount: layout.extents.count)
    lastWarning = nil
    setMarks(cpuCounts)
  }

  private init(cloning other: borrowing PageAllocator) {
    map = other.map.clone()
    zones = other.zones.clone()
    zonelist = other.zonelist.clone()
    perCPUPlaces = other.perCPUPlaces.clone()
    perCPU = other.perCPU.clone()
    contexts = other.contexts.clone()
    locks = other.locks.clone()
    (settings, perCPUCount) = (other.settings, other.perCPUCount)
    lastWarning = other.lastWarning
    (cpuCount, nodeCount) = (other.cpuCount, other.nodeCount)
  }
  package func clone() -> PageAllocator { PageAllocator(cloning: self) }

  /// Sets watermarks, reserves and list sizes of all zones.
  ///
  /// Kernel: `setup_per_zone_wmarks()`, `setup_per_zone_lowmem_reserve()`,
  /// `zone_set_pageset_high_and_batch()` (mm/page_alloc.c, 6.12).
  private mutating func setMarks(_ cpuCounts: [Int]) {
    var all = 0
    for number in 0..<zones.count { all += zones[number].managed }
    let freeMin =
      settings.freeMinKiB
      ?? Watermark.freeMinKiB(pages: all, zones: zones.count, hugePages: settings.hugePages)
    for number in 0..<zones.count {
      let (managed, cpus) = (zones[number].managed, cpuCounts[zones[number].node.index])
      zones[number].marks = Watermark(
        managed: managed, of: all, freeMinKiB: freeMin, scale: settings.markScale)
      zones[number].sizing = PerCPUSizing(
        managed: managed, low: zones[number].marks.low, cpus: cpus > 0 ? cpus : cpuCount,
        fraction: settings.listFraction, tuning: settings.rules.listTuning)
      setReserve(number)
    }
  }

  /// The sysctl `lowmem_reserve_ratio`, by kind of zone; 0: no reserve.
  private static let reserveRatios = [256, 256, 32, 0, 0]

  private mutating func setReserve(_ number: Int) {
    let ratio = PageAllocator.reserveRatios[Int(zones[number].kind.rawValue)]
    guard ratio > 0 else { return }
    var above = 0
    for kind in ZoneKind.allCases where kind > zones[number].kind {
      for other in 0..<zones.count
      where zones[other].node == zones[number].node && zones[other].kind == kind {
        above += zones[other].managed
      }
      zones[number].reserve[Int(kind.rawValue)] = above / ratio
    }
  }

  // MARK: Per-CPU lists

  /// The place of a CPU's lists of a zone in `perCPU`, or nil if they were never used.
  @inline(__always)
  package func perCPUPlace(_ zone: Int, _ cpu: CPUID) -> Int? {
    let place = perCPUPlaces[zone &* cpuCount &+ cpu.index]
    return place == 0 ? nil : Int(place) &- 1
  }

  /// Makes a CPU's lists of a zone. Returns: their place.
  mutating func makePerCPU(_ zone: Int, _ cpu: CPUID) -> Int {
    let fresh = PerCPUPages(zones[zone].sizing, hasLargeCache: settings.hasLargeCache)
    if perCPUCount == perCPU.count { perCPU.grow(to: 2 * perCPUCount, fresh) }
    perCPU[perCPUCount] = fresh
    perCPUCount += 1
    perCPUPlaces[zone * cpuCount + cpu.index] = Int32(perCPUCount)
    return perCPUCount - 1
  }

  /// A CPU's lists of a zone as reports print them: as new if never used.
  package func lists(_ zone: Int, _ cpu: CPUID) -> PerCPUPages {
    guard let place = perCPUPlace(zone, cpu) else {
      return PerCPUPages(zones[zone].sizing, hasLargeCache: settings.hasLargeCache)
    }
    return perCPU[place]
  }

  /// Takes a block off a CPU's list, or none. Under the lists' lock.
  @inline(__always)
  mutating func takeCached(_ place: Int, _ order: Order, _ type: MigrateType) -> PFN {
    let list = PerCPUPages.list(order, type)
    guard !perCPU[place].isEmpty(list) else { return .none }
    return perCPU[place].take(list, &map)
  }

  /// Puts a freed block on a CPU's list. Under the lists' lock.
  ///
  /// - Returns: pages to drain now, and the list to begin with.
  mutating func putCached(_ block: PFN, _ order: Order, _ zone: Int, _ place: Int) -> (
    pages: Int, list: Int
  ) {
    let list = PerCPUPages.list(order, map.type(of: block).onPerCPUList)
    perCPU[place].put(block, order, list, atTail: false, &map)
    let pages = perCPU[place].noteFree(
      order, zones[zone].sizing, isBelowHigh: zones[zone].isBelowHigh)
    return (pages, list)
  }

  /// How many blocks to fetch for an empty list. Under the lists' lock.
  mutating func refillCount(_ zone: Int, _ place: Int, _ order: Order) -> Int {
    perCPU[place].refillCount(
      order, zones[zone].sizing, isBelowHigh: zones[zone].isBelowHigh)
  }

  // MARK: Blocks, under the zone's lock

  /// Takes one block for a request of `type`. Kernel: `__rmqueue()`.
  mutating func take(
    _ zone: Int, _ order: Order, _ type: MigrateType, _ flags: AllocFlags, _ mode: inout SearchMode
  ) -> Taken {
    let span = (first: zones[zone].first, end: zones[zone].end)
    let taken = zones[zone].area.take(order.index, type, flags, &mode, span: span, &map)
    if taken.boosts > 0 {
      for _ in 0..<taken.boosts {
        zones[zone].raiseMarks(factor: settings.markBoost, flags: flags)
      }
    }
    return taken
  }

  /// Takes one block for a request that no per-CPU list can meet, from the atomic reserve too if
  /// it may. Kernel: `rmqueue_buddy()` (mm/page_alloc.c, 6.12).
  mutating func takeDirect(_ zone: Int, _ order: Order, _ type: MigrateType, _ flags: AllocFlags)
    -> Taken
  {
    if flags.contains(.highAtomic), let taken = takeReserved(zone, order) { return taken }
    var mode = SearchMode.own
    let taken = take(zone, order, type, flags, &mode)
    guard taken.block.isNone, !flags.isDisjoint(with: [.oom, .nonBlock]) else { return taken }
    return takeReserved(zone, order) ?? taken
  }

  private mutating func takeReserved(_ zone: Int, _ order: Order) -> Taken? {
    var taken = Taken.none
    taken.block = zones[zone].area.take(order.index, .highAtomic, &map, &taken.work)
    taken.isTracedAsLocked = true
    return taken.block.isNone ? nil : taken
  }

  /// Takes one block and puts it at the end of a CPU's list, whose lock is held too.
  ///
  /// Kernel: the loop of `rmqueue_bulk()` (mm/page_alloc.c, 6.12).
  mutating func fetch(
    _ zone: Int, _ place: Int, _ order: Order, _ type: MigrateType, _ flags: AllocFlags,
    _ mode: inout SearchMode
  ) -> Taken {
    let taken = take(zone, order, type, flags, &mode)
    guard !taken.block.isNone else { return taken }
    perCPU[place].put(taken.block, order, PerCPUPages.list(order, type), atTail: true, &map)
    return taken
  }

  /// A block that went from a CPU's list to the zone.
  struct Drained: BitwiseCopyable {
    var block: PFN
    var order: Order
    var type: MigrateType
    var work: BuddyWork
  }

  /// Gives the last block of a CPU's list, whose lock is held too, back to the zone.
  ///
  /// - Parameter list: where to look first, and where it was found.
  /// Kernel: the loop of `free_pcppages_bulk()` (mm/page_alloc.c, 6.12).
  mutating func drain(_ zone: Int, _ place: Int, from list: inout Int) -> Drained? {
    let block = perCPU[place].evict(from: &list, &map)
    guard !block.isNone else { return nil }
    let order = PerCPUPages.order(ofList: list)
    let type = map.type(of: block)
    var drained = Drained(block: block, order: order, type: type, work: BuddyWork())
    zones[zone].area.give(block, order.index, type, &map, &drained.work)
    return drained
  }

  /// Gives a block back; one larger than a pageblock in pageblocks, each by its own type.
  ///
  /// Kernel: `free_one_page()`, `split_large_buddy()` (mm/page_alloc.c, 6.12).
  mutating func give(_ block: PFN, _ order: Order) -> BuddyWork {
    let zone = Int(map[block].zone)
    let part = min(order.index, MemMap.pageblockOrder)
    var work = BuddyWork()
    for page in stride(from: 0, to: order.pageCount, by: 1 << part) {
      let type = map.type(of: block + page)
      zones[zone].area.give(block + page, part, type, &map, &work)
    }
    return work
  }

  // MARK: Blocks in someone's hands

  /// Makes a block the caller's; a compound one's tails lead to its head.
  ///
  /// Kernel: `prep_new_page()` (mm/page_alloc.c, 6.12), without zeroing.
  @inline(__always)
  mutating func prepare(_ block: PFN, _ order: Order, _ gfp: GFPFlags) {
    map[block].state = .allocated
    map[block].order = order
    map[block].owner = 0
    guard order > .zero, gfp.contains(.comp) else { return }
    for page in 1..<order.pageCount {
      map[block + page].state = .tail
      map[block + page].next = block
    }
  }

  /// Makes single pages of a block that someone holds. Kernel: `split_page()`.
  package mutating func split(_ block: PFN, _ order: Order) {
    for page in 0..<order.pageCount {
      map[block + page].state = .allocated
      map[block + page].order = .zero
      map[block + page].owner = 0
    }
  }

  /// Whether `block` is one that someone holds, of this order: what may be freed.
  @inline(__always)
  package func isHeld(_ block: PFN, _ order: Order) -> Bool {
    guard map.contains(block) else { return false }
    let record = map[block]
    return record.state == .allocated && record.order == order
  }

  /// Ends the holder's use of a block. Kernel: `free_pages_prepare()` (mm/page_alloc.c, 6.12).
  @inline(__always)
  mutating func unprepare(_ block: PFN, _ order: Order) {
    map[block].state = .none
    guard order > .zero, map[block + 1].state == .tail else { return }
    for page in 1..<order.pageCount { map[block + page].state = .none }
  }

  // MARK: Lists of blocks that someone holds

  /// The block after `block` on its holder's chain, or none.
  package func next(of block: PFN) -> PFN { map[block].next }

  /// Puts `block`, which the caller holds, before `next`.
  package mutating func chain(_ block: PFN, before next: PFN) { map[block].next = next }

  // MARK: Checks

  /// Walks everything and says what is wrong, or nil. Complexity: O(free blocks).
  package func checkInvariants() -> String? {
    for zone in 0..<zones.count {
      if let fault = zones[zone].area.checkInvariants(map) { return "zone \(zone): \(fault)" }
    }
    for place in 0..<perCPUCount {
      if let fault = perCPU[place].checkInvariants(map) { return "lists \(place): \(fault)" }
    }
    for zone in 0..<zones.count {
      var pages = zones[zone].freePages
      for cpu in 0..<cpuCount {
        let place = perCPUPlaces[zone * cpuCount + cpu]
        if place > 0 { pages += Int(perCPU[Int(place) - 1].count) }
      }
      let managed = zones[zone].managed
      if pages > managed { return "zone \(zone): \(pages) pages are free, \(managed) are there" }
    }
    return nil
  }
}
