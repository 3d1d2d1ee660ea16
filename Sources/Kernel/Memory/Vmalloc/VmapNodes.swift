import Simulation

/// One share of the areas: those in use whose address falls to it, those that wait for a purge,
/// and pools of areas that its CPUs may take again without the global tree.
///
/// Kernel: `struct vmap_node` (mm/vmalloc.c, 6.12; since 6.9).
package struct VmapNode: BitwiseCopyable {
  package internal(set) var busy = VmapTree(augmented: false)
  package internal(set) var lazy = VmapTree(augmented: false)
  /// What the running purge has detached: the next to give back. Kernel: `purge_list`.
  var purging = VmapAreaID.none
  /// What it has for the global tree: a list by `next`. Kernel: `local_list`.
  var global = VmapAreaID.none
  package internal(set) var purgedAreas: Int32 = 0
  package internal(set) var purgedPages: Int = 0
  /// Areas in its pools.
  package internal(set) var pooledAreas: Int32 = 0
  /// Where its pools are; -1 before it first has one.
  var pools: Int32 = -1
}

/// All vmap nodes.
///
/// Knows no lock and no time. Invariants, verified by `checkInvariants(_:)`:
/// 1. a busy area is in the tree of the node that its start address names;
/// 2. a lazy area is in the tree of the node it came from, or else of its address;
/// 3. an area in a pool has the pool's size, and names its node.
///
/// Kernel: `vmap_nodes[]`, `addr_to_node_id()`, `vmap_init_nodes()` (mm/vmalloc.c, 6.12).
package struct VmapNodes: ~Copyable {
  package internal(set) var nodes: Buffer<VmapNode>
  private var pools: Buffer<VmapPool>
  private var poolCount: Int
  package let count: Int
  private let zoneShift: UInt64
  private let noneMeansAll: Bool

  /// The number of nodes. Kernel: `clamp_t(unsigned int, num_possible_cpus(), 1, 128)`.
  package static func count(cpus: Int, most: Int) -> Int { min(max(cpus, 1), most) }

  package init(count: Int, noneMeansAll: Bool) {
    self.count = count
    nodes = Buffer(count, VmapNode())
    pools = Buffer(0, VmapPool())
    poolCount = 0
    zoneShift = 16  // 16 pages of 4 KiB
    self.noneMeansAll = noneMeansAll
  }
  private init(cloning other: borrowing VmapNodes) {
    (count, poolCount) = (other.count, other.poolCount)
    (zoneShift, noneMeansAll) = (other.zoneShift, other.noneMeansAll)
    nodes = other.nodes.clone()
    pools = other.pools.clone()
  }
  package func clone() -> VmapNodes { VmapNodes(cloning: self) }

  package subscript(node: VmapNodeID) -> VmapNode {
    @inline(__always) _read { yield nodes[node.index] }
    @inline(__always) _modify { yield &nodes[node.index] }
  }

  /// The node of an address. Kernel: `addr_to_node_id()`.
  package func node(of address: UInt64) -> VmapNodeID {
    VmapNodeID(Int((address &>> zoneShift) % UInt64(count)))
  }

  /// The node whose pools a CPU uses, or none if there is one node only. Kernel: `node_alloc()`.
  package func node(ofCPU cpu: Int) -> VmapNodeID {
    count == 1 ? .none : VmapNodeID(cpu % count)
  }

  /// The node where a freed area waits. Kernel: `free_vmap_area_noflush()`.
  package func lazyNode(of area: VmapArea) -> VmapNodeID {
    area.poolNode.isNone ? node(of: area.start) : area.poolNode
  }

  /// Unit: bytes of the host.
  var byteCount: Int { nodes.byteCount + pools.byteCount }

  // MARK: - Pools

  private static func poolIndex(_ size: UInt64) -> Int? {
    let index = Int((size - 1) >> 12)
    return index < VmapPool.pagesMax ? index : nil
  }

  /// Areas of `size` bytes in the node's pool.
  package func pooled(_ size: UInt64, in node: VmapNodeID) -> Int32 {
    guard let index = VmapNodes.poolIndex(size), nodes[node.index].pools >= 0 else { return 0 }
    return pools[Int(nodes[node.index].pools) + index].count
  }

  /// Kernel: `node_pool_del_va()`, which the caller enters with the pool lock held.
  package mutating func takePooled(
    _ size: UInt64, align: UInt64, from node: VmapNodeID, _ areas: inout VmapAreas
  ) -> VmapAreaID? {
    guard pooled(size, in: node) > 0, let index = VmapNodes.poolIndex(size) else { return nil }
    let list = Int(nodes[node.index].pools) + index
    guard let area = areas.pop(align: align, from: &pools[list]) else { return nil }
    nodes[node.index].pooledAreas -= 1
    return area
  }

  /// - Returns: false if areas of this size are not pooled.
  private mutating func givePooled(
    _ area: VmapAreaID, to node: VmapNodeID, _ areas: inout VmapAreas
  ) -> Bool {
    guard let index = VmapNodes.poolIndex(areas[area].size) else { return false }
    areas.push(area, onto: &pools[makePools(of: node) + index])
    nodes[node.index].pooledAreas += 1
    return true
  }

  private mutating func makePools(of node: VmapNodeID) -> Int {
    if nodes[node.index].pools >= 0 { return Int(nodes[node.index].pools) }
    let start = poolCount
    poolCount += VmapPool.pagesMax
    if poolCount > pools.count { pools.grow(to: max(poolCount, 2 * pools.count), VmapPool()) }
    nodes[node.index].pools = Int32(start)
    return start
  }

  /// What a purge takes out of a node's pools, merged where it touches.
  package struct Decay: BitwiseCopyable {
    /// Not in `needless`: the merged areas, for the global tree.
    package var tree = VmapTree(augmented: false)
    /// Areas that merging made needless: a list by `next`.
    package var needless = VmapAreaID.none
    /// Areas that were taken, and the pools they came from.
    package var taken: Int32 = 0
    package var pools: Int32 = 0
    package var visited: Int32 = 0
  }

  /// Kernel: `decay_va_pool_node()` but for its last line, which gives `tree` to the global one.
  package mutating func decay(
    _ node: VmapNodeID, isFull: Bool, _ areas: inout VmapAreas
  ) -> Decay {
    var decay = Decay()
    let start = Int(nodes[node.index].pools)
    guard start >= 0 else { return decay }
    for index in start..<start + VmapPool.pagesMax where pools[index].count > 0 {
      var (area, count) = areas.decay(
        &pools[index], isFull: isFull, noneMeansAll: noneMeansAll)
      nodes[node.index].pooledAreas -= count
      decay.taken += count
      decay.pools += 1
      while !area.isNone {
        let next = areas[area].next
        areas[area].poolNode = .none
        let (needless, visited) = areas.mergeOrAdd(area, into: &decay.tree)
        decay.visited += visited
        for area in [needless.0, needless.1] where !area.isNone {
          areas[area].next = decay.needless
          decay.needless = area
        }
        (area, count) = (next, count - 1)
      }
    }
    return decay
  }

  // MARK: - Purge

  /// Detaches what waits in a node. Kernel: the loop of `__purge_vmap_area_lazy()`.
  ///
  /// - Returns: the lowest address and one past the highest; nil if nothing waits.
  package mutating func detachLazy(
    _ node: VmapNodeID, _ areas: inout VmapAreas
  ) -> (start: UInt64, end: UInt64)? {
    nodes[node.index].purgedAreas = 0
    nodes[node.index].purgedPages = 0
    (nodes[node.index].purging, nodes[node.index].global) = (.none, .none)
    guard nodes[node.index].lazy.count > 0 else { return nil }
    let list = areas.detach(&nodes[node.index].lazy)
    nodes[node.index].purging = list.first
    return (areas[list.first].start, areas[list.last].end)
  }

  /// Gives at most `limit` areas that a purge detached back to the node's pools; those that have
  /// no place there go to its list for the global tree, last purged first.
  ///
  /// - Parameter isFull: no pool takes any. Kernel: `skip_populate`.
  /// - Returns: how many were seen to, 0 when none is left. Kernel: `purge_vmap_node()`.
  package mutating func purge(
    _ node: VmapNodeID, isFull: Bool, limit: Int32, _ areas: inout VmapAreas
  ) -> Int32 {
    var (area, count) = (nodes[node.index].purging, Int32(0))
    while !area.isNone, count < limit {
      let next = areas[area].next
      nodes[node.index].purgedPages += Int(areas[area].size >> 12)
      if areas[area].poolNode.isNone || isFull || !givePooled(area, to: node, &areas) {
        areas[area].poolNode = .none
        (areas[area].previous, areas[area].next) = (.none, nodes[node.index].global)
        nodes[node.index].global = area
      }
      count += 1
      area = next
    }
    nodes[node.index].purging = area
    nodes[node.index].purgedAreas += count
    return count
  }

  /// Takes the list for the global tree.
  package mutating func takeGlobal(of node: VmapNodeID) -> VmapAreaID {
    defer { nodes[node.index].global = .none }
    return nodes[node.index].global
  }

  // MARK: -

  /// Walks everything. Complexity: O(areas).
  package func checkInvariants(_ areas: borrowing VmapAreas) throws(BrokenInvariant) {
    for index in 0..<count {
      let node = VmapNodeID(index)
      try areas.checkInvariants(of: nodes[index].busy)
      try areas.checkInvariants(of: nodes[index].lazy)
      var area = nodes[index].busy.first
      while !area.isNone {
        try ensure(
          self.node(of: areas[area].start) == node, "vmap node \(index): a foreign busy area")
        area = areas[area].next
      }
      area = nodes[index].lazy.first
      while !area.isNone {
        try ensure(lazyNode(of: areas[area]) == node, "vmap node \(index): a foreign lazy area")
        area = areas[area].next
      }
      if nodes[index].pools >= 0 { try checkPools(of: node, areas) }
    }
  }

  private func checkPools(
    of node: VmapNodeID, _ areas: borrowing VmapAreas
  ) throws(BrokenInvariant) {
    var pooled = Int32(0)
    for size in 0..<VmapPool.pagesMax {
      let list = pools[Int(nodes[node.index].pools) + size]
      let name = "vmap node \(node.index), pool of \(size + 1) pages"
      var (area, seen) = (list.first, Int32(0))
      while !area.isNone {
        try ensure(areas[area].size == UInt64(size + 1) << 12, "\(name): a wrong size")
        try ensure(areas[area].poolNode == node, "\(name): a foreign area")
        seen += 1
        try ensure(!areas[area].next.isNone || area == list.last, "\(name): ends elsewhere")
        area = areas[area].next
      }
      try ensure(seen == list.count, "\(name): \(list.count) areas counted, \(seen) seen")
      pooled += seen
    }
    try ensure(
      pooled == nodes[node.index].pooledAreas, "vmap node \(node.index): pooled areas miscounted")
  }

  /// Pages of address space that are unmapped and wait for the end of a purge.
  func unpurgedPages(_ areas: borrowing VmapAreas) -> Int {
    var pages = 0
    for index in 0..<count {
      for first in [nodes[index].lazy.first, nodes[index].purging] {
        var area = first
        while !area.isNone {
          pages += Int(areas[area].size >> 12)
          area = areas[area].next
        }
      }
    }
    return pages
  }
}
