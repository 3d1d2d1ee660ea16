import Foundation

/// From values to a share of an axis's length, and where its ticks are.
struct ChartScale: Equatable {
  /// What lies at the axis's two ends, as the scale sees it: logarithms where it is logarithmic.
  private let from: Double
  private let to: Double
  private let kind: Kind
  /// In the axis's own values, ascending.
  let ticks: [Double]

  enum Kind: Equatable { case linear, log2, log10 }
  var isLogarithmic: Bool { kind != .linear }

  /// Where `value` lies: 0 at the axis's begin, 1 at its end.
  func place(of value: Double) -> Double {
    guard to > from else { return 0.5 }
    return (Self.seen(value, kind) - from) / (to - from)
  }

  private static func seen(_ value: Double, _ kind: Kind) -> Double {
    switch kind {
    case .linear: value
    case .log2: Foundation.log2(max(value, .leastNormalMagnitude))
    case .log10: Foundation.log10(max(value, .leastNormalMagnitude))
    }
  }

  // MARK: Axes of places

  /// Logarithms of 2 where all numbers are positive and span at least this factor.
  static let spanOfLog2 = 4.0

  /// The x axis: true to the numbers if every place has one, else at equal distances.
  static func places(_ places: [Chart.Place]) -> ChartScale {
    let numbers = places.compactMap(\.number)
    guard numbers.count == places.count, let least = numbers.min(), let most = numbers.max() else {
      let indices = places.indices.map(Double.init)
      let last = Double(max(places.count - 1, 0))
      return ChartScale(from: -0.5, to: last + 0.5, kind: .linear, ticks: indices)
    }
    let kind: Kind = least > 0 && most >= spanOfLog2 * least ? .log2 : .linear
    let (low, high) = (seen(least, kind), seen(most, kind))
    // A little air, so that no marker sits on the frame.
    let air = high > low ? (high - low) * 0.04 : 0.5
    return ChartScale(from: low - air, to: high + air, kind: kind, ticks: numbers.sorted())
  }

  // MARK: Axes of values

  /// Values that span more than this factor are drawn on a logarithmic axis: on a linear one the
  /// small ones would be a flat line at the bottom.
  static let spanOfLog10 = 30.0

  /// The y axis for all values of a panel. Linear axes begin at zero.
  static func values(_ values: [Double]) -> ChartScale {
    let known = values.filter(\.isFinite)
    let most = known.max() ?? 0
    guard most > 0 else { return ChartScale(from: 0, to: 1, kind: .linear, ticks: [0]) }
    let least = known.min() ?? 0
    return least > 0 && most >= spanOfLog10 * least
      ? logarithmic(from: least, to: most) : linear(to: most)
  }

  private static func linear(to most: Double) -> ChartScale {
    let power = pow(10, (Foundation.log10(most)).rounded(.down))
    let step = [0.1, 0.2, 0.25, 0.5, 1, 2].map { $0 * power }.first { most / $0 <= 6 } ?? power
    let count = Int((most / step * 1.02).rounded(.up))
    return ChartScale(
      from: 0, to: step * Double(count), kind: .linear,
      ticks: (0...count).map { step * Double($0) })
  }

  private static func logarithmic(from least: Double, to most: Double) -> ChartScale {
    let first = Int(Foundation.log10(least).rounded(.down))
    let last = Int(Foundation.log10(most).rounded(.up))
    let steps: [Double] = last - first <= 3 ? [1, 2, 5] : [1]
    let all = (first...last).flatMap { decade in steps.map { $0 * pow(10, Double(decade)) } }
    let low = all.last { $0 <= least * 1.0001 } ?? least
    let high = all.first { $0 >= most * 0.9999 } ?? most
    let step = max(1, (last - first) / 6)
    let ticks = all.enumerated().filter { $0.offset % step == 0 || steps.count > 1 }
      .map(\.element).filter { $0 >= low && $0 <= high }
    return ChartScale(
      from: Foundation.log10(low), to: Foundation.log10(high), kind: .log10, ticks: ticks)
  }
}
