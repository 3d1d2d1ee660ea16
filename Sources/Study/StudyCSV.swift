/// The study as one tidy table: a row a point and repeat, parameters first, units in the names.
///
/// Nothing in it depends on the host's clock or on the number of jobs. Failed runs have a row with
/// `status` failed and no figures; runs that were not begun have none.
package enum StudyCSV {
  package static func render(_ study: StudyRuns) -> String {
    let columns = Columns(study)
    var text = line(columns.heads)
    for run in study.runs where run.outcome != .pending {
      text += line(columns.cells(of: run, in: study))
    }
    return text
  }

  private struct Columns {
    let main: Int
    let operations: [String]
    let shares: [String]
    let counters: [String]
    private let parameters: [String]

    init(_ study: StudyRuns) {
      parameters = study.plan.axes.map(\.key)
      main = study.mainOperation
      let figures = study.runs.compactMap(\.figures)
      // In the scenarios' own order, then whatever a result has beside.
      var operations: [String] = []
      var known: Set<String> = []
      for name in study.operations.flatMap({ $0 }) where known.insert(name).inserted {
        operations.append(name)
      }
      self.operations =
        operations + Set(figures.flatMap(\.operations.keys)).subtracting(known).sorted()
      shares = Set(figures.flatMap { $0.cpuShares.map(\.name) }).sorted()
      counters = Set(figures.flatMap(\.counters.keys)).sorted()
    }

    var heads: [String] {
      var heads = parameters
      heads += ["repeat", "run_seed", "status", "result", "kernel_release", "cost_file"]
      heads += ["machine_cpus", "machine_nodes", "time_ns", "events", "fingerprint", "ended"]
      heads += ["expectations_failed", "violations", "would_reclaim", "main_operation"]
      heads += StudyCSV.operationColumns.map { "main_\($0)" }
      for name in operations { heads += StudyCSV.operationColumns.map { "\(name).\($0)" } }
      heads += ["lock_acquisitions", "lock_contended", "lock_wait_ns", "tlb_shootdowns"]
      heads += ["tlb_ipis_sent", "tlb_wait_mean_ns", "tlb_wait_max_ns"]
      heads += shares.map { "cpu_time_\($0)_share" }
      return heads + counters.map { "counter.\($0)" }
    }

    func cells(of run: StudyRun, in study: StudyRuns) -> [String] {
      var cells = study.plan.points[run.point].values
      let name = study.operationName(main, at: run.point)
      guard let figures = run.figures else {
        cells += ["\(run.number)", run.key == nil ? "" : "\(run.seed)", "failed"]
        return cells + [String](repeating: "", count: heads.count - cells.count)
      }
      cells += ["\(run.number)", "\(run.seed)", "ok", run.key?.text ?? ""]
      cells += [figures.kernel, figures.costs]
      cells += ["\(figures.machine.cpus)", "\(figures.machine.nodes)", "\(figures.timeNs)"]
      cells += ["\(figures.events)", figures.fingerprint, figures.ended]
      cells += ["\(figures.expectationsFailed)", "\(figures.violationCount)"]
      cells += ["\(figures.wouldReclaim)", name]
      for name in [name] + operations { cells += StudyCSV.cells(of: figures.operations[name]) }
      cells += ["\(figures.locks.reduce(0) { $0 + $1.acquisitions })"]
      cells += ["\(figures.locks.reduce(0) { $0 + $1.contended })"]
      cells += [number(figures.locks.reduce(0) { $0 + $1.waitNs.total })]
      cells += ["\(figures.tlb.shootdowns)", "\(figures.tlb.ipisSent)"]
      cells += [number(figures.tlb.waitNs.mean), number(figures.tlb.waitNs.max)]
      let shares = Dictionary(uniqueKeysWithValues: figures.cpuShares)
      cells += self.shares.map { number(shares[$0]) }
      return cells + counters.map { figures.counters[$0].map { "\($0)" } ?? "" }
    }
  }

  private static let operationColumns = [
    "count", "failed", "throughput_per_s", "latency_p50_ns", "latency_p90_ns", "latency_p99_ns",
  ]

  private static func cells(of operation: StudyFigures.Operation?) -> [String] {
    guard let operation else { return [String](repeating: "", count: operationColumns.count) }
    let latency = operation.latencyNs
    return ["\(operation.count)", "\(operation.failed)"]
      + [operation.throughputPerS, latency.p50, latency.p90, latency.p99].map { number($0) }
  }

  /// The shortest digits that are read back as the same number.
  private static func number(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "" }
    return value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
  }

  /// RFC 4180, with line feeds alone.
  private static func line(_ cells: [String]) -> String {
    cells.map { cell in
      guard cell.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return cell }
      return "\""
        + cell.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\"\"") + "\""
    }.joined(separator: ",") + "\n"
  }
}
