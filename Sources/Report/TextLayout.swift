/// Text in columns, for reports of 80 characters a line.
package enum TextLayout {
  package static let width = 80

  /// Words wrapped at `width`, each line but the first behind `indent` blanks. A word that is
  /// longer than a line is cut.
  package static func wrapped(_ text: String, indent: Int = 0, width: Int = width) -> String {
    let room = max(1, width - indent)
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      var rest = word
      while !rest.isEmpty {
        let piece = rest.prefix(room)
        rest = rest.dropFirst(piece.count)
        let isFirst = lines.isEmpty
        if !line.isEmpty, line.count + 1 + piece.count > (isFirst ? width : room) {
          lines.append(line)
          line = String(piece)
        } else {
          line += line.isEmpty ? String(piece) : " " + piece
        }
      }
    }
    return (lines + [line]).joined(separator: "\n" + String(repeating: " ", count: indent))
  }

  /// Words wrapped behind a start that the first line has already, each further line under them.
  package static func wrapped(_ text: String, behind start: String) -> String {
    let room = max(24, width - start.count)
    let space = "\n" + String(repeating: " ", count: start.count)
    let lines = wrapped(text, width: room).split(separator: "\n")
    return start + lines.joined(separator: space)
  }

  package static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  package static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Rows under their heads, columns two blanks apart, or one where two would be too wide; numbers
  /// to the right, words to the left.
  /// The last column may be long: it is wrapped at commas and blanks under itself.
  package static func table(
    _ heads: [String], _ rows: [[String]], left words: Set<Int> = []
  ) -> String {
    let widths = heads.indices.map { column in
      ([heads] + rows).map { $0[column].count }.max() ?? 0
    }
    let isWide = widths.reduce(0, +) + 2 * (heads.count - 1) > width
    let gap = isWide && !words.contains(heads.count - 1) ? " " : "  "
    return ([heads] + rows).map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        if column > 0 { line += gap }
        if column == row.count - 1, words.contains(column) {
          line += folded(cell, indent: line.count)
        } else {
          line += words.contains(column) ? left(cell, widths[column]) : right(cell, widths[column])
        }
      }
      return line + "\n"
    }.joined()
  }

  /// A list broken behind commas where the line is full.
  private static func folded(_ text: String, indent: Int) -> String {
    let room = max(20, width - indent)
    var lines = [""]
    for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
      let isFirst = lines.count == 1 && lines[0].isEmpty
      let addition = isFirst ? String(piece) : "," + piece
      if !isFirst, lines[lines.count - 1].count + addition.count + 1 > room {
        lines[lines.count - 1] += ","
        lines.append(String(piece))
      } else {
        lines[lines.count - 1] += addition
      }
    }
    return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
  }

  /// Bytes in binary units with three digits: `512 KiB`, `31.0 GiB`, `1.45 TiB`.
  package static func bytes(_ count: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    while unit + 1 < units.count, count >> UInt64(10 * (unit + 1)) > 0 { unit += 1 }
    let scale = UInt64(1) << UInt64(10 * unit)
    if count % scale == 0 { return "\(count / scale) \(units[unit])" }
    // Hundredths, then as many digits as make three.
    let hundredths = UInt64((Double(count) / Double(scale) * 100).rounded())
    if hundredths >= 9_995 { return "\((hundredths + 50) / 100) \(units[unit])" }
    if hundredths >= 1_000 {
      let tenths = (hundredths + 5) / 10
      return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
    return "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10) \(units[unit])"
  }
}
