import Testing

@testable import Kernel

/// `Fallback order for Node N:` as 6.12.117 prints it at boot (8, 32 and 64 CPUs on four nodes).
@Suite struct ZonelistTests {
  @Test func fallbackOrderOfFourNodesInARing() {
    let distances = [[10, 20, 30, 20], [20, 10, 20, 30], [30, 20, 10, 20], [20, 30, 20, 10]]
    // Node 0 ends below Normal, node 1 lies on both sides of 4 GiB.
    let zones: [(node: NodeID, kind: ZoneKind)] = [
      (NodeID(0), .dma), (NodeID(0), .dma32), (NodeID(1), .dma32), (NodeID(1), .normal),
      (NodeID(2), .normal), (NodeID(3), .normal),
    ]
    let list = Zonelist(zones: zones, hasCPUs: [true, true, true, true]) {
      distances[$0.index][$1.index]
    }
    func order(_ node: Int) -> [Int] {
      var nodes: [Int] = []
      for place in 0..<zones.count {
        let next = list.entry(NodeID(node), place).node.index
        if nodes.last != next { nodes.append(next) }
      }
      return nodes
    }
    #expect(
      (0..<4).map(order) == [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]])
  }
}
