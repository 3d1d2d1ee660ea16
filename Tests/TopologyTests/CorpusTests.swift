import HostTopology
import Testing
import Topology

@Suite("Machines of the corpus agree with hwloc's own tools")
struct CorpusTests {
  @Test("counts of packages, nodes, cores and CPUs", arguments: Corpus.readable)
  func counts(_ expected: Corpus.Expected) throws {
    let machine = try HostTopology.describe(.file(Corpus.path(expected.name)))
    #expect(machine.cpus.count == expected.pu)
    #expect(machine.coreCount == expected.core)
    #expect(machine.packageCount == expected.package)
    #expect(machine.nodes.count == expected.numanode)
  }

  @Test("caches by level", arguments: Corpus.readable)
  func caches(_ expected: Corpus.Expected) throws {
    let machine = try HostTopology.describe(.file(Corpus.path(expected.name)))
    func count(_ level: Int, _ kinds: MachineDescription.Cache.Kind...) -> Int? {
      let count = machine.caches.count { $0.level == level && kinds.contains($0.kind) }
      return count == 0 ? nil : count
    }
    #expect(count(3, .unified, .data) == expected.objects["L3Cache"])
    #expect(count(2, .unified, .data) == expected.objects["L2Cache"])
    #expect(count(1, .unified, .data) == expected.objects["L1dCache"])
    #expect(count(1, .instruction) == expected.objects["L1iCache"])
    #expect(count(0, .memorySide) == expected.objects["MemCache"])
    #expect(machine.caches.allSatisfy { !$0.cpus.isEmpty && $0.size > 0 })
  }

  @Test("numbers, memory and CPUs of the nodes", arguments: Corpus.readable)
  func nodes(_ expected: Corpus.Expected) throws {
    let machine = try HostTopology.describe(.file(Corpus.path(expected.name)))
    for node in machine.nodes {
      let oracle = try #require(expected.nodes.first { $0.os_index == node.osNumber })
      let isKnown = expected.nodes.contains { $0.local_memory > 0 }
      #expect(node.memoryBytes == (isKnown ? oracle.local_memory : Defaults.nodeMemory))
      #expect(node.locality.map { machine.cpus[$0].osNumber } == Corpus.numbers(oracle.cpuset))
    }
    #expect(machine.nodes.map(\.osNumber) == machine.nodes.map(\.osNumber).sorted())
  }

  @Test("distances, with nodes in the order of their OS numbers", arguments: Corpus.readable)
  func distances(_ expected: Corpus.Expected) throws {
    let machine = try HostTopology.describe(.file(Corpus.path(expected.name)))
    guard let oracle = expected.distances else {
      #expect(machine.nodes.count == 1)
      return
    }
    let logical = expected.logicalNodes(visible: machine.nodes.map(\.osNumber))
    let printed = expected.distanceOrder.map { logical[$0] }
    for (row, from) in machine.nodes.enumerated() {
      for (column, to) in machine.nodes.enumerated() {
        let i = try #require(printed.firstIndex(of: from.osNumber))
        let j = try #require(printed.firstIndex(of: to.osNumber))
        #expect(machine.distances[row][column] == oracle[i][j])
      }
    }
  }

  private func machine(_ prefix: String) throws -> MachineDescription? {
    guard let file = Corpus.readable.first(where: { $0.name.hasPrefix(prefix) }) else {
      return nil
    }
    return try HostTopology.describe(.file(Corpus.path(file.name)))
  }

  @Test("hmat-nvm shows six of its eleven nodes, two of them without CPUs")
  func disallowedNodes() throws {
    guard let machine = try machine("hmat-nvm") else { return }
    #expect(machine.nodes.map(\.osNumber) == [5, 6, 7, 8, 9, 10])
    #expect(machine.nodes.map(\.hasCPUs) == [true, true, false, true, true, false])
    #expect(machine.cpus(ofNode: 0) == [0, 1])
    #expect(machine.nodes[2].locality.count == 4)
  }

  @Test("dgx2's allowed set keeps the firmware's numbers")
  func allowedSet() throws {
    guard let machine = try machine("dgx2") else { return }
    #expect(machine.cpus.map(\.osNumber) == [0, 1, 24, 25])
    #expect(machine.cpus.map(\.package) == [0, 0, 1, 1])
  }

  @Test("power7 has sparse node numbers, four threads a core, packages inside of nodes")
  func sparse() throws {
    guard let machine = try machine("power7") else { return }
    #expect(machine.nodes.map(\.osNumber) == [0, 1, 4, 5, 8, 9, 12, 13])
    #expect(machine.threadsPerCore == 4)
    #expect(machine.cpus[37].node == 1)
  }

  @Test("kunpeng920 has clusters of four cores below an L3 of thirty-two")
  func clusters() throws {
    guard let machine = try machine("kunpeng920") else { return }
    #expect((machine.llcCount, machine.dieCount) == (4, 32))
    #expect(machine.distance(0, 127) == 33)
  }

  @Test("epyc9654 gives neither memory nor distances, and the description says so")
  func defaults() throws {
    guard let machine = try machine("epyc9654") else { return }
    #expect(machine.llcCount == 24)
    #expect(machine.nodes.map(\.memoryBytes) == [Defaults.nodeMemory])
    #expect(machine.defaultsUsed.count == 1)
    #expect(machine.defaultsUsed[0].contains("memory"))
  }

  @Test("XML of format 3.0 is refused with the command that converts it")
  func format3() throws {
    guard let file = Corpus.expected.first(where: { $0.name.hasPrefix("xmlv3") }) else { return }
    let error = #expect(throws: TopologyError.self) {
      try HostTopology.describe(.file(Corpus.path(file.name)))
    }
    #expect(error?.code == .xmlVersion)
    #expect(error?.message.contains("3.0") == true)
    #expect(error?.hint.contains("--export-xml-flags v2") == true)
  }
}
