import Kernel
import Scenario

/// One run of a study: a point, a repeat, and what became of it.
package struct StudyRun: Sendable {
  package enum Outcome: Sendable, Equatable {
    /// Not begun, or ended by the user before it was finished.
    case pending
    case finished(StudyFigures)
    case failed(message: String, status: Int32)
  }
  /// An index into the plan's points.
  package let point: Int
  /// Counted from 1.
  package let number: Int
  package let seed: UInt64
  /// Nil where the point's scenario was refused.
  package let key: StudyKey?
  package var outcome: Outcome

  package var figures: StudyFigures? {
    if case .finished(let figures) = outcome { figures } else { nil }
  }
}

/// All runs of a study, in the order of its points.
package struct StudyRuns: Sendable {
  package let plan: StudyPlan
  package var runs: [StudyRun] = []
  /// For each point, the operations in the order of its scenario.
  package private(set) var operations: [[String]] = []
  /// What the scenario's `measure:` names first.
  private var measured: [String] = []
  /// Kinds of violations that the scenario is about.
  private var expected: Set<String> = []

  /// - Parameters:
  ///   - check: loads the scenario as it is at a point.
  ///   - build: which kmemu this is.
  package init(
    _ plan: StudyPlan, build: String,
    check: (Overrides) throws(ScenarioError) -> CheckedScenario
  ) {
    self.plan = plan
    for (index, point) in plan.points.enumerated() {
      do throws(ScenarioError) {
        let scenario = try check(plan.overrides(at: point))
        let key = StudyKey(of: scenario, build: build)
        operations.append(scenario.plan.program.operations)
        measured = scenario.measure
        expected = Set(Violation.Kind.allCases.map(\.rawValue).filter(scenario.expectsViolation))
        for number in 1...plan.repeats {
          let seed = scenario.plan.settings.seed &+ UInt64(number - 1)
          runs.append(
            StudyRun(
              point: index, number: number, seed: seed, key: key.with(seed: seed),
              outcome: .pending))
        }
      } catch {
        operations.append([])
        for number in 1...plan.repeats {
          runs.append(
            StudyRun(
              point: index, number: number, seed: 0, key: nil,
              outcome: .failed(message: error.rendered(), status: error.isMissing ? 66 : 65)))
        }
      }
    }
  }

  package func runs(of point: Int) -> ArraySlice<StudyRun> {
    runs[point * plan.repeats..<(point + 1) * plan.repeats]
  }

  /// How many runs broke a rule of the kernel that the scenario does not expect to be broken.
  package var ruleBrokenCount: Int {
    runs.count { run in
      run.figures?.violations.contains { !expected.contains($0.kind) } ?? false
    }
  }
  /// How many runs an expectation of the scenario failed in.
  package var expectationFailedCount: Int {
    runs.count { ($0.figures?.expectationsFailed ?? 0) > 0 }
  }
  /// The exit status of the first run that failed.
  package var firstFailure: (message: String, status: Int32)? {
    for run in runs {
      if case .failed(let message, let status) = run.outcome { return (message, status) }
    }
    return nil
  }

  package var finishedCount: Int { runs.count { $0.figures != nil } }
  package var pendingCount: Int { runs.count { $0.outcome == .pending } }

  /// The place of the main operation in each point's list: the one that table and chart show.
  ///
  /// What the scenario measures first decides, as in `latency.kmalloc`; else the first operation that
  /// is about as frequent as any. A place and not a name, because `kmalloc($size)` has another name at each size.
  package var mainOperation: Int {
    let count = operations.map(\.count).max() ?? 0
    var totals = [Double](repeating: 0, count: count)
    for run in runs {
      for (place, name) in operations[run.point].enumerated() {
        totals[place] += Double(run.figures?.operations[name]?.count ?? 0)
      }
    }
    let names = operations.first { $0.count == count } ?? []
    let most = totals.max() ?? 0
    for wanted in measured {
      let words = wanted.split(separator: ".")
      guard words.count > 1 else { continue }
      if let place = names.firstIndex(where: { name in
        words.dropFirst().contains { name == $0 || name.hasPrefix($0 + "(") }
      }), totals[place] > 0 || most == 0 {
        return place
      }
    }
    return totals.firstIndex { $0 > 0 && $0 * 2 >= most } ?? 0
  }

  package func operationName(_ place: Int, at point: Int) -> String {
    operations[point].indices.contains(place) ? operations[point][place] : ""
  }

  /// One name for a place over all points: `kmalloc` where `kmalloc(64)` and `kmalloc(256)` differ.
  package func operationTitle(_ place: Int) -> String {
    let names = Set(operations.compactMap { $0.indices.contains(place) ? $0[place] : nil })
    if names.count == 1, let name = names.first { return name }
    let stems = Set(names.map { String($0.prefix { $0 != "(" }) })
    return stems.sorted().joined(separator: " or ")
  }
}
