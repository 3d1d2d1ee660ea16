import Foundation

/// Pieces of SVG as text. Coordinates have one decimal and no locale: equal charts, equal bytes.
enum SVG {
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      // Other control characters are not allowed in XML at all.
      case _ where scalar.value < 0x20: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// At most so many decimals; zeros at the end are left out.
  static func number(_ value: Double, decimals: Int = 1) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "0" }
    let power = pow(10, Double(decimals))
    let units = Int64((value.magnitude * power).rounded())
    let whole = units / Int64(power)
    var rest = String(units % Int64(power))
    rest = String(repeating: "0", count: max(0, decimals - rest.count)) + rest
    while rest.last == "0" { rest.removeLast() }
    let sign = value < 0 && units > 0 ? "-" : ""
    return sign + "\(whole)" + (decimals == 0 || rest.isEmpty ? "" : "." + rest)
  }

  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ kind: String) -> String
  {
    "<line class=\"\(kind)\" x1=\"\(number(x1))\" y1=\"\(number(y1))\""
      + " x2=\"\(number(x2))\" y2=\"\(number(y2))\"/>\n"
  }

  enum Anchor: String { case start, middle, end }

  /// - Parameter angle: degrees, turned about the text's own anchor.
  static func text(
    _ text: String, _ x: Double, _ y: Double, _ kind: String, _ anchor: Anchor = .start,
    angle: Double = 0, title: String? = nil
  ) -> String {
    let turn =
      angle == 0 ? "" : " transform=\"rotate(\(number(angle)) \(number(x)) \(number(y)))\""
    let tip = title.map { "<title>\(escaped($0))</title>" } ?? ""
    return "<text class=\"\(kind)\" x=\"\(number(x))\" y=\"\(number(y))\""
      + " text-anchor=\"\(anchor.rawValue)\"\(turn)>\(tip)\(escaped(text))</text>\n"
  }

  static func points(_ points: [(x: Double, y: Double)]) -> String {
    points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
  }

  /// How wide a text will be: no font is at hand, so letters of sans-serif fonts are taken as wide
  /// as they are on average.
  static func width(_ text: String, size: Double) -> Double {
    text.reduce(0) { sum, letter in
      let share =
        switch letter {
        case "i", "j", "l", "t", "f", "r", "I", " ", ".", ",", ":", "(", ")", "|", "/": 0.34
        case "m", "w", "M", "W", "=": 0.82
        case _ where letter.isUppercase: 0.66
        default: 0.56
        }
      return sum + share * size
    }
  }
}
