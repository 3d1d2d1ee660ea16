/// Suggestions for what was misspelt.
package enum Spelling {
  /// The known word with the fewest edits (insert, delete, replace, swap of neighbours), if they
  /// are few for a word of this length.
  package static func nearest(to word: String, among known: [String]) -> String? {
    guard word.unicodeScalars.count <= 64 else { return nil }
    let typed = Array(normal(word).unicodeScalars)
    guard !typed.isEmpty else { return nil }
    var best: (word: String, distance: Int)?
    for candidate in known {
      let other = Array(normal(candidate).unicodeScalars)
      guard abs(other.count - typed.count) <= max(1, typed.count / 3) else { continue }
      let distance = distance(typed, other)
      if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, typed.count / 3) else { return nil }
    return best.word
  }

  /// Words that differ in dashes and capitals only are the same word misspelt.
  private static func normal(_ word: String) -> String {
    String(word.lowercased().map { $0 == "-" ? "_" : $0 })
  }

  private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var before: [Int] = []
    var last = Array(0...b.count)
    for (row, left) in a.enumerated() {
      var line = [row + 1]
      for (column, right) in b.enumerated() {
        var value = min(
          last[column + 1] + 1, line[column] + 1, last[column] + (left == right ? 0 : 1))
        if row > 0, column > 0, left == b[column - 1], a[row - 1] == right {
          value = min(value, before[column - 1] + 1)
        }
        line.append(value)
      }
      (before, last) = (last, line)
    }
    return last[b.count]
  }

  /// A user's text in a message: short and printable.
  static func shown(_ text: String) -> String {
    let flat = text.map { $0.isNewline ? " " : $0 }
    return flat.count > 60 ? String(flat.prefix(57)) + "..." : String(flat)
  }
}
