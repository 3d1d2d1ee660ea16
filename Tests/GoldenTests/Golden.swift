import Foundation
import HostTopology
import Run
import Scenario
import Topology

/// A run whose figures are kept in Scenarios/fingerprints.csv.
struct GoldenRun: Sendable, CustomStringConvertible {
  let scenario: String
  /// An hwloc synthetic string: the host's own machine would differ from host to host.
  let machine: String
  let seed: UInt64
  /// What `--set` says, to keep a debug build's time short.
  let sets: [String]

  var description: String { "\(scenario) on \(machine), seed \(seed)" }

  /// The same run by hand.
  var command: String {
    let sets = sets.map { " --set \($0)" }.joined()
    return "kmemu run \(scenario) --machine \"\(machine)\" --seed \(seed)\(sets)"
  }

  func result() throws -> RunResult {
    var overrides = Overrides()
    (overrides.machine, overrides.seed, overrides.sets) = (machine, "\(seed)", sets)
    let checked = try Scenarios.load(scenario, overrides)
    var runner = Runner(checked.plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    return checked.judge(runner.result(wallS: 1))
  }

  // MARK: Which runs

  private static let one = "pu:1"
  private static let nodes = "package:2 numa:2 core:4 pu:2"
  private static let many = "package:2 core:32 pu:1"

  /// Short, and still long enough for what each scenario is about: slow paths, remote frees, a
  /// purge with its shootdown.
  private static let lengths: [String: [String]] = [
    "kmalloc-storm": ["run.warmup=10us", "run.duration=40us"],
    "remote-free": ["run.duration=300us"],
    "vmalloc-shootdown": ["params.mappers=5%", "run.duration=8ms"],
    "slub-remote-storm": ["run.warmup=10us", "run.duration=100us"],
    "kmalloc-classes": ["run.warmup=10us", "run.duration=300us"],
    "bulk-network": ["run.duration=1ms"],
    "slab-alien-caches": ["run.warmup=10us", "run.duration=200us"],
    "slob-small-machine": ["run.warmup=10us", "run.duration=2ms"],
    "sheaves-vs-cpu-slabs": ["run.warmup=10us", "run.duration=200us"],
    "leak-hunt": ["run.duration=1ms"],
    "nic-atomic": ["run.duration=2ms"],
  ]

  /// Every bundled scenario on one CPU and on nodes with sibling threads, some on 64 CPUs, one
  /// with other seeds.
  static let all: [GoldenRun] = Scenarios.bundled.flatMap { scenario in
    let sets = lengths[scenario.name] ?? []
    var runs = [one, nodes].map {
      GoldenRun(scenario: scenario.name, machine: $0, seed: 1, sets: sets)
    }
    if ["kmalloc-storm", "remote-free", "nic-atomic"].contains(scenario.name) {
      runs.append(GoldenRun(scenario: scenario.name, machine: many, seed: 1, sets: sets))
      runs.append(GoldenRun(scenario: scenario.name, machine: nodes, seed: 2, sets: sets))
    }
    return runs
  }
}

/// What of a run is kept: a line of Scenarios/fingerprints.csv.
struct GoldenRow: Equatable {
  let key: String
  var events: String
  var timeNs: String
  var fingerprint: String
  var violations: String

  init(_ run: GoldenRun, _ result: RunResult) {
    key = Self.key(of: run)
    (events, timeNs) = ("\(result.events)", "\(result.timeNs)")
    (fingerprint, violations) = (result.fingerprint, "\(result.violationCount)")
  }

  static func key(of run: GoldenRun) -> String {
    "\(run.scenario),\(run.machine),\(run.seed),\(run.sets.joined(separator: " "))"
  }

  // MARK: The file

  static let head = "scenario,machine,seed,set,events,time_ns,fingerprint,violations"
  var line: String { "\(key),\(events),\(timeNs),\(fingerprint),\(violations)" }

  init?(line: some StringProtocol) {
    let cells = String(line).split(separator: ",", omittingEmptySubsequences: false).map(
      String.init)
    guard cells.count == 8 else { return nil }
    key = cells[..<4].joined(separator: ",")
    (events, timeNs, fingerprint, violations) = (cells[4], cells[5], cells[6], cells[7])
  }

  static let file = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Scenarios/fingerprints.csv")

  /// By key; throws where there is no file.
  static func read() throws -> [String: GoldenRow] {
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    let rows = lines.dropFirst().compactMap { GoldenRow(line: $0) }
    return Dictionary(rows.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
  }

  static func write(_ rows: [GoldenRow]) throws {
    let text = ([head] + rows.map(\.line)).joined(separator: "\n") + "\n"
    try text.write(to: file, atomically: true, encoding: .utf8)
  }
}
