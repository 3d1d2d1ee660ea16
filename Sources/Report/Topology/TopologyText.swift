import Topology

/// `kmemu topology` as text: a summary, the drawing, and tables of nodes, distances and caches.
package enum TopologyText {
  /// Rows that a table of nodes or distances may have; a larger one is summed up.
  private static let rowsMax = 24

  package static func render(_ machine: MachineDescription) -> String {
    var drawing = TopologyDrawing(machine)
    var sections = [summary(machine), drawing.text(), nodes(machine)]
    if machine.nodes.count > 1 { sections.append(distances(machine)) }
    if !machine.caches.isEmpty { sections.append(caches(machine)) }
    if !machine.defaultsUsed.isEmpty {
      sections.append(
        "assumed\n"
          + machine.defaultsUsed.map {
            "  " + TextLayout.wrapped($0, indent: 2, width: TextLayout.width - 2) + "\n"
          }.joined())
    }
    return sections.joined(separator: "\n")
  }

  /// `2 packages, 4 nodes, 128 cores, 128 CPUs, 503 GiB`.
  package static func counts(_ machine: MachineDescription) -> String {
    func count(_ number: Int, _ noun: String) -> String {
      "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
    return [
      count(machine.packageCount, "package"), count(machine.nodes.count, "node"),
      count(machine.coreCount, "core"), count(machine.cpus.count, "CPU"),
      TextLayout.bytes(machine.memoryBytes),
    ].joined(separator: ", ")
  }

  private static func summary(_ machine: MachineDescription) -> String {
    TextLayout.wrapped(machine.source) + "\n" + TextLayout.wrapped(counts(machine)) + "\n"
  }

  private static func nodes(_ machine: MachineDescription) -> String {
    let own = machine.nodes.indices.map { machine.cpus(ofNode: $0) }
    guard machine.nodes.count <= rowsMax else { return manyNodes(machine, own) }
    let rows = machine.nodes.enumerated().map { index, node in
      [
        "\(node.osNumber)", packages(machine, node.hasCPUs ? own[index] : node.locality),
        TextLayout.bytes(node.memoryBytes), "\(own[index].count)",
        own[index].isEmpty ? memoryOnly(machine, node) : cpuList(machine, own[index]),
      ]
    }
    return TextLayout.table(
      ["node", "package", "memory", "CPUs", "which"], rows, left: [4])
  }

  /// One row for each kind of node.
  private static func manyNodes(_ machine: MachineDescription, _ own: [[Int]]) -> String {
    var kinds: [(memory: String, cpus: Int, nodes: [Int])] = []
    for (index, node) in machine.nodes.enumerated() {
      let memory = TextLayout.bytes(node.memoryBytes)
      let known = kinds.firstIndex { $0.memory == memory && $0.cpus == own[index].count }
      if let known {
        kinds[known].nodes.append(node.osNumber)
      } else {
        kinds.append((memory, own[index].count, [node.osNumber]))
      }
    }
    let rows = kinds.map { kind in
      ["\(kind.nodes.count)", kind.memory, "\(kind.cpus)", CPUList(kind.nodes).compact]
    }
    return TextLayout.table(["nodes", "memory each", "CPUs each", "which"], rows, left: [3])
  }

  private static func packages(_ machine: MachineDescription, _ cpus: [Int]) -> String {
    cpus.isEmpty ? "-" : CPUList(cpus.map { machine.cpus[$0].package }).compact
  }

  private static func cpuList(_ machine: MachineDescription, _ cpus: [Int]) -> String {
    CPUList(cpus.map { machine.cpus[$0].osNumber }).compact
  }

  private static func memoryOnly(
    _ machine: MachineDescription, _ node: MachineDescription.Node
  ) -> String {
    node.locality.isEmpty
      ? "memory only" : "memory only, near \(cpuList(machine, node.locality))"
  }

  private static func distances(_ machine: MachineDescription) -> String {
    let numbers = machine.nodes.map { "\($0.osNumber)" }
    let digits = (machine.distances.joined().map { "\($0)" } + numbers).map(\.count).max() ?? 2
    let isWide = "distance".count + (digits + 1) * numbers.count > TextLayout.width
    guard numbers.count <= rowsMax, !isWide else { return manyDistances(machine) }
    // Two blanks between columns as long as they fit.
    let gap = "distance".count + (digits + 2) * numbers.count <= TextLayout.width ? 2 : 1
    let head = "distance" + numbers.map { TextLayout.right($0, digits + gap) }.joined() + "\n"
    return head
      + machine.distances.indices.map { row in
        TextLayout.right(numbers[row], "distance".count)
          + machine.distances[row].map { TextLayout.right("\($0)", digits + gap) }.joined() + "\n"
      }.joined()
  }

  /// How often each distance occurs, and what the first node sees.
  private static func manyDistances(_ machine: MachineDescription) -> String {
    let all = machine.distances.joined()
    let values = Set(all).sorted()
    let first = machine.nodes[0].osNumber
    let rows = values.map { value in
      let seen = machine.nodes.indices.filter { machine.distances[0][$0] == value }
      let list = CPUList(seen.map { machine.nodes[$0].osNumber }).compact
      return ["\(value)", "\(all.count { $0 == value })", seen.isEmpty ? "-" : list]
    }
    return TextLayout.table(
      ["distance", "pairs of nodes", "from node \(first) to"], rows, left: [2])
  }

  /// One row for each kind of cache, the last level first.
  private static func caches(_ machine: MachineDescription) -> String {
    var kinds: [(example: MachineDescription.Cache, count: Int)] = []
    for cache in machine.caches {
      let known = kinds.firstIndex {
        $0.example.level == cache.level && $0.example.kind == cache.kind
          && $0.example.size == cache.size && $0.example.cpus.count == cache.cpus.count
          && $0.example.lineSize == cache.lineSize
      }
      if let known {
        kinds[known].count += 1
      } else {
        kinds.append((cache, 1))
      }
    }
    kinds.sort {
      (-$0.example.level, $0.example.kind.rawValue) < (-$1.example.level, $1.example.kind.rawValue)
    }
    let rows = kinds.map { kind, count in
      [
        TopologyDrawing.name(kind), kind.size > 0 ? TextLayout.bytes(kind.size) : "-",
        kind.lineSize > 0 ? "\(kind.lineSize) B" : "-", "\(count)", "\(kind.cpus.count)",
      ]
    }
    return TextLayout.table(["cache", "size", "line", "count", "CPUs each"], rows, left: [0])
  }
}
