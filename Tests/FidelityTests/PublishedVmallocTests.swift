import Kernel
import Testing

@testable import Run

/// Times of lib/test_vmalloc.c as published from 2020 to 2026, against predictions of the emulated
/// kernels of their day. One figure of a machine sets the factor of all its prices; a machine with
/// one figure has the prices of its cost file as they are.
///
/// Source: U. Rezki, LKML, 14 December 2020 (3970X) and 16 October 2025 (Milan); A. Rambhadran,
/// LKML, March and mid 2026 (Graviton3).
@Suite struct PublishedVmallocTests {
  static let sizes = String(decoding: PackageResources.vmalloc_size_sweep_csv, as: UTF8.self)

  /// Half of a calibrated machine's figures may be off by a quarter (`CyclePrediction.tolerance`);
  /// none of any by more than `worst`; their order is nearly the published one.
  @Test(arguments: [
    ("graviton3-7.0", 0.65), ("3970X-5.10-single-cpu", 0.5), ("milan-256cpu-6.18dev", 0.55),
  ])
  func predictions(name: String, worst: Double) throws {
    let table = try PublishedTable(parsing: Self.sizes, file: "table.csv")
    let prediction = try VmallocPrediction(table, only: [name])
    let series = try #require(prediction.series.first)
    #expect(prediction.isGood)
    #expect(abs(try #require(series.rows.worst).error) <= worst)
    if let rank = series.rows.rankCorrelation { #expect(rank >= 0.9, "\(rank)") }
  }
}
