import Foundation
import HostTopology
import Kernel
import Testing
import Topology

@testable import Scenario

@Suite struct BundledTests {
  static let machines = [
    "pu:1", "core:2 pu:1", "package:2 core:2 pu:2", "package:2 numa:2 l3:2 core:4 pu:2",
    "package:8 numa:2 l3:8 core:16 pu:2",
  ]

  /// Goal: every bundled scenario is good on one CPU, on two, on nodes, on 4,096 CPUs.
  @Test(arguments: Scenarios.bundled.map(\.name), machines)
  func isGoodEverywhere(name: String, machine: String) throws {
    var overrides = Overrides()
    overrides.machine = machine
    let checked = try Scenarios.load(name, overrides)
    #expect(checked.plan.name == name)
    #expect(!checked.plan.program.threads.isEmpty)
    #expect(!checked.expectations.isEmpty)
  }

  @Test(arguments: Scenarios.bundled.map(\.name))
  func isGoodOnThisHost(name: String) throws { _ = try Scenarios.load(name) }

  /// Machines whose nodes have no memory, or no CPUs.
  @Test func isGoodOnRealMachines() throws {
    let folder = repository.appending(path: "../shared/topologies")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    if names.isEmpty { print("skipped: no ../shared/topologies") }
    for name in names.sorted() where name.hasSuffix(".xml") {
      let path = folder.appending(path: name).path
      guard (try? HostTopology.describe(.file(path))) != nil else { continue }
      var overrides = Overrides()
      overrides.machine = path
      for scenario in Scenarios.bundled {
        #expect(throws: Never.self, "\(scenario.name) on \(name)") {
          try Scenarios.load(scenario.name, overrides)
        }
      }
    }
  }

  /// Goal: what is embedded is what lies in Scenarios/examples, no more and no less.
  @Test func folderAndProgramAgree() throws {
    let folder = repository.appending(path: "Scenarios/examples")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".yaml") }.sorted()
    #expect(files == Scenarios.bundled.map { "\($0.name).yaml" }.sorted())
    for scenario in Scenarios.bundled {
      let url = folder.appending(path: "\(scenario.name).yaml")
      #expect(try String(contentsOf: url, encoding: .utf8) == scenario.text)
      #expect(scenario.title != scenario.name)
    }
  }

  /// Goal: the benchmark's turn is as few ops as can be: five when it frees, and six when it fills:
  /// a slot that the neighbour is filling is neither full nor empty.
  @Test func stormIsShort() throws {
    var overrides = Overrides()
    overrides.machine = "core:4 pu:1"
    let plan = try Scenarios.load("kmalloc-storm", overrides).plan
    #expect(
      plan.program.code.map { "\($0)" } == [
        "work(distribution: 0)", "pick(0)",
        "whenFull(Kernel.SlotRef(raw: -1), otherwise: 5)",
        "free(Kernel.FreeAPI.kfree, Kernel.SlotRef(raw: -1), operation: 0)", "jump(0)",
        "whenEmpty(Kernel.SlotRef(raw: -1), otherwise: 0)",
        "allocate(0, into: Kernel.SlotRef(raw: -1))", "jump(0)",
      ])
    #expect(plan.program.distributions[0] == .uniform(from: 12_000, through: 28_000))
    #expect(plan.program.distributions[1] == .constant(256))
    #expect(plan.program.picks[0].count == 64)
    #expect(plan.program.picks[0].own == 15)
    #expect(plan.program.picks[0].next == 1)
    #expect(plan.program.threads.map(\.cpu) == [0, 1, 2, 3])
    #expect(plan.program.operations == ["kfree", "kmalloc(256)"])
  }

  /// Goal: a dropped packet gives back what it has, counts, and ends its turn.
  @Test func nicDropsCleanly() throws {
    let program = try Scenarios.load("nic-atomic").plan.program
    let second = program.allocations[1]
    #expect(second.api == .kmemCacheAlloc)
    #expect(second.gfp == .atomic)
    let exit = Int(second.onFailure)
    guard case .whenFull(let asked, let otherwise) = program.code[exit],
      case .free(.kfree, let freed, _) = program.code[exit + 1],
      case .count(let counter) = program.code[exit + 2],
      case .jump(let end) = program.code[exit + 3], case .end = program.code[Int(end)]
    else {
      Issue.record("\(program.code[exit...])")
      return
    }
    #expect(asked == freed)
    #expect(Int(otherwise) == exit + 2)
    #expect(program.counters[Int(counter)] == "drops.eth0-rx")
    #expect(program.sources[0].softirq == .netRX)
    #expect(program.sources[0].unitsPerArrival == 4)
    #expect(program.distributions[program.sources[0].interval] == .exponential(mean: 10_000_000))
  }
}
