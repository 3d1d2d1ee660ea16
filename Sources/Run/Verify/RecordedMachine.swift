import Kernel
import Topology

/// The machine a recording was made on: CPUs by node, distances, memory.
///
/// Lists name CPUs, nodes and memory in their header; the distances of these guests are those of
/// a ring (20 to a neighbour, 30 across), which the recordings' own notes state. A folder with a
/// nodes.txt says all of it itself. The guests had 1 GiB of memory below 4 GiB.
package struct RecordedMachine: Sendable, Equatable {
  /// The CPUs of each node.
  package var nodes: [[Int]]
  package var distances: [[Int]]
  /// Unit: bytes, of the whole machine, spread evenly.
  package var memory: UInt64

  /// Where memory below 4 GiB ended in the recording guests. Unit: bytes.
  package static let guestLowMemoryEnd: UInt64 = 1 << 30
  /// Their memory, for recordings that do not say. Unit: bytes.
  package static let guestMemory: UInt64 = 3 << 30

  /// Nodes of CPUs in a ring.
  package init(nodes: [[Int]], memory: UInt64) {
    (self.nodes, self.memory) = (nodes, memory)
    distances = RecordedMachine.ring(nodes.count)
  }

  package init(_ guest: RecordedGuest) {
    (nodes, memory) = (guest.nodes, guest.memory)
    distances = RecordedMachine.ring(guest.nodes.count)
  }

  /// Nodes in a ring: 10 to itself, 20 to a neighbour, 10 more for each further step.
  static func ring(_ count: Int) -> [[Int]] {
    (0..<count).map { from in
      (0..<count).map { to in
        let steps = min(abs(from - to), count - abs(from - to))
        return steps == 0 ? 10 : min(10 + 10 * steps, 250)
      }
    }
  }

  /// Reads nodes.txt: `node0 cpus 0-3 distance 10 20`.
  package init(
    parsing text: String, file: String, memory: UInt64 = RecordedMachine.guestMemory
  ) throws(RecordingError) {
    (nodes, distances, self.memory) = ([], [], memory)
    for (number, line) in TextLines(text: text) {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard !words.isEmpty, !line.hasPrefix("#") else { continue }
      guard words.count >= 5, words[0] == "node\(nodes.count)", words[1] == "cpus",
        let cpus = CPURange.list(words[2]), words[3] == "distance",
        case let row = words[4...].compactMap({ Int($0) }), row.count == words.count - 4,
        row.allSatisfy({ (1...254).contains($0) })
      else {
        throw RecordingError(
          .badNodes, file: file, line: number, "`\(line.prefix(40))` describes no node",
          hint: "expected `node\(nodes.count) cpus 0-3 distance 10 20`")
      }
      nodes.append(cpus)
      distances.append(row)
    }
    let all = nodes.flatMap { $0 }.sorted()
    guard !nodes.isEmpty, nodes.count <= 64, all == Array(0..<all.count),
      distances.allSatisfy({ $0.count == nodes.count }),
      nodes.indices.allSatisfy({ distances[$0][$0] == 10 })
    else {
      throw RecordingError(
        .badNodes, file: file, "the nodes do not fit together",
        hint: "every CPU from 0 on is on one node, distances are square with 10 on the diagonal")
    }
  }

  /// Reads what the name of a recorded boot says: `6.12-8c2n`.
  package init?(folderName name: some StringProtocol) {
    guard let dash = name.lastIndex(of: "-") else { return nil }
    let parts = name[name.index(after: dash)...].split { $0 == "c" || $0 == "n" }
    guard parts.count == 2, let cpus = Int(parts[0]), let count = Int(parts[1]),
      (1...4096).contains(cpus), (1...64).contains(count), cpus % count == 0
    else { return nil }
    nodes = (0..<count).map { Array($0 * cpus / count..<($0 + 1) * cpus / count) }
    (distances, memory) = (RecordedMachine.ring(count), RecordedMachine.guestMemory)
  }

  package var cpuCount: Int { nodes.reduce(0) { $0 + $1.count } }

  /// `8 CPUs, 2 nodes, 3 GiB`.
  package var text: String {
    "\(cpuCount) CPU\(cpuCount == 1 ? "" : "s"), \(nodes.count) node\(nodes.count == 1 ? "" : "s"), "
      + "\(memory >> 30) GiB"
  }

  /// A package with one cache domain for each node, a core for each CPU: what the guests had.
  package var description: MachineDescription {
    var nodeOf = [Int](repeating: 0, count: cpuCount)
    for (node, cpus) in nodes.enumerated() { for cpu in cpus { nodeOf[cpu] = node } }
    var machine = MachineDescription(
      source: "recorded machine",
      cpus: nodeOf.enumerated().map { cpu, node in
        MachineDescription.CPU(
          osNumber: cpu, core: cpu, llc: node, die: node, package: node, node: node, thread: 0)
      },
      nodes: nodes.enumerated().map { node, cpus in
        let share = memory / UInt64(nodes.count) & ~0xF_FFFF
        let rest = node == 0 ? memory - share * UInt64(nodes.count) : 0
        return MachineDescription.Node(
          osNumber: node, memoryBytes: share + rest, hasCPUs: !cpus.isEmpty, locality: cpus)
      }, distances: distances, caches: [], defaultsUsed: [])
    machine.renumber()
    return machine
  }
}
