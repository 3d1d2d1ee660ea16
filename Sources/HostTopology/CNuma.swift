import CNuma

/// libnuma's answers about this host: what the running kernel itself says. Nothing is bound.
enum HostNuma {
  /// Whether the kernel has NUMA calls that this process may use.
  static var isAvailable: Bool { numa_available() >= 0 }

  /// The kernel's distance between two nodes by OS number, nil where it knows none.
  static func distance(_ one: Int, _ other: Int) -> Int? {
    let distance = numa_distance(Int32(one), Int32(other))
    return distance > 0 ? Int(distance) : nil
  }

  /// Memory of a node by OS number, nil where it cannot be read. Unit: bytes.
  static func memory(_ node: Int) -> UInt64? {
    let size = numa_node_size64(Int32(node), nil)
    return size >= 0 ? UInt64(size) : nil
  }
}
