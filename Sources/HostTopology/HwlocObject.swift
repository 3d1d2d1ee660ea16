/// One object of hwloc's tree, as a value. Objects come in depth-first order, parents first.
struct HwlocObject {
  enum Kind: Equatable {
    case machine, package, die, group, core, cpu, node
    case cache(level: Int, instruction: Bool, unified: Bool)
    case memorySideCache
    /// A type that this kmemu knows nothing of: it only passes its children on.
    case other
  }

  var kind: Kind
  /// Index of the parent in the list; its own for the root.
  var parent: Int
  var osNumber: Int
  /// Unit: bytes: a cache's size, a node's memory.
  var size: UInt64 = 0
  var lineSize = 0
}

/// Distances between the nodes that a matrix names by OS number, row by row.
struct LatencyMatrix {
  var osNumbers: [Int]
  var values: [UInt64]
}
