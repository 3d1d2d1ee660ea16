/// A table that somebody measured and published: rows of a series, a point and a figure.
///
/// `# workload:` says what was done; the columns are series, x_name, x, y_name, y, unit, certainty
/// and note. Only tables of slab_test and slab_bulk_test01 are predicted (`PublishedSeries`).
package struct PublishedTable: Sendable, Equatable {
  /// What the rows count by: the size of an object, or how many a batch has.
  package enum Kind: String, Sendable { case size = "kmalloc_size", batch = "objects_per_batch" }
  package struct Row: Sendable, Equatable {
    package var line: Int
    package var series: String
    package var x: Int
    /// `alloc_x10000`, `free_x10000`, `alloc_free_pair`, `alloc_free_cost_per_object`.
    package var figure: String
    package var value: Double
  }

  package var file: String
  package var kind: Kind
  package var rows: [Row]

  private static let columns = "series,x_name,x,y_name,y,unit,certainty,note"

  /// Whether a text is such a table, by its line of column names.
  package static func isOne(_ text: String) -> Bool {
    text.prefix(4096).split(whereSeparator: \.isNewline).contains { $0 == columns }
  }

  package init(parsing text: String, file: String) throws(RecordingError) {
    self.file = file
    var (kinds, all): (Set<Substring>, [Row]) = ([], [])
    for (number, line) in TextLines(text: text)
    where !line.isEmpty && !line.hasPrefix("#") && line != Self.columns {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count >= 8, let x = Int(cells[2]), (1...1 << 22).contains(x),
        let value = Double(cells[4]), value > 0, value < 1e9
      else {
        throw RecordingError(
          .badParameters, file: file, line: number, "`\(line.prefix(40))` is no row of figures",
          hint: "expected \(Self.columns)")
      }
      // The fast path alone stands between the batches, under a name of its own.
      guard cells[5] == "cycles", cells[1] != "reuse" else { continue }
      kinds.insert(cells[1])
      all.append(
        Row(
          line: number, series: String(cells[0]), x: x, figure: String(cells[3]), value: value))
    }
    guard kinds.count == 1, let kind = kinds.first.flatMap({ Kind(rawValue: String($0)) }),
      !all.isEmpty
    else {
      throw RecordingError(
        .badParameters, file: file, "nothing here is predicted",
        hint: "tables of slab_test (kmalloc_size) and slab_bulk_test01 (objects_per_batch) are, "
          + "in cycles")
    }
    (self.kind, rows) = (kind, all)
  }

  /// The series in the order of their first rows.
  package var series: [String] {
    var names: [String] = []
    for row in rows where !names.contains(row.series) { names.append(row.series) }
    return names
  }
}
