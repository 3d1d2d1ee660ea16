import Simulation

/// How many unmapped pages may wait before all TLBs are flushed for them at once.
///
/// Policy. Kernel: `lazy_max_pages()` (mm/vmalloc.c, 6.12).
package enum LazyMax {
  /// 32 MiB for each doubling of CPUs. Unit: pages.
  package static func pages(onlineCPUs: Int) -> Int {
    (Int.bitWidth - onlineCPUs.leadingZeroBitCount) * (32 << (20 - 12))
  }

  /// How many nodes are purged by workers, the others by who purges.
  ///
  /// Kernel: `nr_purge_helpers` in `__purge_vmap_area_lazy()` (6.9+).
  package static func helpers(lazyPages: Int, lazyMax: Int, nodesWithWork: Int) -> Int {
    guard nodesWithWork > 0 else { return 0 }
    return min(max(lazyPages / lazyMax, 1), nodesWithWork) - 1
  }
}

/// The count of lazy pages, and the purge that is running, of which there is one at most.
///
/// Mechanism: no lock, no time; `vmap_purge_lock` guards the purge's fields.
/// Kernel: `vmap_lazy_nr`, `__purge_vmap_area_lazy()` (mm/vmalloc.c, 6.12).
package struct LazyPurge: BitwiseCopyable {
  /// Unit: pages, guard pages included. Kernel: `vmap_lazy_nr`.
  package internal(set) var pages = 0
  /// Above it a purge is started. Unit: pages.
  package let pagesMax: Int
  /// Whether `drain_vmap_work` is queued and has not begun.
  var drainIsPending = false

  /// What of blocks is to be flushed with the areas of the next purge: from, and one past.
  var alsoFrom = UInt64.max
  var alsoTo: UInt64 = 0

  // The running purge.
  /// The union of all purged areas.
  var start = UInt64.max
  var end: UInt64 = 0
  /// Pools take nothing back.
  var isFull = false
  /// Nodes that have areas to give back, and those of them that workers do.
  var nodes = NodeSet()
  var helped = NodeSet()
  var helpers = 0
  var purgedAreas = 0
  /// What the pools of the node at hand have let go of.
  var decay = VmapNodes.Decay()

  init(onlineCPUs: Int) { pagesMax = LazyMax.pages(onlineCPUs: onlineCPUs) }

  /// Kernel: `atomic_long_add_return()` in `free_vmap_area_noflush()`.
  ///
  /// - Returns: whether there are too many now.
  mutating func add(pages: Int) -> Bool {
    self.pages += pages
    return self.pages > pagesMax
  }

  /// Kernel: `vmap_lazy_nr > lazy_max_pages()`.
  var isOver: Bool { pages > pagesMax }

  mutating func begin(isFull: Bool) {
    (start, end, self.isFull) = (alsoFrom, alsoTo, isFull)
    (alsoFrom, alsoTo) = (.max, 0)
    (nodes, helped) = (NodeSet(), NodeSet())
    (helpers, purgedAreas) = (0, 0)
  }

  /// Adds a node that has areas to give back.
  mutating func add(_ node: VmapNodeID, from start: UInt64, to end: UInt64) {
    self.start = min(self.start, start)
    self.end = max(self.end, end)
    nodes.insert(node)
  }
}

/// A set of vmap nodes. Kernel: `static cpumask_t purge_nodes`.
package struct NodeSet: BitwiseCopyable, Equatable {
  private var bits: (UInt64, UInt64) = (0, 0)
  package init() {}

  package static func == (a: NodeSet, b: NodeSet) -> Bool { a.bits == b.bits }
  package var count: Int { bits.0.nonzeroBitCount + bits.1.nonzeroBitCount }
  package mutating func insert(_ node: VmapNodeID) {
    if node.index < 64 { bits.0 |= 1 << node.index } else { bits.1 |= 1 << (node.index - 64) }
  }
  package func contains(_ node: VmapNodeID) -> Bool {
    (node.index < 64 ? bits.0 >> node.index : bits.1 >> (node.index - 64)) & 1 == 1
  }
  /// The first at or above `index`.
  package func next(from index: Int) -> VmapNodeID? {
    for place in index..<max(index, 128) where contains(VmapNodeID(place)) {
      return VmapNodeID(place)
    }
    return nil
  }
}
