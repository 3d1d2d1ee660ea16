import Simulation

/// For each node, the zones to try in order: its own, then those of ever farther nodes.
///
/// Nodes at equal distance are spread: each node that begins a new distance for someone counts as
/// more loaded, and the less loaded goes first. Within a node the highest zone goes first. The
/// zones of a node itself come first, so the list of `__GFP_THISNODE` is a prefix.
///
/// Kernel: `find_next_best_node()`, `build_zonelists()` (mm/page_alloc.c, 6.12).
package struct Zonelist: ~Copyable {
  /// A zone on a list.
  struct Entry: BitwiseCopyable {
    let zone: UInt16
    let kind: ZoneKind
    let node: NodeID
  }
  private var entries: Buffer<Entry>
  private var ownCounts: Buffer<UInt16>
  private let length: Int

  /// Kernel: `MAX_NUMNODES` with `CONFIG_NODES_SHIFT` 10, as distributions have it.
  private static let maxNumNodes = 1 << 10

  /// - Parameters:
  ///   - zones: node and kind of each zone, by zone number.
  ///   - hasCPUs: for each node.
  ///   - distance: between two nodes, 10 being local.
  init(
    zones: [(node: NodeID, kind: ZoneKind)], hasCPUs: [Bool],
    distance: (NodeID, NodeID) -> Int
  ) {
    let nodeCount = hasCPUs.count
    length = zones.count
    entries = Buffer(
      max(nodeCount * length, 1), Entry(zone: 0, kind: .dma, node: NodeID(0)))
    ownCounts = Buffer(nodeCount, 0)
    var own = [[Entry]](repeating: [], count: nodeCount)
    for (number, zone) in zones.enumerated() {
      own[zone.node.index].append(
        Entry(zone: UInt16(number), kind: zone.kind, node: zone.node))
    }
    for node in 0..<nodeCount {
      own[node].sort { $0.kind > $1.kind }
      ownCounts[node] = UInt16(own[node].count)
    }
    var load = [Int](repeating: 0, count: nodeCount)
    for node in 0..<nodeCount {
      var place = node * length
      for next in Zonelist.order(node, own.map { !$0.isEmpty }, hasCPUs, &load, distance) {
        for entry in own[next] {
          entries[place] = entry
          place += 1
        }
      }
    }
  }

  private init(cloning other: borrowing Zonelist) {
    entries = other.entries.clone()
    ownCounts = other.ownCounts.clone()
    length = other.length
  }
  package func clone() -> Zonelist { Zonelist(cloning: self) }

  /// The nodes with memory, best first for `node`.
  private static func order(
    _ node: Int, _ hasMemory: [Bool], _ hasCPUs: [Bool], _ load: inout [Int],
    _ distance: (NodeID, NodeID) -> Int
  ) -> [Int] {
    var left = (0..<hasMemory.count).filter { hasMemory[$0] && $0 != node }
    var order = hasMemory[node] ? [node] : []
    var previous = node
    func far(_ n: Int) -> Int { distance(NodeID(node), NodeID(n)) }
    while !left.isEmpty {
      let values = left.map {
        (far($0) + ($0 < node ? 1 : 0) + (hasCPUs[$0] ? 1 : 0)) * maxNumNodes + load[$0]
      }
      let best = left.remove(at: values.firstIndex(of: values.min() ?? 0) ?? 0)
      if far(best) != far(previous) { load[best] += 1 }
      previous = best
      order.append(best)
    }
    return order
  }

  /// Zones of `node`'s list: of all nodes, or of it alone.
  @inline(__always)
  func count(of node: NodeID, thisNodeOnly: Bool) -> Int {
    thisNodeOnly ? Int(ownCounts[node.index]) : length
  }

  /// An entry of `node`'s list.
  @inline(__always)
  func entry(_ node: NodeID, _ place: Int) -> Entry { entries[node.index &* length &+ place] }

  /// The first place from `place` on whose zone is not above `highest`, or nil.
  ///
  /// Kernel: `next_zones_zonelist()` (mm/mmzone.c, 6.12).
  @inline(__always)
  func next(_ node: NodeID, from place: Int, count: Int, highest: ZoneKind) -> Int? {
    var place = place
    while place < count {
      if entry(node, place).kind <= highest { return place }
      place &+= 1
    }
    return nil
  }
}
