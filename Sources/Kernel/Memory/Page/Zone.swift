import Hardware

/// A range of memory of one node that some devices can or cannot reach, with its own free blocks.
///
/// Kernel: `struct zone` (include/linux/mmzone.h, 6.12).
/// Not modelled: `percpu_drift_mark` and per-CPU counters of free pages: the count is exact.
package struct Zone: BitwiseCopyable {
  package let number: UInt16
  package let node: NodeID
  package let kind: ZoneKind
  /// The pages that the zone spans, `first..<end`. Unit: page frame numbers.
  package let first: Int
  package let end: Int
  /// Unit of both: pages.
  package let present: Int
  package let managed: Int
  package internal(set) var area: FreeArea
  package internal(set) var marks: Watermark
  /// What mixing types has raised the marks by, until reclaim. Unit: pages.
  package internal(set) var boost: Int
  /// Free pages to leave for requests that could not go higher, by the highest kind that a
  /// request allows. Unit: pages. Kernel: `lowmem_reserve[]`.
  package internal(set) var reserve: InlineArray<5, Int>
  package internal(set) var sizing: PerCPUSizing
  /// Whether fewer pages were free than the high mark. Kernel: `ZONE_BELOW_HIGH`.
  package internal(set) var isBelowHigh: Bool
  /// Whether kswapd is to be told of a boost. Kernel: `ZONE_BOOSTED_WATERMARK`.
  var isBoosted: Bool
  /// Pages of the pageblocks in the atomic reserve. Kernel: `nr_reserved_highatomic`.
  package internal(set) var highAtomicReserved: Int
  /// What its counter of free pages is called in timelines, a number among the locks' names.
  var counterName: Int32

  /// Free pages. Kernel: `NR_FREE_PAGES`.
  @inline(__always) package var freePages: Int { area.freePages }

  init(number: Int, _ extent: ZoneLayout.Extent, _ map: inout MemMap) {
    self.number = UInt16(number)
    (node, kind) = (extent.node, extent.kind)
    (first, end) = (extent.first, extent.end)
    (present, managed) = (extent.present, extent.managed)
    let free = PFN(extent.firstManaged)
    area = FreeArea(zone: self.number, first: free, end: free + extent.managed, &map)
    marks = Watermark(managed: 0, of: 0, freeMinKiB: 0)
    (boost, isBelowHigh, isBoosted, highAtomicReserved) = (0, false, false, 0)
    counterName = 0
    reserve = InlineArray(repeating: 0)
    sizing = PerCPUSizing(managed: 0, low: 0, cpus: 1)
  }

  // MARK: Watermarks

  /// A mark as it is checked. Unit: pages. Kernel: `wmark_pages()`.
  @inline(__always)
  package func mark(_ index: Int) -> Int { marks[index] + boost }

  /// Whether a block of `order` may be taken and leave `mark` pages and the reserves.
  ///
  /// Kernel: `__zone_watermark_ok()`, `__zone_watermark_unusable_free()` (mm/page_alloc.c, 6.12).
  @inline(__always)
  package func isAbove(_ mark: Int, _ order: Order, _ highest: ZoneKind, _ flags: AllocFlags)
    -> Bool
  {
    var (free, min) = (area.freePages &- (order.pageCount &- 1), mark)
    if flags.isDisjoint(with: .reserves) {
      free &-= area.highAtomicPages
    } else {
      if flags.contains(.minReserve) {
        min -= min / 2
        if flags.contains(.nonBlock) { min -= min / 4 }
      }
      if flags.contains(.oom) { min -= min / 2 }
    }
    guard free > min &+ reserve[Int(highest.rawValue)] else { return false }
    return order == .zero || hasBlock(order, flags)
  }

  private func hasBlock(_ order: Order, _ flags: AllocFlags) -> Bool {
    var orders =
      area.nonEmptyOrders(.unmovable) | area.nonEmptyOrders(.movable)
      | area.nonEmptyOrders(.reclaimable)
    if !flags.isDisjoint(with: [.highAtomic, .oom]) { orders |= area.nonEmptyOrders(.highAtomic) }
    return orders >> UInt16(order.index) != 0
  }

  /// The same, and without the boost for single pages of urgent requests at the lowest mark.
  ///
  /// Kernel: `zone_watermark_fast()` (mm/page_alloc.c, 6.12).
  package func isAboveFast(_ mark: Int, _ order: Order, _ highest: ZoneKind, _ flags: AllocFlags)
    -> Bool
  {
    if isAbove(mark, order, highest, flags) { return true }
    guard order == .zero, boost > 0, flags.contains(.minReserve), flags.mark == 0 else {
      return false
    }
    return isAbove(marks.min, order, highest, flags)
  }

  /// Raises the marks by a pageblock because types were mixed. Kernel: `boost_watermark()`.
  ///
  /// - Parameter factor: the sysctl `watermark_boost_factor`. Unit: 1/10,000 of the high mark.
  mutating func raiseMarks(factor: Int, flags: AllocFlags) {
    guard factor > 0, managed >= 4 * MemMap.pageblockPages else { return }
    let most = marks.high / 10_000 * factor + marks.high % 10_000 * factor / 10_000
    guard most > 0 else { return }
    boost = min(boost + MemMap.pageblockPages, max(MemMap.pageblockPages, most))
    if flags.contains(.kswapd) { isBoosted = true }
  }

  // MARK: The atomic reserve

  /// Sets the pageblock around `block` aside for atomic requests of high order, up to about one
  /// hundredth of the zone.
  ///
  /// Kernel: `reserve_highatomic_pageblock()` (mm/page_alloc.c, 6.12).
  mutating func reserveHighAtomic(_ block: PFN, _ order: Order, _ map: inout MemMap) -> BuddyWork {
    var work = BuddyWork()
    let type = map.type(of: block)
    guard highAtomicReserved < highAtomicMax, type.isMergeable else { return work }
    if order.index < MemMap.pageblockOrder {
      let start = block.index & ~(MemMap.pageblockPages - 1)
      guard start >= first, start + MemMap.pageblockPages <= end else { return work }
      area.moveBlock(start, from: type, to: .highAtomic, &map, &work)
      highAtomicReserved += MemMap.pageblockPages
    } else {
      map.setType(of: block, order, .highAtomic)
      highAtomicReserved += order.pageCount
    }
    return work
  }

  /// Whether the reserve may still grow: what is asked before the zone is locked.
  var highAtomicMax: Int {
    let hundredth = managed / 100
    guard hundredth >= MemMap.pageblockPages else { return 0 }
    return (hundredth + MemMap.pageblockPages - 1) / MemMap.pageblockPages * MemMap.pageblockPages
  }
}
