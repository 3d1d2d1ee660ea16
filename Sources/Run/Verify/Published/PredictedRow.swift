/// A published figure beside its prediction.
package struct PredictedRow: Sendable, Equatable {
  package var published: PublishedTable.Row
  /// Unit: as published.
  package var predicted: Double
  /// Whether a price was set by it: then it is no prediction.
  package var isCalibrated: Bool

  /// How far the prediction is off, as a share of the figure: 0.1 is 10 % too much.
  package var error: Double { predicted / published.value - 1 }
}

extension [PredictedRow] {
  private var ownPredictions: [PredictedRow] { filter { !$0.isCalibrated } }

  /// Of the absolute errors of what was predicted; nil where nothing was.
  package var medianError: Double? {
    let errors = ownPredictions.map { abs($0.error) }.sorted()
    return errors.isEmpty ? nil : (errors[(errors.count - 1) / 2] + errors[errors.count / 2]) / 2
  }
  package var worst: PredictedRow? { ownPredictions.max { abs($0.error) < abs($1.error) } }

  /// Spearman's: whether what costs more there costs more here. 1: in the same order throughout;
  /// nil for fewer than three figures.
  package var rankCorrelation: Double? {
    guard count > 2 else { return nil }
    let (published, predicted) = (ranks(map(\.published.value)), ranks(map(\.predicted)))
    let mean = Double(count - 1) / 2
    var (product, left, right) = (0.0, 0.0, 0.0)
    for (a, b) in zip(published, predicted) {
      product += (a - mean) * (b - mean)
      left += (a - mean) * (a - mean)
      right += (b - mean) * (b - mean)
    }
    return left > 0 && right > 0 ? product / (left * right).squareRoot() : nil
  }

  /// The place of each value among all, from 0; equal values share the middle of theirs.
  private func ranks(_ values: [Double]) -> [Double] {
    values.map { value in
      let (less, equal) = (values.filter { $0 < value }.count, values.filter { $0 == value }.count)
      return Double(less) + Double(equal - 1) / 2
    }
  }
}
