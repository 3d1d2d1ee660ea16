import HostTopology
import Testing
import Topology

@Suite("Synthetic strings")
struct SyntheticTests {
  @Test("the largest machine: 4,096 CPUs in eight packages")
  func largest() throws {
    let machine = try HostTopology.describe(.synthetic("package:8 numa:2 l3:8 core:16 pu:2"))
    #expect(machine.cpus.count == 4096)
    #expect((machine.packageCount, machine.nodes.count) == (8, 16))
    #expect((machine.llcCount, machine.coreCount) == (128, 2048))
    #expect(machine.distances[0][1] == Defaults.distanceWithinPackage)
    #expect(machine.distances[0][2] == Defaults.distanceAcrossPackages)
    #expect(machine.nodes.allSatisfy { $0.memoryBytes == Defaults.nodeMemory })
    #expect(machine.defaultsUsed.count == 3)
  }

  @Test("nodes outside of packages")
  func nodesOutside() throws {
    let machine = try HostTopology.describe(.synthetic("numa:2 package:1 core:8 pu:2"))
    #expect((machine.cpus.count, machine.coreCount) == (32, 16))
    #expect((machine.packageCount, machine.nodes.count) == (2, 2))
    #expect(machine.cpus(ofNode: 1) == Array(16..<32))
    #expect(machine.cpus[17].thread == 1)
  }

  @Test("memory that the string gives is taken, GB being decimal")
  func memory() throws {
    let machine = try HostTopology.describe(
      .synthetic("package:2 [numa(memory=8GB)] l3:1(size=32MiB) core:4 pu:1"))
    #expect(machine.nodes.map(\.memoryBytes) == [8_000_000_000, 8_000_000_000])
    #expect(machine.caches.map(\.size) == [32 << 20, 32 << 20])
    #expect(machine.defaultsUsed == [Defaults.distanceSentence])
  }

  @Test("two nodes at one place: the first by number is the CPUs' own")
  func highBandwidthMemory() throws {
    let machine = try HostTopology.describe(
      .synthetic("package:1 [numa(memory=64GiB)] [numa(memory=16GiB)] core:4 pu:1"))
    #expect(machine.nodes.map(\.hasCPUs) == [true, false])
    #expect(machine.nodes.map(\.locality) == [[0, 1, 2, 3], [0, 1, 2, 3]])
  }

  @Test("CPUs alone make a machine: defaults for all the rest, each said")
  func bare() throws {
    let machine = try HostTopology.describe(.synthetic("pu:3"))
    #expect((machine.cpus.count, machine.coreCount) == (3, 3))
    #expect((machine.packageCount, machine.llcCount, machine.nodes.count) == (1, 1, 1))
    #expect(machine.defaultsUsed.count == 4)
  }

  @Test(
    "what is no machine is refused with what is wrong",
    arguments: [
      ("", "empty"), ("bogus", "bogus"), ("bogus:2 pu:1", "bogus"), ("package:2 core", "core"),
      ("package:0 pu:1", "0"), ("package:-1 pu:1", "-1"), ("core:2 (pu:1", "open"),
      ("core:2) pu:1", "closes"), ("pu:2 core:2", "core"),
      ("package:2 l3:2(size=abc) pu:2", "hwloc"),
      ("pu:2(indexes=4000000000,1)", "4000000000"), ("päckage:2 pu:1", "ASCII"),
      ("numa:2 [numa] pu:2", "hwloc"), ("package:99999999999999999999 pu:1", "9999"),
    ])
  func refused(string: String, word: String) {
    let error = #expect(throws: TopologyError.self) {
      try HostTopology.describe(.synthetic(string))
    }
    #expect(error?.code == .badSynthetic)
    #expect(error?.message.contains(word) == true)
  }

  @Test("limits are named, and nothing is built before they are checked")
  func limits() {
    for (string, code) in [
      ("package:100000 core:100000 pu:4", TopologyError.Code.tooManyCPUs),
      ("pu:4097", .tooManyCPUs), ("numa:257 pu:1", .tooManyNodes),
      ("numa:2(memory=5TiB) pu:1", .tooMuchMemory),
      ("numa:2(memory=99999999999999999999) pu:1", .tooMuchMemory),
    ] {
      let error = #expect(throws: TopologyError.self) {
        try HostTopology.describe(.synthetic(string))
      }
      #expect(error?.code == code, "\(string)")
    }
  }

  /// Goal: no string ends the process.
  @Test("random strings are machines or refused", arguments: [1, 2, 3] as [UInt64])
  func random(seed: UInt64) {
    let pieces = [
      "package", "numa", "l3", "l2", "l1i", "core", "pu", "die", "group", ":", ":", ":", " ", " ",
      " ", "2", "3", "1", "0", "(", ")", "[", "]", "[numa(memory=1GiB)]", "(size=1MiB)", ",", "*",
      "indexes=", "(indexes=1,1,5)", "(indexes=2*2:1*2)", "memory=", "-", "package:2 ", "pu:2",
      "core:3 ", "l3:1 ", "[numa] ", "x",
    ]
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    for _ in 0..<1000 {
      var string = ""
      for _ in 0..<(state % 12 + 1) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        string += pieces[Int((state >> 33) % UInt64(pieces.count))]
      }
      _ = try? HostTopology.describe(.synthetic(string))
    }
  }
}
