import Report

/// A study as a chart: throughput and p99 of its main operation against the first axis, a line for
/// each combination of the others, the median of the repeats within their range.
package enum StudyChart {
  package static func render(_ study: StudyRuns) -> String { ChartSVG.render(chart(study)) }

  static func chart(_ study: StudyRuns) -> Chart {
    let plan = study.plan
    let main = study.mainOperation
    let axis = plan.axes.first
    let values = axis?.values ?? [""]
    let numbers = axis?.numbers
    let places = values.indices.map { Chart.Place(label: values[$0], number: numbers?[$0]) }
    // The first axis changes slowest: the points of one line are a whole block apart.
    let lineCount = max(1, plan.points.count / max(1, values.count))
    let lines = (0..<lineCount).map { line in
      zip(plan.axes, plan.points[line].values).dropFirst().map { "\($0.key) \($1)" }
        .joined(separator: ", ")
    }
    func bands(_ figure: (StudyFigures.Operation) -> Double) -> [[Chart.Band?]] {
      (0..<lineCount).map { line in
        values.indices.map { study.band(of: main, at: $0 * lineCount + line, figure) }
      }
    }
    let operation = study.operationTitle(main)
    return Chart(
      title: title(study), subtitle: subtitle(study),
      axis: Chart.Axis(title: axis?.key ?? "", places: places), lines: lines,
      panels: [
        Chart.Panel(
          title: "Throughput of \(operation)", unit: .perSecond, bands: bands(\.throughputPerS)),
        Chart.Panel(
          title: "p99 latency of \(operation)", unit: .nanoseconds, bands: bands(\.latencyNs.p99)),
      ])
  }

  private static func title(_ study: StudyRuns) -> String {
    let name = study.plan.scenario.split(separator: "/").last.map(String.init) ?? ""
    let title = study.runs.lazy.compactMap(\.figures).first?.title ?? ""
    return title.isEmpty || title == name ? name : "\(name): \(title)"
  }

  private static func subtitle(_ study: StudyRuns) -> String {
    let repeats = study.plan.repeats
    return study.commonGround
      + (repeats > 1
        ? "; lines are medians of \(repeats) runs, bands reach from the least to the most" : "")
  }
}
