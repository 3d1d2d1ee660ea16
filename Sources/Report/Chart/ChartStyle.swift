/// Colours and fonts of a chart. They follow the reader's light or dark mode.
enum ChartStyle {
  static let titleSize = 17.0
  static let textSize = 12.0

  /// Okabe and Ito's colours, told apart by readers of any colour vision; without their yellow,
  /// which is lost on white, and each a shade lighter on dark ground. Shapes differ as well.
  private static let light = [
    "#0072b2", "#d55e00", "#009e73", "#b6579b", "#c98500", "#3d9bd1", "#5f5f5f",
  ]
  private static let dark = [
    "#56b4e9", "#ff8340", "#2fc79a", "#e29bc9", "#f0b030", "#9ad4f5", "#b5b5b5",
  ]
  static let colorCount = 7
  /// When the colours are used up, lines get dashes.
  private static let dashes = ["", "7 4", "2 4", "9 3 2 3"]

  static func colorClass(_ line: Int) -> String { "c\(line % colorCount)" }
  static func dash(_ line: Int) -> String {
    let dash = dashes[line / colorCount % dashes.count]
    return dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\""
  }

  static var sheet: String {
    var text = """
      <style>
      :root { --ground: #ffffff; --ink: #1d1f21; --soft: #5b6066; --grid: #e3e5e8; --frame: #9aa0a6;
      \(variables(light)) }
      @media (prefers-color-scheme: dark) {
      :root { --ground: #16181b; --ink: #e8eaed; --soft: #a9afb6; --grid: #2d3136; --frame: #6b7177;
      \(variables(dark)) }
      }
      text { font: \(SVG.number(textSize))px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial,
        "Liberation Sans", sans-serif; fill: var(--ink); }
      .ground { fill: var(--ground); }
      .title { font-size: \(SVG.number(titleSize))px; font-weight: 600; }
      .head { font-size: 13px; font-weight: 600; }
      .soft { fill: var(--soft); }
      .grid { stroke: var(--grid); }
      .frame { stroke: var(--frame); }
      .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
      .band { stroke: none; opacity: 0.2; }
      .whisker { stroke-width: 2; opacity: 0.45; }
      .mark { stroke: var(--ground); stroke-width: 1; }

      """
    for color in 0..<colorCount {
      text += ".line.c\(color), .whisker.c\(color) { stroke: var(--c\(color)); }\n"
      text += ".band.c\(color), .mark.c\(color) { fill: var(--c\(color)); }\n"
    }
    return text + "</style>\n"
  }

  private static func variables(_ colors: [String]) -> String {
    colors.enumerated().map { "--c\($0.offset): \($0.element);" }.joined(separator: " ")
  }

  /// A shape for each line, around (x, y).
  static func marker(_ line: Int, _ x: Double, _ y: Double) -> String {
    let kind = "mark \(colorClass(line))"
    func polygon(_ corners: [(Double, Double)]) -> String {
      let points = corners.map { (x: x + $0.0, y: y + $0.1) }
      return "<polygon class=\"\(kind)\" points=\"\(SVG.points(points))\"/>\n"
    }
    switch line % 6 {
    case 0:
      return "<circle class=\"\(kind)\" cx=\"\(SVG.number(x))\" cy=\"\(SVG.number(y))\" r=\"4\"/>\n"
    case 1: return polygon([(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)])
    case 2: return polygon([(0, -4.8), (4.6, 3.4), (-4.6, 3.4)])
    case 3: return polygon([(0, -5), (5, 0), (0, 5), (-5, 0)])
    case 4: return polygon([(0, 4.8), (4.6, -3.4), (-4.6, -3.4)])
    default:
      return polygon([
        (-1.6, -4.6), (1.6, -4.6), (1.6, -1.6), (4.6, -1.6), (4.6, 1.6), (1.6, 1.6), (1.6, 4.6),
        (-1.6, 4.6), (-1.6, 1.6), (-4.6, 1.6), (-4.6, -1.6), (-1.6, -1.6),
      ])
    }
  }
}
