extension MachineDescription {
  /// The machine with its first `count` CPUs by OS number; the others do not exist.
  ///
  /// Nodes stay with their memory, as behind `maxcpus=` in Linux: one that loses its last CPU
  /// becomes a memory-only node. Cores, domains, dies and packages are numbered anew; what has no
  /// CPU left is gone.
  ///
  /// - Throws: `cpusOutOfRange` when there are not as many.
  public func restricted(toFirst count: Int) throws(TopologyError) -> MachineDescription {
    guard cpus.indices.contains(count - 1) else {
      throw TopologyError(
        .cpusOutOfRange, "\(count) CPUs asked of a machine that has \(cpus.count)",
        hint: "choose a number from 1 to \(cpus.count), or a larger machine")
    }
    var machine = self
    machine.cpus.removeSubrange(count...)
    for index in nodes.indices {
      machine.nodes[index].locality.removeAll { $0 >= count }
      machine.nodes[index].hasCPUs = machine.cpus.contains { $0.node == index }
    }
    for index in caches.indices {
      machine.caches[index].cpus.removeAll { $0 >= count }
    }
    machine.caches.removeAll { $0.cpus.isEmpty }
    machine.renumber()
    return machine
  }

  /// The machine with `total` bytes, spread evenly over the nodes that have memory, or over those
  /// with CPUs when none has any. In whole MiB; the first of the nodes takes the remainder.
  ///
  /// - Throws: `memoryTooSmall` below one MiB a node, `tooMuchMemory` above the limit.
  public func withMemory(total: UInt64) throws(TopologyError) -> MachineDescription {
    var takers = nodes.indices.filter { nodes[$0].memoryBytes > 0 }
    if takers.isEmpty { takers = nodes.indices.filter { nodes[$0].hasCPUs } }
    let share = total / UInt64(takers.count) & ~0xF_FFFF
    guard share > 0 else {
      throw TopologyError(
        .memoryTooSmall, "\(total) bytes of memory are too few for \(takers.count) nodes",
        hint: "give at least \(takers.count)MiB")
    }
    guard total <= Limits.memoryMax else { throw Self.tooMuchMemory(total) }
    var machine = self
    for node in takers { machine.nodes[node].memoryBytes = share }
    machine.nodes[takers[0]].memoryBytes += total - share * UInt64(takers.count)
    machine.defaultsUsed.removeAll { $0 == Defaults.memorySentence }
    return machine
  }

  /// Numbers cores, domains, dies, packages and threads without holes, in the order of their
  /// first CPUs. Equal numbers stay equal.
  public mutating func renumber() {
    for domain in [\CPU.core, \CPU.llc, \CPU.die, \CPU.package] {
      var numbers: [Int: Int] = [:]
      for index in cpus.indices {
        let old = cpus[index][keyPath: domain]
        let new = numbers[old] ?? numbers.count
        numbers[old] = new
        cpus[index][keyPath: domain] = new
      }
    }
    var threads: [Int: Int] = [:]
    for index in cpus.indices {
      cpus[index].thread = threads[cpus[index].core, default: 0]
      threads[cpus[index].core, default: 0] += 1
    }
  }

  package static func tooMuchMemory(_ bytes: UInt64) -> TopologyError {
    TopologyError(
      .tooMuchMemory,
      "\(bytes >> 30) GiB of memory are more than the limit of \(Limits.memoryMax >> 30) GiB",
      hint: "say a smaller amount, or take a machine with fewer nodes")
  }
}
