import Scenario

/// What a study runs: every combination of its axes' values, each so many times.
package struct StudyPlan: Sendable {
  package let scenario: String
  /// What holds for every point.
  package let base: Overrides
  package let axes: [StudyAxis]
  package let repeats: Int
  /// In the order of table and CSV: the last axis changes fastest.
  package let points: [StudyPoint]

  /// - Throws: a `StudyError` when a limit is passed or two axes set the same key.
  package init(
    scenario: String, base: Overrides = Overrides(), axes: [StudyAxis], repeats: Int = 1
  ) throws(StudyError) {
    guard axes.count <= StudyLimits.axesMax else {
      throw StudyError(
        "\(axes.count) axes; the limit is \(StudyLimits.axesMax)", hint: "divide the study")
    }
    for (index, axis) in axes.enumerated()
    where axes[..<index].contains(where: {
      $0.path == axis.path
    }) {
      throw StudyError("two axes vary \(axis.path)", hint: "give all its values to one --vary")
    }
    guard (1...StudyLimits.repeatsMax).contains(repeats) else {
      throw StudyError(
        "--repeat \(repeats): it must be from 1 to \(StudyLimits.repeatsMax)",
        hint: "each repeat has the next seed")
    }
    var combinations: [[String]] = [[]]
    for axis in axes {
      guard combinations.count * axis.values.count * repeats <= StudyLimits.runsMax else {
        throw StudyError(
          "more than \(StudyLimits.runsMax) runs", hint: "vary less, repeat less, or divide it")
      }
      combinations = combinations.flatMap { values in axis.values.map { values + [$0] } }
    }
    (self.scenario, self.base, self.axes, self.repeats) = (scenario, base, axes, repeats)
    points = combinations.map { StudyPoint(values: $0) }
  }

  /// The scenario's overrides at a point.
  package func overrides(at point: StudyPoint) -> Overrides {
    var overrides = base
    for (axis, value) in zip(axes, point.values) { axis.apply(value, to: &overrides) }
    return overrides
  }

  /// The arguments of the `kmemu` that runs one point with one seed: a line to replay it with.
  package func arguments(at point: StudyPoint, seed: UInt64) -> [String] {
    let flags: [(String, String?)] = [
      ("kernel", base.kernel), ("machine", base.machine), ("cpus", base.cpus),
      ("costs", base.costs),
    ]
    let varied = Set(axes.map(\.key))
    var arguments = ["run", scenario]
    for (flag, value) in flags where !varied.contains(flag) {
      if let value { arguments += ["--\(flag)", value] }
    }
    for assignment in base.sets { arguments += ["--set", assignment] }
    for (axis, value) in zip(axes, point.values) where axis.path != "run.seed" {
      arguments += axis.arguments(value)
    }
    return arguments + ["--seed", "\(seed)"]
  }
}

/// One combination of the axes' values.
package struct StudyPoint: Sendable, Equatable {
  package let values: [String]
  package init(values: [String]) { self.values = values }
}
