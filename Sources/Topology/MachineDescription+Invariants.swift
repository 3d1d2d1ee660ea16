extension MachineDescription {
  /// Refuses a machine that is larger than kmemu takes.
  public func checkLimits() throws(TopologyError) {
    guard !cpus.isEmpty, !nodes.isEmpty else {
      throw TopologyError(
        .noCPUs, "\(source) has no \(cpus.isEmpty ? "CPU" : "NUMA node") that may be used",
        hint: "look at its allowed sets")
    }
    guard cpus.count <= Limits.cpusMax else { throw Self.tooManyCPUs(cpus.count) }
    guard nodes.count <= Limits.nodesMax else {
      throw TopologyError(
        .tooManyNodes, "\(nodes.count) nodes are more than the limit of \(Limits.nodesMax)",
        hint: "describe a machine with fewer nodes")
    }
    var sum: UInt64 = 0
    for node in nodes {
      sum = sum.addingReportingOverflow(node.memoryBytes).overflow ? .max : sum + node.memoryBytes
    }
    guard sum <= Limits.memoryMax else { throw Self.tooMuchMemory(sum) }
  }

  package static func tooManyCPUs(_ count: Int) -> TopologyError {
    TopologyError(
      .tooManyCPUs, "\(count) CPUs are more than the limit of \(Limits.cpusMax)",
      hint: "describe a machine with at most \(Limits.cpusMax) CPUs")
  }

  /// The numbered rules on top of the type; a broken one is an error of kmemu.
  ///
  /// - Complexity: O(CPUs + nodes²).
  public func checkInvariants() {
    precondition(!cpus.isEmpty && !nodes.isEmpty, "1: a machine has CPUs and nodes")
    precondition(isAscending(cpus.map(\.osNumber)), "1: CPUs by OS number")
    precondition(isAscending(nodes.map(\.osNumber)), "1: nodes by OS number")
    var renumbered = self
    renumbered.renumber()
    precondition(renumbered.cpus == cpus, "2: domains without holes, by first CPU")
    precondition(distances.count == nodes.count, "3: a row of distances a node")
    for (row, values) in distances.enumerated() {
      precondition(values.count == nodes.count, "3: square")
      for (column, value) in values.enumerated() {
        let isLocal = value == Defaults.localDistance
        precondition(row == column ? isLocal : value > Defaults.localDistance, "3: SLIT values")
      }
    }
    var used = Array(repeating: false, count: nodes.count)
    for cpu in cpus { used[cpu.node] = true }
    precondition(used == nodes.map(\.hasCPUs), "4: a node has CPUs when it is some CPU's own")
  }

  private func isAscending(_ numbers: [Int]) -> Bool {
    zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
  }
}
