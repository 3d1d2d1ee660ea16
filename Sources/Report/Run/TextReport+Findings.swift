import Run

/// What was odd, what was wrong, and how the run is judged.
extension TextReport {
  private static let indent = 2

  private func item(_ text: String) -> String {
    "  " + Figures.wrapped(text, indent: 4, width: TextLayout.width - Self.indent)
  }

  var worthALook: String? {
    let remarks = Remarks(result).all
    guard !remarks.isEmpty else { return nil }
    return ([paint.yellow("worth a look")] + remarks.map(item)).joined(separator: "\n") + "\n"
  }

  /// What was assumed: defaults that were used, limits that were met.
  var notes: String? {
    guard !result.notes.isEmpty else { return nil }
    return ([paint.bold("assumed")] + result.notes.map(item)).joined(separator: "\n") + "\n"
  }

  // MARK: Warnings

  /// What the kernel would print and go on. The same sentence is said once.
  var warnings: String? {
    guard result.warningCount > 0 else { return nil }
    var groups: [(message: String, first: RunResult.Warning, count: Int)] = []
    for warning in result.warnings {
      if let known = groups.firstIndex(where: { $0.message == warning.message }) {
        groups[known].count += 1
      } else {
        groups.append((warning.message, warning, 1))
      }
    }
    let (rows, rest) = shortened(groups, to: 5, of: "different warnings")
    var lines = [paint.yellow("warnings") + "  \(Figures.count(result.warningCount))"]
    for group in rows {
      var text =
        "CPU \(group.first.cpu), t=\(Figures.time(group.first.timeNs)): \(group.message)"
      if group.count > 1 { text += " (and \(group.count - 1) more like it)" }
      lines.append(item(text))
    }
    if result.warnings.count < result.warningCount {
      lines.append("  only the first \(result.warnings.count) were kept")
    }
    return (lines + rest.map { "  " + $0 }).joined(separator: "\n") + "\n"
  }

  // MARK: Violations

  /// Each reads like the kernel's own splat, then says what to do. Alike ones are said once.
  var violations: String? {
    guard result.violationCount > 0 else { return nil }
    var groups: [(first: RunResult.Violation, count: Int, cpus: [Int])] = []
    for violation in result.violations {
      let known = groups.firstIndex {
        $0.first.kind == violation.kind && $0.first.path == violation.path
          && $0.first.message == violation.message
      }
      if let known {
        groups[known].count += 1
        if !groups[known].cpus.contains(violation.cpu) { groups[known].cpus.append(violation.cpu) }
      } else {
        groups.append((violation, 1, [violation.cpu]))
      }
    }
    let (rows, rest) = shortened(groups, to: 5, of: "different violations")
    var splats = rows.map { splat($0.first, count: $0.count, cpus: $0.cpus) }
    if result.violations.count < result.violationCount {
      let text =
        "\(Figures.count(result.violationCount)) violations in all: the first of each kind were"
        + " kept, \(Figures.count(result.violations.count)) together, and the others only counted"
      splats.append(Figures.wrapped(text, indent: 2) + "\n")
    }
    return (splats + rest.map { $0 + "\n" }).joined(separator: "\n")
  }

  private func splat(_ violation: RunResult.Violation, count: Int, cpus: [Int]) -> String {
    var lines = violation.headline.split(separator: "\n").map {
      paint.red(Figures.wrapped(String($0), indent: 2))
    }
    let place =
      "CPU \(violation.cpu), t=\(Figures.time(violation.timeNs)), \(violation.context)"
    lines.append(item(place))
    if !violation.path.isEmpty {
      lines.append(item("path: " + violation.path.joined(separator: " > ")))
    }
    if !violation.message.isEmpty { lines.append(item(violation.message)) }
    if count > 1 {
      let noun = cpus.count == 1 ? "CPU" : "CPUs"
      lines.append(
        item("and \(count - 1) more like it, on \(noun) \(TextReport.cpuList(cpus))"))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: The verdict

  /// Failed expectations with what was found instead, and one line that sums up.
  var verdict: String {
    let failed = result.expectations.filter { !$0.held }
    var lines: [String] = []
    for expectation in isVerbose ? result.expectations : failed {
      let isMeasured = expectation.value != RunResult.Expectation.unmeasured
      let text = expectation.text + (isMeasured ? ": it is " : ": ") + expectation.value
      lines.append(expectation.held ? "held: " + text : paint.red("failed:") + " " + text)
    }
    lines = lines.map { Figures.wrapped($0, indent: 8) }
    let held = result.expectations.count - failed.count
    let expectations =
      result.expectations.isEmpty
      ? "expectations  none"
      : "expectations  \(held) held, "
        + (failed.isEmpty ? "0 failed" : paint.red("\(failed.count) failed"))
    let violations =
      result.violationCount == 0
      ? "none" : paint.red(Figures.count(result.violationCount))
    lines.append("\(expectations)        violations  \(violations)")
    return lines.joined(separator: "\n") + "\n"
  }
}
