/// What is written under the x axis: as many labels as fit, turned if they are names.
struct ChartLabels {
  struct Label {
    let text: String
    /// The whole text where it had to be cut.
    let full: String?
    let place: Double
  }
  let labels: [Label]
  let isTurned: Bool
  /// Room they need below the axis.
  let height: Double

  /// How names are turned, in degrees, and what that leaves of a length across and down.
  static let angle = -32.0
  private static let (across, down) = (0.848, 0.53)

  init(_ places: [Chart.Place], _ scale: ChartScale, width: Double) {
    let isNumeric = !places.isEmpty && places.allSatisfy { $0.number != nil }
    // A turned name reaches to the left of its place; the first has the least room there.
    let room =
      (ChartSVG.figuresWidth + ChartSVG.margin / 2 + scale.place(of: 0) * width) / Self.across
    let all = places.enumerated().map { index, place in
      let cut = Self.cut(place.label, to: isNumeric ? .infinity : room)
      return Label(
        text: cut, full: cut == place.label ? nil : place.label,
        place: scale.place(of: isNumeric ? place.number ?? 0 : Double(index)))
    }.sorted { $0.place < $1.place }
    let widest = all.map { SVG.width($0.text, size: ChartStyle.textSize) }.max() ?? 0
    if isNumeric {
      labels = Self.thinned(all, width: width)
      (isTurned, height) = (false, 22)
    } else {
      let room = width / Double(max(1, all.count)) - 8
      isTurned = widest > room
      labels = all
      height = isTurned ? 16 + widest * Self.down + 10 : 22
    }
  }

  /// The middle of a name too long is left out: begin and end tell machines apart.
  private static func cut(_ text: String, to room: Double) -> String {
    var (cut, kept) = (text, text.count)
    while SVG.width(cut, size: ChartStyle.textSize) > room, kept > 4 {
      kept -= 1
      cut = text.prefix(kept - kept / 2) + "…" + text.suffix(kept / 2)
    }
    return cut
  }

  /// Numbers that would touch the one before them are left out; the last stays.
  private static func thinned(_ labels: [Label], width: Double) -> [Label] {
    func half(_ label: Label) -> Double { SVG.width(label.text, size: ChartStyle.textSize) / 2 }
    func touch(_ one: Label, _ other: Label) -> Bool {
      (other.place - one.place) * width < half(one) + half(other) + 6
    }
    var kept: [Label] = []
    for label in labels where kept.last.map({ !touch($0, label) }) ?? true { kept.append(label) }
    if let last = labels.last, let end = kept.last, end.place != last.place {
      while let end = kept.last, kept.count > 1, touch(end, last) { kept.removeLast() }
      kept.append(last)
    }
    return kept
  }
}
