/// A section of a report: a heading with column heads, and a row of figures for each name.
///
/// Names stand left, figures right; a name too long for its column gets a line of its own, so
/// that nothing is cut and no line passes `TextLayout.width`.
struct FigureTable {
  /// Blanks between columns where there is room.
  private static let gapMax = 3
  /// What names get at least, if the figures leave it: tables below each other then look alike.
  private static let nameWidth = 24

  let title: String
  let heads: [String]
  var rows: [(name: String, cells: [String])] = []
  /// Columns with words; they stand left.
  var words: Set<Int> = []
  /// What follows the rows, already cut into lines.
  var footer: [String] = []

  init(_ title: String, _ heads: [String], words: Set<Int> = []) {
    (self.title, self.heads, self.words) = (title, heads, words)
  }

  func text(_ paint: Paint) -> String {
    let widths = heads.indices.map { column in
      max(heads[column].count, rows.map { $0.cells[column].count }.max() ?? 0)
    }
    let figures = widths.reduce(0, +)
    func room(_ gap: Int) -> Int { TextLayout.width - figures - gap * heads.count }
    // A name that fits beside no figures has its own line anyway and asks for no room.
    let names = rows.map { $0.name.count + 2 }.filter { $0 <= room(1) }
    let longest = max(title.count, names.max() ?? 0)
    let wish = max(longest, Self.nameWidth)
    let gap =
      (2...Self.gapMax).last { room($0) >= wish } ?? (room(2) >= longest ? 2 : 1)
    let nameWidth = min(wish, max(room(gap), title.count))

    func line(_ name: String, _ cells: [String]) -> String {
      var text = TextLayout.left(name, nameWidth)
      for (column, cell) in cells.enumerated() {
        text += String(repeating: " ", count: gap)
        text +=
          words.contains(column)
          ? TextLayout.left(cell, widths[column]) : TextLayout.right(cell, widths[column])
      }
      return Self.trimmed(text)
    }
    var lines = [paint.bold(line(title, heads))]
    for row in rows {
      let name = "  " + row.name
      if name.count <= nameWidth {
        lines.append(line(name, row.cells))
      } else {
        lines.append(String(name.prefix(TextLayout.width)))
        lines.append(line("", row.cells))
      }
    }
    return (lines + footer.map { "  " + $0 }).joined(separator: "\n") + "\n"
  }

  private static func trimmed(_ line: String) -> String {
    var line = line
    while line.last == " " { line.removeLast() }
    return line
  }
}

/// Restrained colour: headings bold, what is wrong red, what is odd yellow. Off: plain text.
struct Paint {
  let isOn: Bool
  private func paint(_ text: String, _ code: String) -> String {
    isOn && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
  func bold(_ text: String) -> String { paint(text, "1") }
  func red(_ text: String) -> String { paint(text, "1;31") }
  func yellow(_ text: String) -> String { paint(text, "33") }
}
