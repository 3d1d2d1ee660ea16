import Report

/// The study as a person reads it first, 80 columns wide.
package enum StudyText {
  /// - Parameter isVerbose: all operations and where CPU time went, not the main operation alone.
  package static func render(_ study: StudyRuns, isVerbose: Bool = false) -> String {
    let plan = study.plan
    let names = ValueNames(study)
    var text = TextLayout.wrapped(heading(study), indent: 2) + "\n"
    text += TextLayout.wrapped(counts(study), indent: 2) + "\n\n"
    let main = study.mainOperation
    text += study.operationTitle(main) + "\n" + mainTable(study, names, main)
    if isVerbose {
      for place in 0..<(study.operations.map(\.count).max() ?? 0) where place != main {
        text += "\n" + study.operationTitle(place) + "\n" + mainTable(study, names, place)
      }
      text += "\nwhere the time went, of CPU time\n" + shareTable(study, names)
    }
    if !names.legend.isEmpty { text += "\n" + names.legend }
    let failures = plan.points.indices.compactMap { point in
      study.runs(of: point).lazy.compactMap { failure($0) }.first.map { (point, $0) }
    }
    for (point, message) in failures {
      let values = zip(plan.axes, plan.points[point].values).map { "\($0.key)=\($1)" }
      let first = message.split(separator: "\n").first.map(String.init) ?? "failed"
      text +=
        "\n"
        + TextLayout.wrapped(
          "failed at \(values.joined(separator: " ")): \(first)", indent: 2)
    }
    return text + (failures.isEmpty ? "" : "\n")
  }

  private static func failure(_ run: StudyRun) -> String? {
    if case .failed(let message, _) = run.outcome { message } else { nil }
  }

  private static func heading(_ study: StudyRuns) -> String {
    let title = study.runs.lazy.compactMap(\.figures).first?.title ?? ""
    return study.plan.scenario + (title.isEmpty ? "" : ": \(title)")
  }

  private static func counts(_ study: StudyRuns) -> String {
    let (points, repeats) = (study.plan.points.count, study.plan.repeats)
    let failed = study.runs.count { failure($0) != nil }
    var text = "\(study.commonGround). \(points) point\(points == 1 ? "" : "s")"
    text +=
      repeats > 1 ? ", \(repeats) runs each: medians; spread is most less least, of the median" : ""
    if failed > 0 { text += "; \(failed) run\(failed == 1 ? "" : "s") failed" }
    if study.pendingCount > 0 { text += "; \(study.pendingCount) runs not finished" }
    return text
  }

  private static func mainTable(_ study: StudyRuns, _ names: ValueNames, _ place: Int) -> String {
    let heads = names.heads + ["throughput", "spread", "p50", "p99", "spread", "failed"]
    let rows = study.plan.points.indices.map { point in
      let rate = study.band(of: place, at: point, \.throughputPerS)
      let half = study.band(of: place, at: point, \.latencyNs.p50)
      let tail = study.band(of: place, at: point, \.latencyNs.p99)
      let failed = study.band(of: place, at: point) { Double($0.failed) }
      return names.cells(at: point) + [
        rate.map { Figures.rate($0.middle) } ?? "-", spread(rate),
        half.map { Figures.time($0.middle) } ?? "-",
        tail.map { Figures.time($0.middle) } ?? "-", spread(tail),
        failed.map { Figures.count(UInt64($0.middle)) } ?? "-",
      ]
    }
    return indented(TextLayout.table(heads, rows, left: names.words))
  }

  /// The categories with most time, as many as fit.
  private static func shareTable(_ study: StudyRuns, _ names: ValueNames) -> String {
    var totals: [String: Double] = [:]
    for figures in study.runs.compactMap(\.figures) {
      for (name, share) in figures.cpuShares { totals[name, default: 0] += share }
    }
    let categories = totals.filter { $0.value > 0 }.sorted {
      ($0.value, $1.key) > ($1.value, $0.key)
    }.map(\.key)
    var room = TextLayout.width - 2 - names.width
    let shown = categories.prefix { category in
      room -= max(category.count, 7) + 2
      return room >= 0
    }
    let rows = study.plan.points.indices.map { point in
      names.cells(at: point)
        + shown.map { category in
          let band = study.band(at: point) { figures in
            figures.cpuShares.first { $0.name == category }?.share
          }
          return band.map { Figures.percent($0.middle, of: 1) } ?? "-"
        }
    }
    return indented(TextLayout.table(names.heads + shown, rows, left: names.words))
  }

  /// How far repeats lie apart, of their median.
  private static func spread(_ band: Chart.Band?) -> String {
    guard let band, band.middle > 0 else { return "-" }
    return Figures.percent(band.high - band.low, of: band.middle)
  }

  private static func indented(_ table: String) -> String {
    table.split(separator: "\n").map { line in
      "  " + String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}

/// How the axes' values stand in a table: themselves, or letters with a legend where they are long.
private struct ValueNames {
  let heads: [String]
  let words: Set<Int>
  let legend: String
  private let shown: [[String: String]]
  private let points: [StudyPoint]

  /// What the figures beside them need.
  private static let figuresWidth = 58

  init(_ study: StudyRuns) {
    let axes = study.plan.axes
    points = study.plan.points
    func width(_ axis: StudyAxis, _ names: [String: String]) -> Int {
      max(axis.key.count, axis.values.map { names[$0, default: $0].count }.max() ?? 0) + 2
    }
    var shown = axes.map { axis in
      Dictionary(uniqueKeysWithValues: axis.values.map { ($0, $0) })
    }
    var lettered: [Int] = []
    while zip(axes, shown).reduce(0, { $0 + width($1.0, $1.1) })
      > TextLayout.width - 2 - Self.figuresWidth
    {
      let rest = axes.indices.filter { axis in
        !lettered.contains(axis) && axes[axis].values.contains { $0.count > 3 }
      }
      guard let widest = rest.max(by: { width(axes[$0], shown[$0]) < width(axes[$1], shown[$1]) })
      else { break }
      for (place, value) in axes[widest].values.enumerated() {
        shown[widest][value] = "#\(place + 1)"
      }
      lettered.append(widest)
    }
    legend = lettered.sorted().flatMap { axis in
      axes[axis].values.map { "\(axes[axis].key) \(shown[axis][$0] ?? "")  \($0)\n" }
    }.joined()
    words = Set(axes.indices.filter { axes[$0].numbers == nil })
    heads = axes.map(\.key)
    self.shown = shown
  }

  func cells(at point: Int) -> [String] {
    zip(shown, points[point].values).map { $0[$1] ?? $1 }
  }
  /// Of the columns, with the blanks after them.
  var width: Int {
    heads.indices.reduce(0) { sum, axis in
      sum + max(heads[axis].count, shown[axis].values.map(\.count).max() ?? 0) + 2
    }
  }
}
