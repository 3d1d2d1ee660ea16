import Topology

/// The parts of a machine in one another, by the CPUs they hold: what lstopo draws.
///
/// A part lies in the smallest part that holds all of its CPUs. Of parts with the same CPUs the
/// package is outermost, then node, die, caches from the last level inwards, core. A die that is
/// nothing but its package, node or cache is left out. Parts that overlap without one holding the
/// other cannot be drawn and are left out as well.
package struct MachineTree {
  package enum Part: Equatable {
    case machine
    case package(Int)
    /// Index into `nodes`.
    case node(Int)
    case die(Int)
    /// A die inside of an LLC domain: Arm and Intel group cores so.
    case cluster(Int)
    /// Index into `caches`.
    case cache(Int)
    case core(Int)
  }

  package var part: Part
  /// Indices into the machine's CPUs, ascending.
  package var cpus: [Int]
  package var children: [MachineTree] = []

  /// - Complexity: O(CPUs × depth + parts log parts).
  package init(_ machine: MachineDescription) {
    var builder = Builder(machine)
    self = builder.tree()
  }

  fileprivate init(_ part: Part, _ cpus: [Int]) {
    (self.part, self.cpus) = (part, cpus)
  }

  /// Whether it is memory without CPUs of its own, drawn as a leaf.
  package func isMemoryOnly(in machine: MachineDescription) -> Bool {
    if case .node(let node) = part { !machine.nodes[node].hasCPUs } else { false }
  }
}

/// Parts are put in from the largest to the smallest; each finds its parent as the part that its
/// first CPU was in last.
private struct Builder {
  private let machine: MachineDescription
  private var parts: [MachineTree]
  private var parents: [Int] = []

  init(_ machine: MachineDescription) {
    self.machine = machine
    parts = [MachineTree(.machine, Array(machine.cpus.indices))]
  }

  mutating func tree() -> MachineTree {
    var candidates = packages() + containers() + dies() + caches() + cores()
    // Sorted by size, then by the order in which they were made.
    let order = candidates.indices.sorted {
      (-candidates[$0].cpus.count, $0) < (-candidates[$1].cpus.count, $1)
    }
    candidates = order.map { candidates[$0] }
    parents = [0]
    var innermost = Array(repeating: 0, count: machine.cpus.count)
    for candidate in candidates {
      let parent = innermost[candidate.cpus[0]]
      guard candidate.cpus.allSatisfy({ innermost[$0] == parent }) else { continue }
      for cpu in candidate.cpus { innermost[cpu] = parts.count }
      parts.append(candidate)
      parents.append(parent)
    }
    attachMemoryOnly(innermost)
    return assembled()
  }

  /// Children are joined to parents from the last part to the first: parents come before them.
  private mutating func assembled() -> MachineTree {
    for index in parts.indices.dropFirst().reversed() {
      sortChildren(of: index)
      parts[parents[index]].children.append(parts[index])
    }
    sortChildren(of: 0)
    return parts[0]
  }

  /// Memory first, then by first CPU. They came in last first.
  private mutating func sortChildren(of index: Int) {
    let children = parts[index].children.reversed()
    parts[index].children =
      children.filter { $0.isMemoryOnly(in: machine) }
      + children.filter { !$0.isMemoryOnly(in: machine) }.sorted { $0.cpus[0] < $1.cpus[0] }
  }

  private func grouped(
    _ domain: KeyPath<MachineDescription.CPU, Int>, _ make: (Int) -> MachineTree.Part
  ) -> [MachineTree] {
    var members: [[Int]] = []
    for (index, cpu) in machine.cpus.enumerated() {
      while members.count <= cpu[keyPath: domain] { members.append([]) }
      members[cpu[keyPath: domain]].append(index)
    }
    return members.enumerated().filter { !$1.isEmpty }.map { MachineTree(make($0), $1) }
  }

  private func packages() -> [MachineTree] { grouped(\.package) { .package($0) } }

  private func cores() -> [MachineTree] { grouped(\.core) { .core($0) } }

  private func containers() -> [MachineTree] { grouped(\.node) { .node($0) } }

  private func dies() -> [MachineTree] {
    let known = Set(packages().map(\.cpus) + containers().map(\.cpus) + caches().map(\.cpus))
    let llcs = grouped(\.llc) { .cache($0) }
    return grouped(\.die) { .die($0) }.filter { !known.contains($0.cpus) }.map { die in
      guard case .die(let number) = die.part else { return die }
      let llc = llcs[machine.cpus[die.cpus[0]].llc].cpus
      let isCluster = die.cpus.count < llc.count
      return isCluster ? MachineTree(.cluster(number), die.cpus) : die
    }
  }

  private func caches() -> [MachineTree] {
    let indices = machine.caches.indices.filter {
      machine.caches[$0].kind != .memorySide && !machine.caches[$0].cpus.isEmpty
    }
    let outermostFirst = indices.sorted {
      let (one, other) = (machine.caches[$0], machine.caches[$1])
      return (-one.level, one.kind == .instruction ? 1 : 0, $0)
        < (-other.level, other.kind == .instruction ? 1 : 0, $1)
    }
    return outermostFirst.map { MachineTree(.cache($0), machine.caches[$0].cpus) }
  }

  /// Below the outermost part that holds exactly the CPUs next to it, else below the machine.
  private mutating func attachMemoryOnly(_ innermost: [Int]) {
    for (index, node) in machine.nodes.enumerated() where !node.hasCPUs {
      var home = 0
      if let first = node.locality.first {
        var place = innermost[first]
        while place != 0 {
          if node.locality.allSatisfy({ parts[place].cpus.contains($0) }) { home = place }
          if home != 0, parts[parents[place]].cpus.count > parts[place].cpus.count { break }
          place = parents[place]
        }
      }
      parts.append(MachineTree(.node(index), []))
      parents.append(home)
    }
  }
}
