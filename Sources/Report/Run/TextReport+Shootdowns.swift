import Run

/// Where the time of shootdowns went, and whom the longest waited for.
extension TextReport {
  var longestShootdowns: String? {
    guard !result.tlb.longest.isEmpty else { return nil }
    var table = FigureTable(
      "where they waited",
      ["in all", "send", "travel", "masked", "handler", "answer", "for the slowest"], words: [6])
    let mean = result.tlb.partsNs.all
    table.rows.append(("mean", cells(mean.reduce(0, +), mean) + [""]))
    let (rows, rest) = shortened(result.tlb.longest, to: 3, of: "of the longest")
    for longest in rows {
      table.rows.append(
        (
          "CPU \(longest.initiator) at \(Figures.time(longest.timeNs))",
          cells(longest.lengthNs, longest.partsNs.all) + [Self.reason(longest)]
        ))
    }
    table.footer = rest
    return table.text(paint)
  }

  private func cells(_ whole: Double, _ parts: [Double]) -> [String] {
    [Figures.time(whole)] + parts.map { Figures.time($0) }
  }

  /// Whom a shootdown waited for, and what kept it.
  static func reason(_ longest: RunResult.TLB.Longest) -> String {
    guard longest.slowestCpu >= 0 else { return "" }
    let cpu = "CPU \(longest.slowestCpu)"
    let place = longest.path == "program" ? longest.task : longest.path
    switch longest.cause {
    case "irqs-off":
      let lock = longest.lock.map { ", \($0)" } ?? ""
      return "\(cpu): irqs off in \(place)\(lock)"
    case "interrupt": return "\(cpu): in an interrupt, \(place)"
    case "idle": return "\(cpu): asleep"
    default: return cpu
    }
  }
}
