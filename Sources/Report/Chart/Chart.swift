/// What a chart of lines shows, without a word on how it is drawn.
///
/// Panels stand side by side and share the x axis and the lines. A line has at each place of the
/// axis a middle value within a band; where nothing is known the line has a gap.
package struct Chart: Sendable {
  package var title: String
  /// One sentence under the title: what all lines have in common.
  package var subtitle: String
  package var axis: Axis
  /// The lines, in the order of the legend. A single line needs no name.
  package var lines: [String]
  package var panels: [Panel]

  package init(title: String, subtitle: String, axis: Axis, lines: [String], panels: [Panel]) {
    (self.title, self.subtitle, self.axis) = (title, subtitle, axis)
    (self.lines, self.panels) = (lines, panels)
  }

  /// The x axis: its places from left to right.
  package struct Axis: Sendable {
    package var title: String
    package var places: [Place]
    package init(title: String, places: [Place]) { (self.title, self.places) = (title, places) }
  }

  /// A place of the axis. Where every place has a number, distances are true to them; where one
  /// has none, the axis is one of names at equal distances.
  package struct Place: Sendable, Equatable {
    package var label: String
    package var number: Double?
    package init(label: String, number: Double? = nil) {
      (self.label, self.number) = (label, number)
    }
  }

  package struct Panel: Sendable {
    package var title: String
    package var unit: Unit
    /// For each line, one band or nothing a place of the axis.
    package var bands: [[Band?]]
    package init(title: String, unit: Unit, bands: [[Band?]]) {
      (self.title, self.unit, self.bands) = (title, unit, bands)
    }
  }

  package struct Band: Sendable, Equatable {
    package var low: Double
    package var middle: Double
    package var high: Double
    package init(low: Double, middle: Double, high: Double) {
      (self.low, self.middle, self.high) = (low, middle, high)
    }
  }

  /// What the y axis counts, and how its figures are written.
  package enum Unit: Sendable {
    case perSecond, nanoseconds

    /// `20 M/s`, `1.5 µs`; zero has no unit.
    func label(_ value: Double) -> String {
      switch self {
      case .perSecond: Self.scaled(value, ["/s", "k/s", "M/s", "G/s", "T/s"])
      case .nanoseconds: Self.scaled(value, ["ns", "µs", "ms", "s"])
      }
    }

    private static func scaled(_ value: Double, _ units: [String]) -> String {
      guard value > 0, value.isFinite else { return "0" }
      var (rest, unit) = (value, 0)
      while rest >= 999.5, unit + 1 < units.count { (rest, unit) = (rest / 1000, unit + 1) }
      let decimals = rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
      return SVG.number(rest, decimals: decimals) + " " + units[unit]
    }
  }
}
