import Run

/// Published runs of test_vmalloc beside their predictions: as text, and for docs/FIDELITY.md.
package enum VmallocText {
  package static func render(_ prediction: VmallocPrediction) -> String {
    var parts = prediction.series.map { series in
      let known = series.series
      let caveat = known.caveat.isEmpty ? "" : "; \(known.caveat)"
      return TextLayout.wrapped(
        "\(known.name): Linux \(known.kernel), \(known.cpus.reduce(0, +)) CPUs, prices of "
          + "\(known.costs) times \(two(series.factor)); ns a turn\(caveat)")
        + "\n" + CycleText.figures(series.rows)
    }
    let rows = prediction.series.map { CycleText.cells($0.series.name, $0.rows) + [rank($0)] }
    parts.append(TextLayout.table(CycleText.heads + ["rank"], rows, left: [0, 4]))
    for series in prediction.series {
      guard let worst = series.rows.worst else { continue }
      let text = "worst of \(series.series.name): \(prediction.reason(worst, in: series))"
      parts.append(TextLayout.wrapped(text, indent: 2) + "\n")
    }
    if !prediction.leftOut.isEmpty {
      parts.append("left out: \(prediction.leftOut.joined(separator: ", "))\n")
    }
    return parts.joined(separator: "\n")
  }

  package static func markdown(_ predictions: [VmallocPrediction]) -> String {
    let heads = CycleText.heads + ["rank correlation", "reason of the worst", "prices set by"]
    var text =
      "| " + heads.joined(separator: " | ") + " |\n|---|---:|---:|---:|---|---:|---|---|\n"
    for prediction in predictions {
      for series in prediction.series {
        let reason = series.rows.worst.map { prediction.reason($0, in: series) } ?? ""
        let setBy =
          series.rows.first(where: \.isCalibrated).map {
            "\($0.published.place) \($0.published.figure): \(series.series.costs) times "
              + two(series.factor)
          } ?? "none: \(series.series.costs)"
        let row = CycleText.cells(series.series.name, series.rows) + [rank(series), reason, setBy]
        text += "| " + row.joined(separator: " | ") + " |\n"
      }
    }
    return text
  }

  private static func two(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

  private static func rank(_ series: VmallocPrediction.Series) -> String {
    series.rows.rankCorrelation.map { two($0) } ?? "-"
  }
}
