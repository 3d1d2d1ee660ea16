import HostTopology
import Testing
import Topology

@Suite("MachineDescription")
struct DescriptionTests {
  private func machine(_ string: String) throws -> MachineDescription {
    try HostTopology.describe(.synthetic(string))
  }

  @Test("the first N CPUs stay, their domains are numbered anew, nodes keep their memory")
  func restricted() throws {
    let whole = try machine("package:2 [numa(memory=1GiB)] l3:2 core:2 pu:2")
    let part = try whole.restricted(toFirst: 5)
    part.checkInvariants()
    #expect(part.cpus.map(\.core) == [0, 0, 1, 1, 2])
    #expect((part.packageCount, part.llcCount) == (1, 2))
    #expect(part.nodes.map(\.memoryBytes) == whole.nodes.map(\.memoryBytes))
    #expect(part.nodes.map(\.hasCPUs) == [true, false])
    #expect(part.caches.map(\.cpus) == [[0, 1, 2, 3], [4]])
    #expect(try whole.restricted(toFirst: 16) == whole)
    for count in [0, -1, 17] {
      let error = #expect(throws: TopologyError.self) { try whole.restricted(toFirst: count) }
      #expect(error?.code == .cpusOutOfRange)
    }
  }

  @Test("every restriction keeps the invariants", arguments: 1...24)
  func anyRestriction(count: Int) throws {
    let whole = try machine("package:2 numa:2 die:1 l3:3 core:2 pu:1(indexes=12*2:1*12)")
    try whole.restricted(toFirst: count).checkInvariants()
  }

  @Test("memory is spread over the nodes that have some")
  func memory() throws {
    let whole = try machine("numa:3 core:2 pu:1")
    let machine = try whole.withMemory(total: 10 << 20)
    #expect(machine.nodes.map(\.memoryBytes) == [4 << 20, 3 << 20, 3 << 20])
    #expect(machine.memoryBytes == 10 << 20)
    #expect(whole.defaultsUsed.count == machine.defaultsUsed.count + 1)
    var memoryOnly = whole
    memoryOnly.nodes[1].memoryBytes = 0
    #expect(try memoryOnly.withMemory(total: 4 << 20).nodes[1].memoryBytes == 0)
    #expect(throws: TopologyError.self) { try whole.withMemory(total: 2 << 20) }
    #expect(throws: TopologyError.self) { try whole.withMemory(total: .max) }
  }

  @Test("a node without memory takes pages from the nearest that has some")
  func nearest() throws {
    var machine = try machine("package:2 numa:2 core:2 pu:1")
    #expect(machine.nearestMemoryNode(3) == 3)
    machine.nodes[3].memoryBytes = 0
    #expect(machine.nearestMemoryNode(3) == 2)
    machine.nodes[0].memoryBytes = 0
    // Equal distances: the next node comes before the one with a lower number.
    #expect(machine.nearestMemoryNode(0) == 1)
    machine.nodes[2].memoryBytes = 0
    machine.nodes[1].memoryBytes = 0
    #expect(machine.nearestMemoryNode(0) == nil)
  }

  @Test("a memory-only node beats one with CPUs at the same distance")
  func headless() throws {
    var machine = try machine("package:3 [numa(memory=1GiB)] core:2 pu:1")
    machine.nodes[0].memoryBytes = 0
    #expect(machine.nearestMemoryNode(0) == 1)
    machine.nodes[2].hasCPUs = false
    #expect(machine.nearestMemoryNode(0) == 2)
  }

  @Test("CPU lists read what they print", arguments: ["0", "0-3", "0-3,8", "1,3-4,4095", ""])
  func lists(text: String) throws {
    if text.isEmpty {
      #expect(CPUList([Int]()).description == "")
    } else {
      #expect(try CPUList(parsing: text).description == text)
    }
  }

  @Test("CPU lists take steps, blanks, overlaps and any order")
  func steps() throws {
    #expect(try CPUList(parsing: "0-15:2/4").cpus == [0, 1, 4, 5, 8, 9, 12, 13])
    #expect(try CPUList(parsing: "8, 0-3,2-4\n").cpus == [0, 1, 2, 3, 4, 8])
    #expect(CPUList([0, 4, 8, 12]).compact == "0-12:1/4")
    #expect(try CPUList(parsing: "0-12:1/4").cpus == [0, 4, 8, 12])
  }

  @Test(
    "what is no CPU list is refused",
    arguments: [
      "", ",", "a", "3-1", "1-", "-1", "+1", "4096", "0-4096", "0-3:0/2", "0-3:3/2", "1:1/2",
    ])
  func noList(text: String) {
    let error = #expect(throws: TopologyError.self) { try CPUList(parsing: text) }
    #expect(error?.code == .badCPUList)
  }

  @Test("error codes are stable and each is explained")
  func codes() {
    #expect(TopologyError.Code.allCases.map(\.rawValue) == (101...116).map { "T\($0)" })
    #expect(TopologyError.Code.allCases.allSatisfy { $0.explanation.count > 30 })
  }
}
