import Kernel
import Run

/// The report of `kmemu run` as text of 80 columns.
///
/// The first screen says what ran, how fast the machine was and where its time went; then what
/// the subsystems counted; at the end, where eyes are, what was odd and what was wrong.
package struct TextReport {
  package struct Style: Sendable {
    /// All rows of all tables, and the tables that only a few want.
    package var isVerbose: Bool
    package var isColored: Bool
    package init(isVerbose: Bool = false, isColored: Bool = false) {
      (self.isVerbose, self.isColored) = (isVerbose, isColored)
    }
  }

  let result: RunResult
  let isVerbose: Bool
  let paint: Paint

  package static func render(_ result: RunResult, _ style: Style = Style()) -> String {
    let report = TextReport(
      result: result, isVerbose: style.isVerbose, paint: Paint(isOn: style.isColored))
    let sections: [String?] = [
      report.header, report.operations, report.whereTimeWent, report.locks, report.caches,
      report.slabinfo, report.slob, report.callSites,
      report.vmalloc, report.shootdowns, report.interrupts, report.zones, report.counters,
      report.worthALook, report.notes, report.warnings, report.violations, report.verdict,
    ]
    return sections.compactMap { $0 }.joined(separator: "\n")
  }

  /// Rows of a table: all with -v, else the first few with a line that says how many more.
  func shortened<Row>(_ rows: [Row], to most: Int, of noun: String) -> (rows: [Row], rest: [String])
  {
    guard !isVerbose, rows.count > most else { return (rows, []) }
    return (Array(rows.prefix(most)), ["and \(rows.count - most) more \(noun); -v shows all"])
  }

  // MARK: What ran

  private var header: String {
    let lines = [title, machine, speed].compactMap { $0 } + state
    return lines.joined(separator: "\n") + "\n"
  }

  private var title: String {
    let text =
      result.title.isEmpty || result.title == result.name
      ? result.name : "\(result.name): \(result.title)"
    return paint.bold(Figures.wrapped(text, indent: 2))
  }

  private var machine: String {
    let machine = result.machine
    var places = "\(machine.cpus) CPU\(machine.cpus == 1 ? "" : "s")"
    if machine.packages > 1 {
      places =
        machine.cpus % machine.packages == 0
        ? "\(machine.packages) x \(machine.cpus / machine.packages) CPUs"
        : places + " in \(machine.packages) packages"
    }
    let kind = result.architecture == "x86-64" ? "" : " for \(result.architecture)"
    let text =
      "Linux \(result.kernel)\(kind) on \(machine.source): \(places) (\(nodes)), costs \(result.costs), "
      + "seed \(result.seed)"
    return Figures.wrapped(text, indent: 2)
  }

  /// `2 nodes, distance 21, 64 GiB`.
  private var nodes: String {
    let machine = result.machine
    let memory = TextLayout.bytes(machine.memoryBytes)
    guard machine.nodes > 1 else { return "1 node, \(memory)" }
    var least = Int.max
    var most = 0
    for (row, distances) in machine.distances.enumerated() {
      for (column, distance) in distances.enumerated() where row != column {
        (least, most) = (min(least, distance), max(most, distance))
      }
    }
    let range = least == most ? "distance \(least)" : "distances \(least) to \(most)"
    return most == 0
      ? "\(machine.nodes) nodes, \(memory)" : "\(machine.nodes) nodes, \(range), \(memory)"
  }

  /// The fingerprint stands at the right where there is room.
  private var speed: String {
    var text = "\(Figures.time(result.timeNs)) emulated"
    if result.warmupNs > 0 { text += " after \(Figures.time(result.warmupNs)) of warm-up" }
    text += " in \(Figures.time(result.wallS * 1e9)):"
    text += " \(TextReport.noun(Double(result.events), "event"))"
    if result.wallS > 0 { text += ", \(Figures.rate(result.eventsPerS))" }
    let fingerprint = "fingerprint \(result.fingerprint)"
    let room = TextLayout.width - text.count - fingerprint.count
    guard room >= 1 else { return text + "\n" + TextLayout.right(fingerprint, TextLayout.width) }
    return text + String(repeating: " ", count: room) + fingerprint
  }

  /// Said only where the run is not what was asked for.
  private var state: [String] {
    switch result.ended {
    case "complete": []
    case "interrupted":
      [
        paint.red("interrupted") + " after \(Figures.time(result.timeNs)): all figures are of that"
          + " time only"
      ]
    default:
      [paint.red("ended early: \(result.ended)") + " after \(Figures.time(result.timeNs))"]
    }
  }

  static func noun(_ number: Double, _ noun: String) -> String {
    let text = Figures.short(number)
    return (text.hasSuffix(" ") ? text : text + " ") + noun + (number == 1 ? "" : "s")
  }

  // MARK: Operations

  private var operations: String? {
    guard !result.operations.isEmpty else {
      return "no operation was measured: the scenario has none, or the run was too short\n"
    }
    var table = FigureTable("operation", ["count", "failed", "rate", "p50", "p90", "p99", "max"])
    let sorted = result.operations.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
    for (name, operation) in sorted where operation.count > 0 || operation.failed > 0 {
      let latency = operation.latencyNs
      let times = [latency.p50, latency.p90, latency.p99, latency.max].map { Figures.time($0) }
      let counts = [
        Figures.count(operation.count), Figures.count(operation.failed),
        Figures.rate(operation.throughputPerS),
      ]
      table.rows.append((name, counts + times))
    }
    let idle = sorted.filter { $0.value.count == 0 && $0.value.failed == 0 }.map(\.key)
    if !idle.isEmpty {
      let text = "never called: " + idle.joined(separator: ", ")
      table.footer = Figures.wrapped(text, indent: 2, width: TextLayout.width - 2).split(
        separator: "\n"
      ).map(String.init)
    }
    return table.text(paint)
  }

  // MARK: Where the time went

  /// Categories shown however small they are.
  private static let categoriesMin = 4

  /// Biggest first, idle last: who looks for time looks for work.
  private var whereTimeWent: String? {
    let total = result.cpuTime.values.reduce(0, +)
    guard total > 0 else { return nil }
    var table = FigureTable(
      "where the time went", ["of CPU time", "CPU time", "top path"], words: [2])
    let categories = TimeCategory.allCases.map { ($0, result.cpuTime[$0.key, default: 0]) }
    let busy = categories.filter { $0.0 != .idle && $0.1 > 0 }
    let sorted = busy.sorted { ($1.1, $0.0.rawValue) < ($0.1, $1.0.rawValue) }
    let small = isVerbose ? 0 : total / 1000
    let shown = sorted.enumerated().filter {
      $0.offset < Self.categoriesMin || $0.element.1 > small
    }
    let rest = sorted.count - shown.count
    for (category, time) in shown.map(\.element) + categories.filter({ $0.0 == .idle && $0.1 > 0 })
    {
      let share = Figures.percent(Double(time), of: Double(total))
      table.rows.append((category.title, [share, Figures.time(time), topPath(of: category)]))
    }
    if rest > 0 { table.footer = ["and \(rest) more below 0.1 %; -v shows all"] }
    return table.text(paint)
  }

  /// For waiting, the lock that was waited for says more than who waited.
  private func topPath(of category: TimeCategory) -> String {
    if category == .lockWait, let lock = result.locks.first, lock.waitNs.total > 0 {
      return String(lock.name.prefix(30))
    }
    switch result.topPaths[category.key] {
    case "program": return "the workload's own"
    case "idle", nil: return ""
    case .some(let path): return path
    }
  }
}
