/// Numbers as a person reads them: three digits and a unit, or whole digits in groups.
///
/// Own arithmetic, no locale: the same text on any host.
package enum Figures {
  /// `612 334`.
  package static func count(_ number: UInt64) -> String {
    let digits = "\(number)"
    var text = ""
    for (place, digit) in digits.enumerated() {
      if place > 0, (digits.count - place) % 3 == 0 { text += " " }
      text.append(digit)
    }
    return text
  }
  package static func count(_ number: Int) -> String {
    (number < 0 ? "-" : "") + count(UInt64(number.magnitude))
  }

  /// A time given in nanoseconds: `21.3 ns`, `4.10 us`, `1.20 ms`.
  package static func time(_ nanoseconds: Double) -> String {
    scaled(nanoseconds, ["ns", "us", "ms", "s"])
  }
  package static func time(_ nanoseconds: UInt64) -> String { time(Double(nanoseconds)) }

  /// `30.6 M/s`.
  package static func rate(_ perSecond: Double) -> String { short(perSecond) + "/s" }

  /// `8.90 M`; below a thousand `612 `, so that a unit may follow.
  package static func short(_ number: Double) -> String {
    scaled(number, ["", "k", "M", "G", "T"])
  }

  /// `31.4 %`.
  package static func percent(_ part: Double, of whole: Double) -> String {
    guard whole > 0 else { return "0.0 %" }
    return tenths(part / whole * 100) + " %"
  }

  /// Wraps a text without parting figures from their units, or groups of digits.
  static func wrapped(_ text: String, indent: Int = 0, width: Int = TextLayout.width) -> String {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    var glued = String(words.first ?? "")
    for (word, next) in zip(words, words.dropFirst()) {
      glued += belongs(next, to: word) ? "\u{A0}" : " "
      glued += next
    }
    let lines = TextLayout.wrapped(glued, indent: indent, width: width)
    return String(lines.map { $0 == "\u{A0}" ? " " : $0 })
  }

  private static let units: Set<Substring> = [
    "ns", "us", "ms", "s", "%", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "/s", "k/s", "M/s", "G/s",
    "k", "M", "G",
  ]

  private static func belongs(_ word: Substring, to figure: Substring) -> Bool {
    guard let last = figure.last, last.isNumber, let first = word.first else { return false }
    let bare = word.prefix { !",.;:()".contains($0) }
    return units.contains(bare) || first.isNumber && bare.allSatisfy(\.isNumber)
  }

  /// One decimal: `31.4`.
  static func tenths(_ number: Double) -> String { fixed(number, decimals: 1) }

  /// Three digits, then the unit that makes them so. Whole numbers below a hundred stay whole.
  private static func scaled(_ number: Double, _ units: [String]) -> String {
    guard number.isFinite, number > 0 else { return "0 " + units[0] }
    var (value, unit) = (number, 0)
    while value >= 999.5, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
    if unit == 0, value < 100, value == value.rounded() { return "\(Int(value)) " + units[0] }
    let decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
    return fixed(value, decimals: decimals) + " " + units[unit]
  }

  private static func fixed(_ number: Double, decimals: Int) -> String {
    let power = decimals == 0 ? 1.0 : decimals == 1 ? 10.0 : 100.0
    let rounded = (number.magnitude * power).rounded()
    guard rounded < 9e18 else { return "\(number)" }
    let units = UInt64(rounded)
    let sign = number < 0 && units > 0 ? "-" : ""
    guard decimals > 0 else { return sign + "\(units)" }
    let rest = "\(units % UInt64(power))"
    let zeros = String(repeating: "0", count: decimals - rest.count)
    return sign + "\(units / UInt64(power))." + zeros + rest
  }
}
