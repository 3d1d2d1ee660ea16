import Hardware
import Simulation

/// What one allocation carries through its functions: a record, because frames are small.
///
/// Kernel: `struct alloc_context` (mm/internal.h, 6.12) and the arguments beside it.
package struct AllocContext: BitwiseCopyable {
  var gfp: GFPFlags
  var order: Order
  var type: MigrateType
  var highest: ZoneKind
  var flags: AllocFlags
  /// Whose zonelist, and how much of it.
  var node: NodeID
  var listCount: Int16
  /// Where on the list the search is, and the zone there.
  var place: Int16
  var zone: UInt16
  /// The first zone of the list, for the statistics. Kernel: `preferred_zoneref`.
  var preferredZone: UInt16
  var preferredNode: NodeID
  /// The lists of this CPU and zone, an index into `PageAllocator.perCPU`.
  var lists: Int32
  /// Blocks to fetch for them.
  var fetchCount: Int32
  /// What was found.
  var block: PFN
  /// For many pages at once: how many are wanted and found, and the last found.
  var wanted: Int32
  var got: Int32
  var last: PFN
  /// Slept through for memory that must be had. Unit: ticks.
  var ticks: Int16

  static var blank: AllocContext {
    AllocContext(
      gfp: [], order: .zero, type: .unmovable, highest: .normal, flags: [], node: NodeID(0),
      listCount: 0, place: 0, zone: 0, preferredZone: 0, preferredNode: NodeID(0), lists: 0,
      fetchCount: 0, block: .none, wanted: 0, got: 0, last: .none, ticks: 0)
  }
}

package typealias AllocID = ID<AllocContext>

extension World {
  /// A context for a request. Kernel: `prepare_alloc_pages()` (mm/page_alloc.c, 6.12).
  ///
  /// - Returns: with `preferredZone` meaningless when no zone of the list will do.
  mutating func makeAllocContext(
    _ order: Order, _ gfp: GFPFlags, _ node: NodeID, on cpu: CPUID
  ) -> AllocID {
    var context = AllocContext.blank
    (context.gfp, context.order) = (gfp, order)
    (context.type, context.highest) = (MigrateType(gfp), pages.highestZone(gfp))
    context.node = node == .any ? memoryNode(of: cpu) : node
    let count = pages.zonelist.count(of: context.node, thisNodeOnly: gfp.contains(.thisNode))
    context.listCount = Int16(count)
    context.flags = .markLow
    if let first = pages.zonelist.next(
      context.node, from: 0, count: count, highest: context.highest)
    {
      let entry = pages.zonelist.entry(context.node, first)
      (context.preferredZone, context.preferredNode) = (entry.zone, entry.node)
    }
    return pages.contexts.take(context)
  }

  /// Records a block that was taken under the zone's lock.
  @inline(__always)
  mutating func traceTaken(
    _ taken: Taken, _ order: Order, _ type: MigrateType, refill: Bool, on cpu: CPUID
  ) {
    guard probe.isOn else { return }
    let pfn = UInt64(truncatingIfNeeded: taken.block.index)
    let kinds = UInt64(order.index) | UInt64(type.rawValue) << 8
    if taken.isTracedAsLocked {
      trace(.mmPageAllocZoneLocked, on: cpu, a: pfn, b: kinds | (refill ? 1 << 16 : 0))
    }
    guard taken.fallbackOrder >= 0 else { return }
    let fallback =
      UInt64(taken.fallbackOrder) << 16 | UInt64(taken.fallbackType.rawValue) << 24
      | (taken.changedOwner ? 1 << 32 : 0)
    trace(.mmPageAllocExtfrag, on: cpu, a: pfn, b: kinds | fallback)
  }

  /// Counts an allocation of `count` pages of a zone.
  ///
  /// Kernel: `__count_zid_vm_events(PGALLOC)`, `zone_statistics()` (mm/page_alloc.c, 6.12).
  mutating func countAllocation(_ context: AllocContext, blocks: Int, on cpu: CPUID) {
    let (node, kind) = (
      pages.zones[Int(context.zone)].node, pages.zones[Int(context.zone)].kind
    )
    let counter: VMStat =
      switch kind {
      case .dma: .pgalloc_dma
      case .dma32: .pgalloc_dma32
      case .normal: .pgalloc_normal
      case .highMem: .pgalloc_high
      case .movable: .pgalloc_movable
      }
    counters.add(counter, UInt64(blocks << context.order.index))
    if node == context.preferredNode {
      counters.add(.numa_hit, UInt64(blocks))
    } else {
      counters.add(.numa_miss, UInt64(blocks))
      counters.add(.numa_foreign, UInt64(blocks))
    }
    counters.add(node == self.node(of: cpu) ? .numa_local : .numa_other, UInt64(blocks))
  }

  /// Wakes the kswapd of a node, unless some zone of it has enough and none is boosted.
  ///
  /// Kernel: `wakeup_kswapd()` (mm/vmscan.c, 6.12).
  /// Not modelled: kswapd; a wake-up is counted and traced, and nothing is reclaimed.
  mutating func wakeKswapd(
    _ node: NodeID, _ order: Order, _ highest: ZoneKind, _ gfp: GFPFlags, on cpu: CPUID
  ) {
    var (isBoosted, isBalanced) = (false, false)
    for number in 0..<pages.zones.count
    where pages.zones[number].node == node && pages.zones[number].kind <= highest {
      let mark = pages.zones[number].mark(2)
      if pages.zones[number].boost > 0 { isBoosted = true }
      if pages.zones[number].isAbove(mark, order, highest, []) { isBalanced = true }
    }
    guard isBoosted || !isBalanced else { return }
    counters.add(.kswapd_wakeups)
    trace(
      .mmVmscanWakeupKswapd, on: cpu, a: UInt64(node.index) | UInt64(highest.rawValue) << 32,
      b: UInt64(order.index), c: UInt64(gfp.rawValue))
  }
}
