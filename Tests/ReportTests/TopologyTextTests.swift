import Foundation
import HostTopology
import Report
import Testing
import Topology

@Suite("kmemu topology")
struct TopologyTextTests {
  private func machine(_ string: String) throws -> MachineDescription {
    try HostTopology.describe(.synthetic(string))
  }

  /// The lines from `Machine` to the next blank one.
  private func drawing(_ machine: MachineDescription) -> String {
    let lines = TopologyText.render(machine).split(
      separator: "\n", omittingEmptySubsequences: false)
    return lines.drop { $0 != "Machine" }.prefix { !$0.isEmpty }.joined(separator: "\n")
  }

  @Test("siblings that look alike are drawn once, with numbers where they are clear")
  func alike() throws {
    let machine = try machine(
      "package:2 [numa(memory=8GiB)] l3:2(size=16MiB) l2:4(size=1MiB) core:1 pu:2")
    #expect(
      drawing(machine) == """
        Machine
        └─ 2 x Package 0-1 + NUMA node 0-1 (8 GiB each)
           └─ 2 x L3 16 MiB
              └─ 4 x L2 1 MiB + Core (2 threads)
        """)
  }

  @Test("what differs is drawn by itself")
  func unlike() throws {
    let machine = try machine("package:2 [numa(memory=8GiB)] core:3 pu:2").restricted(toFirst: 9)
    #expect(
      drawing(machine) == """
        Machine
        ├─ Package 0 + NUMA node 0 (8 GiB)
        │  └─ 3 x Core 0-2 (2 threads)
        └─ Package 1 + NUMA node 1 (8 GiB)
           ├─ Core 3 (2 threads)
           └─ Core 4
        """)
  }

  @Test("memory-only nodes are leaves of what they serve")
  func memoryOnly() throws {
    let machine = try machine("package:2 [numa(memory=8GiB)] [numa(memory=64GiB)] core:2 pu:1")
    #expect(
      drawing(machine) == """
        Machine
        └─ 2 x Package 0-1
           ├─ NUMA node (64 GiB, memory only)
           └─ NUMA node (8 GiB)
              └─ 2 x Core
        """)
    #expect(TopologyText.render(machine).contains("memory only, near 2-3"))
  }

  @Test("memory that is about the same counts as the same and is given as a range")
  func memoryRange() throws {
    var machine = try machine("numa:4(memory=16GiB) core:2 pu:1")
    machine.nodes[1].memoryBytes = 15 << 30
    #expect(drawing(machine).contains("4 x Package 0-3 + NUMA node 0-3 (15 GiB to 16 GiB each)"))
    machine.nodes[1].memoryBytes = 1 << 30
    #expect(drawing(machine).contains("NUMA node 1 (1 GiB)"))
  }

  @Test(
    "no line is longer than 80 characters",
    arguments: [
      "package:8 numa:2 l3:8 core:16 pu:2", "numa:256 core:16 pu:1", "package:24 core:8 pu:2",
      "package:20 [numa] core:8 pu:2", "group:3 package:2 [numa] die:2 l3:2 l2:2 l1:1 l1i:1 pu:3",
      "pu:1", "numa:2 pu:512(indexes=2*512:1*2)",
    ])
  func width(string: String) throws {
    let machine = try machine(string)
    for line in TopologyText.render(machine).split(separator: "\n") {
      #expect(line.count <= 80, "\(line)")
    }
    #expect(TopologyText.render(machine).count < 6000)
  }

  @Test("sparse CPU numbers that do not fit are continued on the next line")
  func longLists() throws {
    let numbers = (0..<64).map { "\($0 * $0)" }.joined(separator: ",")
    let machine = try machine("numa:1 core:64 pu:1(indexes=\(numbers))")
    let lines = TopologyText.render(machine).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 80 })
    #expect(TopologyText.render(machine).contains("3969"))
  }

  @Test("many nodes are summed up by distance")
  func manyNodes() throws {
    let text = TopologyText.render(try machine("package:16 numa:2 core:2 pu:1"))
    #expect(text.contains("      21             960  2-31\n"))
  }

  @Test("defaults are told, and nothing is told when none was used")
  func defaults() throws {
    #expect(TopologyText.render(try machine("core:2 pu:1")).contains("assumed\n  The source"))
    let full = try machine("package:1 [numa(memory=1GiB)] l3:1(size=1MiB) core:2 pu:1")
    #expect(!TopologyText.render(full).contains("assumed"))
  }

  @Test("JSON parses and has the contract's names")
  func json() throws {
    let machine = try machine("package:2 numa:2 l3:2 core:4 pu:2")
    let object = try JSONSerialization.jsonObject(with: Data(TopologyJSON.render(machine).utf8))
    let json = try #require(object as? [String: Any])
    #expect(json["schema"] as? String == "kmemu.topology/1")
    #expect(json["packages"] as? Int == 2)
    #expect(json["nodes"] as? Int == 4)
    #expect(json["cores"] as? Int == 32)
    #expect(json["cpus"] as? Int == 64)
    #expect(json["distances"] as? [[Int]] == machine.distances)
    #expect(json["memory_bytes"] as? [Int] == Array(repeating: 16 << 30, count: 4))
    #expect((json["defaults_used"] as? [String])?.count == 3)
    let caches = try #require(json["caches"] as? [[String: Any]])
    #expect(caches.count == 8)
    #expect(caches[1]["level"] as? Int == 3)
    #expect(caches[1]["size"] as? Int == 16 << 20)
    #expect(caches[1]["cpus"] as? [Int] == Array(8..<16))
    let tree = try #require(json["tree"] as? [String: Any])
    #expect((tree["children"] as? [Any])?.count == 2)
  }
}
