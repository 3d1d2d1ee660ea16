/// A table that somebody measured and published: rows of a series, a point and a figure.
///
/// `# workload:` says what was done; the columns are series, x_name, x, y_name, y, unit, certainty
/// and note. Only tables of slab_test, slab_bulk_test01 and test_vmalloc are predicted
/// (`PublishedSeries`, `VmallocSeries`).
package struct PublishedTable: Sendable, Equatable {
  /// What the rows count by: the size of an object, how many a batch has, the pages of an area.
  package enum Kind: String, Sendable {
    case size = "kmalloc_size"
    case batch = "objects_per_batch"
    case pages
  }
  package struct Row: Sendable, Equatable {
    package var line: Int
    package var series: String
    package var x: Int
    /// As the table has it: `1..100`, of which `x` is the first number.
    package var place: String
    /// `alloc_x10000`, `free_x10000`, `alloc_free_pair`, `alloc_free_cost_per_object`, `fix_size`.
    package var figure: String
    /// Unit: cycles, or of areas ns a turn.
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
      // Tests of more than one size say `1..100`, `100+1` or `-`.
      let isOfAreas = cells.count >= 8 && cells[5] == "us per loop"
      let first = isOfAreas ? Int(cells[2].prefix(while: \.isNumber)) ?? 1 : nil
      guard cells.count >= 8, let x = first ?? Int(cells[2]), (1...1 << 22).contains(x),
        let value = Double(cells[4]), value > 0, value < 1e9
      else {
        throw RecordingError(
          .badParameters, file: file, line: number, "`\(line.prefix(40))` is no row of figures",
          hint: "expected \(Self.columns)")
      }
      // The fast path alone stands between the batches, under a name of its own.
      guard cells[5] == "cycles" && cells[1] != "reuse" || isOfAreas else { continue }
      kinds.insert(cells[1])
      all.append(
        Row(
          line: number, series: String(cells[0]), x: x, place: String(cells[2]),
          figure: String(cells[3]), value: isOfAreas ? value * 1000 : value))
    }
    guard kinds.count == 1, let kind = kinds.first.flatMap({ Kind(rawValue: String($0)) }),
      !all.isEmpty, kind != .pages || all.allSatisfy({ !$0.figure.hasSuffix("_cost") })
    else {
      throw RecordingError(
        .badParameters, file: file, "nothing here is predicted",
        hint: "tables of slab_test (kmalloc_size) and slab_bulk_test01 (objects_per_batch) are, in "
          + "cycles, and of test_vmalloc (pages), in us per loop")
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
