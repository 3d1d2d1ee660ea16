/// One panel: frame, grid, figures, bands, lines, markers.
struct ChartPanel {
  let panel: Chart.Panel
  let axis: Chart.Axis
  let lines: [String]
  let x: ChartScale
  let labels: ChartLabels
  let left: Double
  let top: Double
  let width: Double
  let height: Double

  func render() -> String {
    let all = panel.bands.flatMap { $0.compactMap { $0 } }
    let y = ChartScale.values(all.flatMap { [$0.low, $0.middle, $0.high] })
    var text = head(y) + grid(y)
    for line in panel.bands.indices { text += band(of: line, y) }
    for line in panel.bands.indices { text += curve(of: line, y) }
    return text
  }

  private func head(_ y: ChartScale) -> String {
    let title = panel.title + (y.isLogarithmic ? ", logarithmic" : "")
    return SVG.text(title, left - ChartSVG.figuresWidth, top - 14, "head")
  }

  private func grid(_ y: ChartScale) -> String {
    var text = ""
    for tick in y.ticks {
      let place = self.y(y, tick)
      text += SVG.line(left, place, left + width, place, "grid")
      text += SVG.text(panel.unit.label(tick), left - 8, place + 4, "soft", .end)
    }
    text += SVG.line(left, top + height, left + width, top + height, "frame")
    for label in labels.labels {
      let place = left + label.place * width
      text += SVG.line(place, top + height, place, top + height + 5, "frame")
      let anchor: SVG.Anchor = labels.isTurned ? .end : .middle
      text += SVG.text(
        label.text, place + (labels.isTurned ? 4 : 0), top + height + 19, "soft", anchor,
        angle: labels.isTurned ? ChartLabels.angle : 0, title: label.full)
    }
    let below = top + height + labels.height + 16
    return text + SVG.text(axis.title, left + width / 2, below, "name", .middle)
  }

  private func y(_ scale: ChartScale, _ value: Double) -> Double {
    top + height * (1 - scale.place(of: value))
  }

  /// The places of a line from left to right, cut where a value is missing.
  private func runs(of line: Int) -> [[(x: Double, band: Chart.Band)]] {
    let isNumeric = axis.places.allSatisfy { $0.number != nil }
    let order = axis.places.indices.sorted {
      isNumeric ? (axis.places[$0].number ?? 0) < (axis.places[$1].number ?? 0) : $0 < $1
    }
    var runs: [[(x: Double, band: Chart.Band)]] = [[]]
    for index in order {
      guard let band = panel.bands[line][index] else {
        runs.append([])
        continue
      }
      let value = isNumeric ? axis.places[index].number ?? 0 : Double(index)
      runs[runs.count - 1].append((left + x.place(of: value) * width, band))
    }
    return runs.filter { !$0.isEmpty }
  }

  private func band(of line: Int, _ scale: ChartScale) -> String {
    var text = ""
    for run in runs(of: line) where run.contains(where: { $0.band.low < $0.band.high }) {
      let color = ChartStyle.colorClass(line)
      if run.count == 1 {
        let (low, high) = (y(scale, run[0].band.low), y(scale, run[0].band.high))
        text += SVG.line(run[0].x, low, run[0].x, high, "whisker \(color)")
        continue
      }
      let above = run.map { (x: $0.x, y: y(scale, $0.band.high)) }
      let below = run.reversed().map { (x: $0.x, y: y(scale, $0.band.low)) }
      text += "<polygon class=\"band \(color)\" points=\"\(SVG.points(above + below))\"/>\n"
    }
    return text
  }

  private func curve(of line: Int, _ scale: ChartScale) -> String {
    var text = ""
    let name = lines.indices.contains(line) ? lines[line] : ""
    for run in runs(of: line) {
      let points = run.map { (x: $0.x, y: y(scale, $0.band.middle)) }
      if points.count > 1 {
        text += "<polyline class=\"line \(ChartStyle.colorClass(line))\"\(ChartStyle.dash(line))"
        text += " points=\"\(SVG.points(points))\"><title>\(SVG.escaped(name))</title></polyline>\n"
      }
      for point in points { text += ChartStyle.marker(line, point.x, point.y) }
    }
    return text
  }
}
