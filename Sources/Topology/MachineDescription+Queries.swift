extension MachineDescription {
  /// Distance between the local nodes of two CPUs, 10 being the same node.
  public func distance(_ one: Int, _ other: Int) -> Int {
    distances[cpus[one].node][cpus[other].node]
  }

  /// The CPUs whose local node it is, ascending. Empty for a memory-only node.
  ///
  /// - Complexity: O(CPUs).
  public func cpus(ofNode node: Int) -> [Int] {
    cpus.indices.filter { cpus[$0].node == node }
  }

  /// The CPUs for which `domain` gives `index`: `cpus(of: \.package, 3)`, `cpus(of: \.llc, 0)`.
  ///
  /// - Complexity: O(CPUs).
  public func cpus(of domain: KeyPath<CPU, Int>, _ index: Int) -> [Int] {
    cpus.indices.filter { cpus[$0][keyPath: domain] == index }
  }

  /// Where the pages of a node's CPUs come from: the node itself if it has memory, else the node
  /// that comes first in its zonelist. Nil on a machine without memory.
  ///
  /// Kernel: `local_memory_node()` and `find_next_best_node()` (mm/page_alloc.c, 6.12): distance,
  /// one more for a node of a lower number, one more for a node with CPUs.
  /// Not modelled: `node_load[]`, which spreads the second choices of many nodes.
  public func nearestMemoryNode(_ node: Int) -> Int? {
    if nodes[node].memoryBytes > 0 { return node }
    var best: (node: Int, value: Int)?
    for other in nodes.indices where nodes[other].memoryBytes > 0 {
      let value =
        distances[node][other] + (other < node ? 1 : 0) + (nodes[other].hasCPUs ? 1 : 0)
      if best.map({ value < $0.value }) ?? true { best = (other, value) }
    }
    return best?.node
  }

  /// Unit: bytes.
  public var memoryBytes: UInt64 { nodes.reduce(0) { $0 + $1.memoryBytes } }

  public var dieCount: Int { (cpus.map(\.die).max() ?? -1) + 1 }

  /// The most hardware threads that any core has.
  public var threadsPerCore: Int { (cpus.map(\.thread).max() ?? -1) + 1 }
}
