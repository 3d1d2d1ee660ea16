import Foundation
import HostTopology
import Kernel
import Report
import Run
import Scenario
import Simulation
import Topology

/// A bundled scenario on a machine, short enough for a debug build.
struct SwitchedRun: Sendable, CustomStringConvertible {
  let scenario: String
  let machine: String
  let sets: [String]
  /// Of a scenario that is not bundled.
  var text: String?

  var description: String { "\(scenario) on \(machine)" }

  /// The same run by hand.
  var command: String {
    let sets = sets.map { " --set \($0)" }.joined()
    return "kmemu run \(scenario) --machine '\(machine)'\(sets) --format json"
  }

  func checked() throws -> CheckedScenario {
    var overrides = Overrides()
    (overrides.machine, overrides.sets) = (machine, sets)
    guard let text else { return try Scenarios.load(scenario, overrides) }
    return try Scenarios.check(Array(text.utf8), file: "\(scenario).yaml", overrides: overrides)
  }

  /// What changes no figure, or only how often the queue was passed.
  enum Switch: CaseIterable, CustomStringConvertible {
    case again, noRunAhead, traced, tracedWindow, invariantsChecked

    var options: RunOptions {
      var options = RunOptions()
      switch self {
      case .again: break
      case .noRunAhead: options.runsAhead = false
      case .traced: options.trace = TraceWindow()
      case .tracedWindow:
        options.trace = TraceWindow(
          from: Instant(picoseconds: 7_000_001), to: Instant(picoseconds: 31_000_003), cpus: [0])
      case .invariantsChecked: options.checkInvariantsEvery = 5_000
      }
      return options
    }

    /// Fields that this switch may change.
    var mayChange: Set<String> { self == .noRunAhead ? ["events"] : [] }

    var description: String {
      switch self {
      case .again: "run again"
      case .noRunAhead: "run with --no-run-ahead"
      case .traced: "run with a timeline"
      case .tracedWindow: "run with a timeline of a window on CPU 0"
      case .invariantsChecked: "run with --check-invariants"
      }
    }
  }

  /// The result as JSON reads it; its wall time is the same for all, so that nothing is left out.
  func result(_ options: RunOptions = RunOptions()) throws -> (RunResult, NSDictionary) {
    let checked = try checked()
    var runner = Runner(checked.plan, options: options)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    if let broken = runner.brokenInvariant { throw Broken(what: broken) }
    var result = checked.judge(runner.result(wallS: 1))
    result.eventsPerS = 0
    let json = try JSONSerialization.jsonObject(with: Data(RunJSON.render(result).utf8))
    return (result, json as? NSDictionary ?? [:])
  }

  struct Broken: Error { let what: String }
}

/// The first place where two trees of JSON differ, in the order of sorted keys.
enum FirstDifference {
  static func between(
    _ a: Any, _ b: Any, skipping: Set<String> = [], at path: String = ""
  ) -> String? {
    if let (a, b) = pair(a, b, as: NSDictionary.self) {
      let keys = Set((a.allKeys + b.allKeys).compactMap { $0 as? String }).subtracting(skipping)
      for key in keys.sorted() {
        let name = path.isEmpty ? key : "\(path).\(key)"
        guard let mine = a[key], let its = b[key] else {
          return "\(name) is in one of the results only"
        }
        if let found = between(mine, its, at: name) { return found }
      }
      return nil
    }
    if let (a, b) = pair(a, b, as: NSArray.self) {
      for index in 0..<min(a.count, b.count) {
        if let found = between(a[index], b[index], at: "\(path)[\(index)]") { return found }
      }
      return a.count == b.count ? nil : "\(path) has \(a.count) and \(b.count) elements"
    }
    let isSame = (a as? NSObject)?.isEqual(b) ?? false
    return isSame ? nil : "\(path) is \(a) and \(b)"
  }

  private static func pair<T>(_ a: Any, _ b: Any, as _: T.Type) -> (T, T)? {
    guard let a = a as? T, let b = b as? T else { return nil }
    return (a, b)
  }
}
