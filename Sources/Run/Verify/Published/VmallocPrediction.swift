import Hardware
import Kernel

/// Published runs of lib/test_vmalloc.c beside what the emulated machine needs for the same loops.
///
/// At most one figure of a machine is given up: its ratio to ours multiplies every price, as if the
/// machine were that much slower throughout. All others are predictions. A machine with too few figures
/// for that keeps the prices of its cost file; how far these are off in absolute time is told, no more.
///
/// One price is set by another publication: a page from the CPU's own list and back is 184 cycles at
/// 4 GHz, 46 ns (page_bench02, J. D. Brouer in M. Gorman's "only use per-cpu allocator for irq-safe
/// requests", January 2017), and 36 ns by the estimates of the cost files.
package struct VmallocPrediction: Sendable, Equatable {
  package struct Series: Sendable, Equatable {
    package var series: VmallocSeries
    /// What all prices are multiplied by.
    package var factor: Double
    package var rows: [PredictedRow]
  }

  package var file: String
  package var series: [Series]
  /// Tests that are not run: they measure more than vmalloc.
  package var leftOut: [String]

  package var isGood: Bool {
    series.allSatisfy {
      $0.series.calibratedBy == nil || ($0.rows.medianError ?? 0) <= CyclePrediction.tolerance
    }
  }

  /// What makes a page and back 46 ns.
  private static let pageListFactor = 1.5

  /// - Parameter only: the series that are wanted; nil: all.
  package init(_ table: PublishedTable, only: Set<String>? = nil) throws(RecordingError) {
    (file, series, leftOut) = (table.file, [], [])
    for name in table.series where only?.contains(name) ?? true {
      guard let known = VmallocSeries.all.first(where: { $0.name == name }) else {
        leftOut.append(name)
        continue
      }
      guard let version = KernelVersion(named: known.kernel),
        let costs = try? CostFile.named(known.costs), let cpu = try? CPUFile.named(known.cpu)
      else {
        throw RecordingError(
          .impossible, file: file, "Linux \(known.kernel) or the bundled costs are missing",
          hint: "this is an error of kmemu; please report it")
      }
      let test = VmallocTest(
        kernel: version, cpus: known.cpus, memory: VmallocSeries.memory,
        costs: costs.scaling(.pcpListOp, by: Self.pageListFactor), cpu: cpu,
        threadAlignShift: known.threadAlignShift)
      let rows = Self.averaged(table.rows.filter { $0.series == name })
      series.append(Self.predict(known, rows, test, &leftOut))
    }
    guard !series.isEmpty else {
      throw RecordingError(
        .nothingToCompare, file: file, "no series of this table is known",
        hint: "known are: " + VmallocSeries.all.map(\.name).joined(separator: ", "))
    }
  }

  private static func predict(
    _ known: VmallocSeries, _ rows: [PublishedTable.Row], _ test: VmallocTest,
    _ leftOut: inout [String]
  ) -> Series {
    var (predicted, factor) = ([PredictedRow](), 1.0)
    for row in rows {
      guard let loop = VmallocLoop(row.figure, pages: row.x) else {
        if !leftOut.contains(row.figure) { leftOut.append(row.figure) }
        continue
      }
      let isCalibrated = known.calibratedBy.map { $0 == (row.figure, row.x) } ?? false
      let time = test.nanoseconds(loop)
      if isCalibrated { factor = row.value / time }
      predicted.append(
        PredictedRow(published: row, predicted: time, isCalibrated: isCalibrated))
    }
    for index in predicted.indices { predicted[index].predicted *= factor }
    return Series(series: known, factor: factor, rows: predicted)
  }

  /// Repeated runs of one test are one figure: their mean.
  private static func averaged(_ rows: [PublishedTable.Row]) -> [PublishedTable.Row] {
    var means: [PublishedTable.Row] = []
    for row in rows
    where !means.contains(where: { $0.figure == row.figure && $0.place == row.place }) {
      var mean = row
      let same = rows.filter { $0.figure == row.figure && $0.place == row.place }
      mean.value = same.reduce(0) { $0 + $1.value } / Double(same.count)
      means.append(mean)
    }
    return means
  }
}

extension VmallocPrediction {
  /// Why a figure is off, as far as the model knows what it leaves out.
  package func reason(_ row: PredictedRow, in series: Series) -> String {
    guard series.series.calibratedBy != nil else {
      return "absolute time: mitigations, accounting and checks of that kernel are in no price"
    }
    return switch VmallocLoop(row.published.figure, pages: row.published.x) {
    case .fullFit, .longBusyList:
      "tree nodes that left the caches: a step down costs the same in a small tree and in a large"
    case .fixAlign, .randomSizeAlign:
      "zeroing: one price for a page that is in the cache and for one that is not"
    case .vmMapRAM:
      "prices of barriers and of TLBI are estimates, which weigh most where one page is mapped"
    default: "the pages' own records and lines: each page costs the same, in the cache or not"
    }
  }
}
