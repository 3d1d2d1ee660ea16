import Report

/// The middle of a few repeats, and between what they lie.
enum StudyStatistics {
  /// Nil where there is none. With an even number the middle is that of the two.
  static func band(_ values: [Double]) -> Chart.Band? {
    let sorted = values.filter(\.isFinite).sorted()
    guard let low = sorted.first, let high = sorted.last else { return nil }
    let half = sorted.count / 2
    let middle = sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
    return Chart.Band(low: low, middle: middle, high: high)
  }
}

extension StudyRuns {
  /// A figure over the repeats of a point.
  func band(at point: Int, _ figure: (StudyFigures) -> Double?) -> Chart.Band? {
    StudyStatistics.band(runs(of: point).compactMap { $0.figures.flatMap(figure) })
  }

  /// A figure of the operation at a place, over the repeats of a point.
  func band(
    of place: Int, at point: Int, _ figure: (StudyFigures.Operation) -> Double
  ) -> Chart.Band? {
    let name = operationName(place, at: point)
    return band(at: point) { $0.operations[name].map(figure) }
  }

  /// What all runs have in common: `Linux 6.12 on 64 CPUs, costs generic-x86`.
  var commonGround: String {
    let figures = runs.compactMap(\.figures)
    func same(_ value: (StudyFigures) -> String) -> String? {
      let values = Set(figures.map(value))
      return values.count == 1 ? values.first : nil
    }
    var text = same { "Linux \($0.kernel)" } ?? "Linux"
    if let machine = same({ $0.machine.source }) {
      text += " on \(machine)"
      if let cpus = same({ "\($0.machine.cpus)" }) { text += " (\(cpus) CPUs)" }
    }
    if let costs = same({ $0.costs }) { text += ", costs \(costs)" }
    return text
  }
}
