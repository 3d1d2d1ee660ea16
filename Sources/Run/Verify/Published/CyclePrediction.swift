import Hardware
import Kernel

/// A published table beside what the emulated machine needs for the same loops.
///
/// Times of a machine that nobody has here can only be compared after calibration: so much of the
/// table is given up for it, and the rest is a prediction. Three figures of a machine's first
/// series set three factors (`CostFit`); what they are set by is marked, and counts for nothing.
package struct CyclePrediction: Sendable, Equatable {
  package typealias Row = PredictedRow
  package struct Series: Sendable, Equatable {
    package var series: PublishedSeries
    package var fit: CostFit
    package var rows: [Row]

    package var medianError: Double? { rows.medianError }
    package var worst: Row? { rows.worst }
  }

  package var file: String
  package var series: [Series]
  /// Series of the table that are not predicted, since machine or unit are not known.
  package var leftOut: [String]

  /// The median error that a prediction may have.
  package static let tolerance = 0.25

  package var isGood: Bool { series.allSatisfy { ($0.medianError ?? 0) <= Self.tolerance } }

  package init(_ table: PublishedTable) throws(RecordingError) {
    (file, series, leftOut) = (table.file, [], [])
    var fits: [String: CostFit] = [:]
    for name in table.series {
      guard let known = PublishedSeries.all.first(where: { $0.name == name }) else {
        leftOut.append(name)
        continue
      }
      let rows = table.rows.filter { $0.series == name }
      let bench = try CycleBench(known, file: table.file)
      let fit = bench.fit(fits[known.machine] ?? CostFit(), to: rows)
      fits[known.machine] = fit
      series.append(
        Series(
          series: known, fit: fit,
          rows: rows.compactMap { row in
            bench.cycles(row, fit).map {
              Row(published: row, predicted: $0, isCalibrated: fit.isCalibrated(on: row))
            }
          }))
    }
    guard !series.isEmpty else {
      throw RecordingError(
        .nothingToCompare, file: file, "no series of this table is known",
        hint: "known are: " + PublishedSeries.all.map(\.name).joined(separator: ", "))
    }
  }
}

extension CyclePrediction {
  /// Why a figure is off, as far as the model knows what it leaves out.
  package func reason(_ row: Row, in series: Series) -> String? {
    let rules = KernelVersion(named: series.series.kernel)?.slab
    let cacheMax = rules?.kmallocCacheMax(series.series.slab) ?? 0
    let size = row.published.x
    if series.series.isBulk, size < 8 {
      return "the bulk functions' own calls and hooks, once a batch: only their masking has a price"
    }
    if row.published.figure == "alloc_free_cost_per_object" {
      return "where a batch ends in its slab: slow paths have one price each, whatever they find"
    }
    if size > cacheMax {
      return "from the page allocator, which has the rules of 6.12 here: blocks of pages come from "
        + "per-CPU lists, and came from the buddy lists under zone->lock up to 5.12"
    }
    if size <= 64 {
      return "objects that share a line: one that its neighbour brought costs less, and here all "
        + "cost the same"
    }
    if row.published.figure == "alloc_free_pair" {
      return "the figures of a series should be one, since the same object goes round: it was not "
        + "measured in one state"
    }
    return "the pages of a slab: how many cycles their lines take depends on caches that are not "
      + "modelled"
  }
}

/// Factors on the prices of the cost file, and what each was set by; nil: not set, so 1.
///
/// A price is a factor times that of the bundled file, by kind: the fast paths; an object of a bulk
/// call; the slow paths and the page allocator behind an allocation; what a free beyond the own
/// slab costs.
package struct CostFit: Sendable, Equatable {
  package var fast: Double?
  package var bulk: Double?
  package var slow: Double?
  package var slowFree: Double?
  /// The figures that they were set by: `Brouer-before 8 alloc_free_pair`.
  package var by: [String] = []

  func isCalibrated(on row: PublishedTable.Row) -> Bool { by.contains(Self.name(row)) }
  static func name(_ row: PublishedTable.Row) -> String { "\(row.series) \(row.x) \(row.figure)" }

  /// The prices of `costs` times the factors of their kinds.
  func applied(to costs: Costs) -> Costs {
    var costs = costs
    for work in Work.allCases {
      let factor: Double? =
        switch work {
        case .slubAllocFast, .slubFreeFast, .slabAllocFast, .slabFreeFast, .kmallocLookup: fast
        case .slubBulkObject: bulk
        case .slubFreeSlow: slowFree
        // Measured, on a machine of the same kind.
        case .irqDisableEnable, .irqSaveRestore: nil
        default: slow
        }
      costs = costs.scaling(work, by: factor ?? 1)
    }
    return costs
  }
}
