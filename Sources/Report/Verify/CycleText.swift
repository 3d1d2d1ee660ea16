import Run

/// A published table beside its prediction: as text, and as a section of docs/FIDELITY.md.
package enum CycleText {
  package static func render(_ prediction: CyclePrediction) -> String {
    var parts = prediction.series.map(table)
    parts.append(TextLayout.table(heads, prediction.series.map(cells), left: [0, 4]))
    for series in prediction.series {
      let worst = series.worst.flatMap { prediction.reason($0, in: series) }
      guard let reason = worst else { continue }
      parts.append(
        TextLayout.wrapped("worst of \(series.series.name): \(reason)", indent: 2) + "\n")
    }
    if !prediction.leftOut.isEmpty {
      parts.append("left out: \(prediction.leftOut.joined(separator: ", "))\n")
    }
    return parts.joined(separator: "\n")
  }

  private static func table(_ series: CyclePrediction.Series) -> String {
    let known = series.series
    return "\(known.name): Linux \(known.kernel), \(known.slab.name); cycles\n"
      + figures(series.rows)
  }

  /// Series, their errors, what set the prices and why the worst figure is off.
  package static func markdown(_ predictions: [CyclePrediction]) -> String {
    let heads = heads + ["reason of the worst", "prices set by"]
    var text = "| " + heads.joined(separator: " | ") + " |\n|---|---:|---:|---:|---|---|---|\n"
    for prediction in predictions {
      for series in prediction.series {
        let reason = series.worst.flatMap { prediction.reason($0, in: series) } ?? ""
        let row = cells(series) + [reason, setBy(series)]
        text += "| " + row.joined(separator: " | ") + " |\n"
      }
    }
    return text
  }

  static let heads = ["series", "predicted", "median off", "worst", "where"]

  private static func cells(_ series: CyclePrediction.Series) -> [String] {
    cells(series.series.name, series.rows)
  }

  /// What a line says of a series: errors, and where the worst is.
  static func cells(_ name: String, _ rows: [PredictedRow]) -> [String] {
    let worst = rows.worst
    return [
      name, "\(rows.filter { !$0.isCalibrated }.count)",
      rows.medianError.map { percent($0, signed: false) } ?? "-",
      worst.map { percent($0.error) } ?? "-",
      worst.map { "\($0.published.place) \($0.published.figure)" } ?? "",
    ]
  }

  /// Each figure of a series beside its prediction.
  static func figures(_ rows: [PredictedRow]) -> String {
    let cells = rows.map { row in
      [
        row.published.place, row.published.figure, whole(row.published.value),
        whole(row.predicted), row.isCalibrated ? "set" : percent(row.error),
      ]
    }
    return TextLayout.table(["x", "figure", "published", "kmemu", "off"], cells, left: [1])
  }

  private static func setBy(_ series: CyclePrediction.Series) -> String {
    let own = series.rows.filter(\.isCalibrated)
    return own.isEmpty
      ? "another series of its machine"
      : own.map { "\($0.published.x) \($0.published.figure)" }.joined(separator: ", ")
  }

  private static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }

  static func percent(_ share: Double, signed: Bool = true) -> String {
    let value = Int((share * 100).rounded())
    return (signed && value > 0 ? "+" : "") + "\(value) %"
  }
}
