import Foundation
import Kernel
import Run
import Scenario
import Simulation
import Testing

/// Same scenario, same machine, same seed: same figures, whatever shortcut is on and whoever looks.
@Suite struct DeterminismTests {
  private static let one = "pu:1"
  private static let nodes = "package:2 numa:1 core:4 pu:1"
  private static let many = "package:2 core:16 pu:2"
  private static let most = "package:8 numa:2 l3:8 core:16 pu:2"

  private static let lengths: [String: [String]] = [
    "kmalloc-storm": ["run.warmup=10us", "run.duration=100us"],
    "remote-free": ["run.duration=200us"],
    "vmalloc-shootdown": ["run.duration=5200us", "params.mappers=25%"],
    "nic-atomic": ["run.duration=2ms"],
    "slub-remote-storm": ["run.warmup=10us", "run.duration=60us"],
    "kmalloc-classes": ["run.warmup=0ns", "run.duration=200us"],
    "leak-hunt": ["run.duration=600us"],
    "bulk-network": ["run.warmup=0ns", "run.duration=600us"],
    "slab-alien-caches": ["run.warmup=0ns", "run.duration=100us"],
    "slob-small-machine": ["run.warmup=0ns", "run.duration=600us"],
    "sheaves-vs-cpu-slabs": ["run.warmup=0ns", "run.duration=100us"],
    "sleep-in-atomic": [],
  ]

  static let runs: [SwitchedRun] =
    Scenarios.bundled.flatMap { scenario in
      [one, nodes].map {
        SwitchedRun(scenario: scenario.name, machine: $0, sets: lengths[scenario.name] ?? [])
      }
    }
    + [
      SwitchedRun(
        scenario: "kmalloc-storm", machine: many, sets: ["run.warmup=0ns", "run.duration=30us"]),
      SwitchedRun(scenario: "nic-atomic", machine: many, sets: ["run.duration=1ms"]),
    ]

  @Test(arguments: runs)
  func noSwitchChangesAFigure(run: SwitchedRun) throws {
    try Self.expectSameFigures(run, SwitchedRun.Switch.allCases)
  }

  /// The storm with no chance in its times: CPUs do the same at the same picosecond, so that who
  /// goes first at equal times decides all the time.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func tiesGoToTheLowerCPUAheadOrNot(seed: UInt64) throws {
    let storm = try #require(Scenarios.bundled.first { $0.name == "kmalloc-storm" }).text
    let lockstep = storm.replacing("{uniform: [12ns, 28ns]}", with: "20ns")
      .replacing("count: 64", with: "count: 2").replacing("own: 15", with: "own: 1")
    #expect(lockstep != storm)
    let run = SwitchedRun(
      scenario: "lockstep", machine: Self.nodes,
      sets: ["run.warmup=0ns", "run.duration=60us", "run.seed=\(seed)"], text: lockstep)
    try Self.expectSameFigures(run, [.noRunAhead])
  }

  /// Workloads that a seed writes, with no care for each other's objects: threads fill, free and
  /// touch slots of the next one at any moment, twice, or in the middle of a call; among them a
  /// device that passes objects on, a mapper and a lock.
  @Test(arguments: 1...24 as ClosedRange<UInt64>)
  func carelessNeighbours(seed: UInt64) throws {
    var writer = WorkloadWriter(seed: seed)
    let run = SwitchedRun(
      scenario: "careless-\(seed)", machine: Self.nodes, sets: [], text: writer.scenario())
    try Self.expectSameFigures(run, [.noRunAhead])
  }

  /// All CPUs ask all others at once to drain their arrays: the calls come from one pool, which who
  /// runs ahead must not take from.
  @Test(arguments: [one, nodes, "numa:2 core:2 pu:1"])
  func drainsOnEveryCPUAheadOrNot(machine: String) throws {
    let text = """
      scenario: 1
      kernel: {version: "5.15", slab: slab}
      caches: {c: {size: 24B}}
      threads:
        - name: t
          on: all
          loop:
            - kmem_cache_shrink: c
            - kmem_cache_alloc: {cache: c, as: object, gfp: GFP_ATOMIC}
      run: {warmup: 0ns, duration: 30us, seed: 219}
      """
    let run = SwitchedRun(scenario: "drains", machine: machine, sets: [], text: text)
    try Self.expectSameFigures(run, [.noRunAhead])
  }

  /// A cache that another CPU uses for the first time, perhaps ahead, is shrunk.
  @Test func shrinksWhatIsFirstUsedAheadOrNot() throws {
    let text = """
      scenario: 1
      caches: {c: {size: 232B, flags: [store-user]}}
      threads:
        - name: user
          on: first
          steps:
            - kmem_cache_alloc_bulk: {cache: c, as: [one, two, three], gfp: GFP_ATOMIC}
        - name: shrinker
          on: last
          steps: [{kmem_cache_shrink: c}, {kmem_cache_shrink: c}, {work: 100ns}]
      """
    let run = SwitchedRun(scenario: "first-use", machine: Self.nodes, sets: [], text: text)
    try Self.expectSameFigures(run, [.noRunAhead])
  }

  /// Runs with each switch and compares every field with the plain run's.
  private static func expectSameFigures(
    _ run: SwitchedRun, _ switches: [SwitchedRun.Switch]
  ) throws {
    let (result, plain) = try run.result()
    let ends = run.scenario == "abba-deadlock" ? "deadlock" : "complete"
    #expect(result.ended == ends && result.events > 10, "\(run)")
    if run.scenario == "vmalloc-shootdown", result.machine.cpus <= 8 {
      #expect(result.tlb.shootdowns > 0, "\(run)")
    }
    for flag in switches {
      let (_, other) = try run.result(flag.options)
      let skipped = flag.mayChange
      guard let field = FirstDifference.between(plain, other, skipping: skipped) else { continue }
      let event = try firstDifferentEvent(run, flag)
      Issue.record("\(run), \(flag): \(field); \(event). Replay: \(run.command)")
    }
  }

  private static func firstDifferentEvent(
    _ run: SwitchedRun, _ flag: SwitchedRun.Switch
  ) throws -> String {
    let plan = try run.checked().plan
    let length = plan.settings.warmup + (plan.settings.duration ?? .zero)
    let end = Instant.zero + (length > .zero ? length : Instant(picoseconds: 1 << 40) - .zero)
    return Divergence.find(
      Divergence.machine(plan),
      Divergence.machine(plan, runsAhead: flag.options.runsAhead), until: end)
      ?? "all steps are the same, so it is how they are counted"
  }

  // MARK: Large machines

  /// Real machines of the corpus beside the package: those with no memory on many nodes, with
  /// four nodes far apart, with no caches known.
  @Test(
    arguments: [
      "kunpeng920-2s4n128c", "epyc9654-2s192c384t-cpuidonly", "xeon-e5-4640-24s24n192c384t",
    ], ["nic-atomic", "vmalloc-shootdown"])
  func realMachines(file: String, scenario: String) throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../shared/topologies/\(file).xml").standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: no ../shared/topologies/\(file).xml beside the package")
      return
    }
    let sets =
      scenario == "nic-atomic"
      ? ["run.duration=1ms"] : ["run.duration=300us", "params.mappers=5%", "params.size=64KiB"]
    let run = SwitchedRun(scenario: scenario, machine: path, sets: sets)
    try Self.expectSameFigures(run, [.noRunAhead])
    let (result, _) = try run.result()
    #expect(result.expectations.allSatisfy(\.held) && result.violations.isEmpty)
    #expect(result.machine.cpus >= 128 && result.operations.values.contains { $0.count > 0 })
  }

  /// 4,096 CPUs on 16 nodes.
  @Test(arguments: Scenarios.bundled.map(\.name))
  func theLargestMachine(scenario: String) throws {
    let short = [
      "kmalloc-storm": ["run.warmup=0ns", "run.duration=4us"],
      "remote-free": ["run.warmup=0ns", "run.duration=20us"],
      "vmalloc-shootdown": ["run.duration=60us", "params.mappers=1%", "params.size=16KiB"],
      "vmalloc-example": ["run.duration=1ms"],
      "nic-atomic": ["run.warmup=0ns", "run.duration=200us"],
      "slub-remote-storm": ["run.warmup=0ns", "run.duration=10us", "params.slots=16"],
      "kmalloc-classes": ["run.warmup=0ns", "run.duration=20us"],
      "leak-hunt": ["run.duration=6us"],
      "bulk-network": ["run.warmup=0ns", "run.duration=100us"],
      "slab-alien-caches": ["run.warmup=0ns", "run.duration=10us"],
      "slob-small-machine": ["run.warmup=0ns", "run.duration=20us"],
      "sheaves-vs-cpu-slabs": ["run.warmup=0ns", "run.duration=10us"],
    ]
    let run = SwitchedRun(
      scenario: scenario, machine: Self.most, sets: short[scenario] ?? [])
    try Self.expectSameFigures(run, [.noRunAhead])
    let (result, _) = try run.result()
    #expect(result.machine.cpus == 4096 && result.machine.nodes == 16)
    let hasLocked = result.locks.contains { $0.acquisitions > 0 }
    #expect(hasLocked || result.operations.values.contains { $0.count > 0 }, "\(run)")
  }

  // MARK: The tests' own tools

  /// Two seeds part where the first number is drawn, and that is found to the picosecond.
  @Test func theFirstDifferentEventIsFound() throws {
    let run = Self.runs.first { $0.scenario == "kmalloc-storm" && $0.machine == Self.nodes }
    var plan = try #require(try run?.checked().plan)
    let first = Divergence.machine(plan)
    plan.settings.seed += 1
    let end = Instant(picoseconds: 50_000_000)
    let second = Divergence.machine(plan)
    let found = Divergence.find(first, second, until: end) ?? "nothing"
    #expect(found.hasPrefix("the first different step is asked for by CPU "))
    #expect(found.contains("program"), "\(found)")
    let same = Divergence.find(
      Divergence.machine(plan), Divergence.machine(plan, runsAhead: false), until: end)
    #expect(same == nil)
  }

  @Test func theFirstDifferentFieldIsNamed() {
    let a: [String: Any] = ["a": 1, "b": ["x": [1, 2, 3], "y": "s"], "events": 1]
    let b: [String: Any] = ["a": 1, "b": ["x": [1, 2, 4], "y": "t"], "events": 2]
    #expect(FirstDifference.between(a, b) == "b.x[2] is 3 and 4")
    #expect(FirstDifference.between(a, a) == nil)
    #expect(FirstDifference.between(["a": [1]], ["a": [1, 2]]) == "a has 1 and 2 elements")
    #expect(FirstDifference.between(["a": 1], ["c": 1]) == "a is in one of the results only")
    #expect(FirstDifference.between(["e": 1, "f": 2], ["e": 2, "f": 2], skipping: ["e"]) == nil)
  }
}
