import Kernel
import Testing

@testable import Run

/// Cycles of slab_test and of the bulk API, as published in 2014 to 2016, against predictions of
/// the emulated kernels of their day. Three figures of each machine set its prices.
@Suite struct PublishedCyclesTests {
  static let sizes = String(
    decoding: PackageResources.slab_test_kmalloc_cycles_csv, as: UTF8.self)
  static let batches = String(decoding: PackageResources.slub_bulk_4_3_csv, as: UTF8.self)

  /// The table with the rows of some series only.
  private static func table(_ text: String, _ series: [String]) throws -> PublishedTable {
    var table = try PublishedTable(parsing: text, file: "table.csv")
    table.rows = table.rows.filter { series.contains($0.series) }
    return table
  }

  @Test("The median error of a series' predictions is 25 % at most")
  func medianErrors() throws {
    let prediction = try CyclePrediction(Self.table(Self.sizes, ["Brouer-after(4.0)"]))
    let series = try #require(prediction.series.first)
    #expect(series.rows.filter(\.isCalibrated).count == 3)
    #expect(series.rows.count == 36)
    #expect(try #require(series.medianError) <= CyclePrediction.tolerance)
    for row in series.rows where row.isCalibrated { #expect(abs(row.error) < 0.02) }
  }

  @Test("The median error of one-at-a-time and bulk batches is 25 % at most")
  func batchErrors() throws {
    let names = ["fallback-one-at-a-time", "bulk-api"]
    let prediction = try CyclePrediction(Self.table(Self.batches, names))
    for series in prediction.series {
      let error = try #require(series.medianError)
      #expect(error <= CyclePrediction.tolerance, "\(series.series.name): \(error)")
    }
  }

  /// What the tables teach, whatever the prices are.
  @Test("A pair costs the same up to 8 KiB, and several times as much from the page allocator")
  func shapes() throws {
    let prediction = try CyclePrediction(Self.table(Self.sizes, ["Brouer-after(4.0)"]))
    func cycles(_ x: Int, _ figure: String) -> Double {
      prediction.series[0].rows.first { $0.published.x == x && $0.published.figure == figure }!
        .predicted
    }
    #expect(abs(cycles(8192, "alloc_free_pair") / cycles(8, "alloc_free_pair") - 1) < 0.05)
    #expect(cycles(16384, "alloc_free_pair") > 3 * cycles(8192, "alloc_free_pair"))
    #expect(cycles(8192, "alloc_x10000") > 3 * cycles(8, "alloc_x10000"))
    #expect(cycles(4096, "free_x10000") > cycles(256, "free_x10000"))
  }

  @Test("A prediction that is wrong is told as wrong")
  func wrongFigures() throws {
    let text = Self.sizes.split(whereSeparator: \.isNewline).map { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count == 8, cells[0] == "Brouer-after(4.0)", Int(cells[2]) != 256,
        Int(cells[2]) != 8
      else { return String(line) }
      return (cells[0..<4] + ["\(Int(cells[4])! * 2)"] + cells[5...]).joined(separator: ",")
    }.joined(separator: "\n")
    let prediction = try CyclePrediction(Self.table(text, ["Brouer-after(4.0)"]))
    #expect(!prediction.isGood)
  }

  @Test(arguments: [
    "", "series,x_name,x,y_name,y,unit,certainty,note\n",
    "series,x_name,x,y_name,y,unit,certainty,note\na,kmalloc_size,0,alloc_x1,1,cycles,text,\n",
    "series,x_name,x,y_name,y,unit,certainty,note\na,tasks,1,ops,1,cycles,text,\n",
    "series,x_name,x,y_name,y,unit,certainty,note\na,kmalloc_size,8,alloc_x1,-1,cycles,text,\n",
    "series,x_name,x,y_name,y,unit,certainty,note\nmine,kmalloc_size,8,alloc_x1,1,cycles,text,\n",
  ])
  func badTablesHaveAnError(text: String) {
    #expect(throws: RecordingError.self) {
      try CyclePrediction(PublishedTable(parsing: text, file: "table.csv"))
    }
  }
}
