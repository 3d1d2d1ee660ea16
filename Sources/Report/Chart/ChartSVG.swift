/// Draws a chart as one static SVG: no script, no font of its own, nothing loaded.
package struct ChartSVG {
  static let width = 960.0
  static let margin = 24.0
  static let plotHeight = 270.0
  /// Room for the figures of a y axis.
  static let figuresWidth = 66.0
  static let gap = 26.0

  let chart: Chart
  let x: ChartScale
  let labels: ChartLabels

  package static func render(_ chart: Chart) -> String { ChartSVG(chart).render() }

  private init(_ chart: Chart) {
    self.chart = chart
    x = ChartScale.places(chart.axis.places)
    labels = ChartLabels(chart.axis.places, x, width: Self.plotWidth(of: chart))
  }

  private static func plotWidth(of chart: Chart) -> Double {
    let panels = Double(max(1, chart.panels.count))
    return (width - 2 * margin - gap * (panels - 1)) / panels - figuresWidth - 6
  }

  private func render() -> String {
    var y = Self.margin + ChartStyle.titleSize
    var body = ""
    // Bold letters are wider.
    for line in folded(chart.title, size: ChartStyle.titleSize * 1.08) {
      body += SVG.text(line, Self.margin, y, "title")
      y += 21
    }
    for line in folded(chart.subtitle, size: ChartStyle.textSize) {
      body += SVG.text(line, Self.margin, y, "soft")
      y += 17
    }
    y += 27
    let plotWidth = Self.plotWidth(of: chart)
    for (index, panel) in chart.panels.enumerated() {
      let left = Self.margin + Double(index) * (plotWidth + 6 + Self.figuresWidth + Self.gap)
      let drawing = ChartPanel(
        panel: panel, axis: chart.axis, lines: chart.lines, x: x, labels: labels,
        left: left + Self.figuresWidth, top: y, width: plotWidth, height: Self.plotHeight)
      body += drawing.render()
    }
    y += Self.plotHeight + labels.height + 24
    let (legend, height) = legend(at: y + 22)
    body += legend
    y += height + Self.margin
    return document(body, height: y)
  }

  private func document(_ body: String, height: Double) -> String {
    let (width, height) = (SVG.number(Self.width), SVG.number(height, decimals: 0))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" role="img">
      <title>\(SVG.escaped(chart.title))</title>
      <desc>\(SVG.escaped(chart.subtitle))</desc>

      """ + ChartStyle.sheet
        + "<rect class=\"ground\" width=\"\(width)\" height=\"\(height)\"/>\n" + body + "</svg>\n"
  }

  /// A long text takes several lines.
  private func folded(_ text: String, size: Double) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      let longer = line.isEmpty ? String(word) : line + " " + word
      if SVG.width(longer, size: size) > Self.width - 2 * Self.margin, !line.isEmpty {
        lines.append(line)
        line = String(word)
      } else {
        line = longer
      }
    }
    return lines + (line.isEmpty ? [] : [line])
  }

  /// The lines' names, in rows. A single line is what the subtitle says: it needs none.
  private func legend(at top: Double) -> (text: String, height: Double) {
    guard chart.lines.count > 1 else { return ("", 0) }
    let (swatch, apart, row) = (34.0, 22.0, 22.0)
    let widest = chart.lines.map { SVG.width($0, size: ChartStyle.textSize) }.max() ?? 0
    let cell = min(swatch + widest + apart, Self.width - 2 * Self.margin)
    let columns = max(1, Int((Self.width - 2 * Self.margin) / cell))
    var text = ""
    for (line, name) in chart.lines.enumerated() {
      let x = Self.margin + Double(line % columns) * cell
      let y = top + Double(line / columns) * row
      text += "<polyline class=\"line \(ChartStyle.colorClass(line))\"\(ChartStyle.dash(line))"
      text += " points=\"\(SVG.points([(x, y - 4), (x + 26, y - 4)]))\"/>\n"
      text += ChartStyle.marker(line, x + 13, y - 4)
      text += SVG.text(name, x + swatch, y, "name")
    }
    let rows = (chart.lines.count + columns - 1) / columns
    return (text, 12 + row * Double(rows))
  }
}
