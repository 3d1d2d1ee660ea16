import Foundation
import HostTopology
import Topology

/// XML files of real machines that lie beside the repository, with hwloc's own answers.
enum Corpus {
  /// What hwloc's tools say of one file.
  struct Expected: Decodable, CustomStringConvertible {
    struct Node: Decodable {
      let os_index: Int
      let local_memory: UInt64
      let cpuset: String
    }
    let file: String
    let package, numanode, core, pu: Int
    let nodes: [Node]
    let objects: [String: Int]
    let distances_text: [String]?

    var description: String { name }
    var name: String { String(file.split(separator: "/").last ?? "") }

    /// The logical indexes in the order in which the matrix has them.
    var distanceOrder: [Int] {
      distances_text?[1].split(separator: " ").compactMap { Int($0) } ?? []
    }

    /// OS numbers in hwloc's logical order: that of the file, but a node that is attached to a
    /// larger object comes behind the nodes inside of it.
    func logicalNodes(visible: [Int]) -> [Int] {
      let shown = nodes.filter { visible.contains($0.os_index) }
      let sets = shown.map { Set(Corpus.numbers($0.cpuset)) }
      let keys = sets.indices.map { node in
        (last: sets.indices.last { sets[$0].isSubset(of: sets[node]) } ?? node, sets[node].count)
      }
      return shown.indices.sorted { keys[$0] < keys[$1] }.map { shown[$0].os_index }
    }

    var distances: [[Int]]? {
      guard let distances_text else { return nil }
      return distances_text.dropFirst(2).map { line in
        line.split(separator: " ").dropFirst().compactMap { Int($0) }
      }
    }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let folder = root.appendingPathComponent("../shared/topologies").standardized

  static let expected: [Expected] = {
    do {
      let data = try Data(contentsOf: folder.appendingPathComponent("expected.json"))
      return try JSONDecoder().decode([Expected].self, from: data)
    } catch {
      print("skipped: no ../shared/topologies beside the package (\(error.localizedDescription))")
      return []
    }
  }()

  /// Files that hwloc 2 can read.
  static let readable = expected.filter { !$0.name.hasPrefix("xmlv3") }

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  static func own(_ name: String) -> String {
    root.appendingPathComponent("Tests/TopologyTests/Files/\(name)").path
  }

  /// Numbers in a set that hwloc printed: `0x1,,0xff`.
  static func numbers(_ set: String) -> [Int] {
    var numbers: [Int] = []
    for (word, part) in set.split(separator: ",", omittingEmptySubsequences: false).reversed()
      .enumerated()
    {
      let bits = UInt32(part.dropFirst(2), radix: 16) ?? 0
      numbers += (0..<32).filter { bits & (1 << $0) != 0 }.map { word * 32 + $0 }
    }
    return numbers
  }
}
