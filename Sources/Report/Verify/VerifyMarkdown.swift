import Run

/// `kmemu verify` as the section of docs/FIDELITY.md that says how far recordings agree: by machine,
/// by kind of figure, by list, then each list that differs with its figures.
package enum VerifyMarkdown {
  package static func render(_ result: VerifyResult) -> String {
    let parts = [
      machines(result), groups(result), lists(result), differences(result), summary(result),
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  /// The folder a recording lies in: `6.12-8c2n`.
  static func folder(_ file: FileAgreement) -> String {
    file.file.split(separator: "/").dropLast().last.map(String.init) ?? ""
  }

  private static func isList(_ file: FileAgreement) -> Bool { file.kind == .operations }

  // MARK: Tables

  private static func machines(_ result: VerifyResult) -> String {
    var rows: [(name: String, what: String, files: [FileAgreement])] = []
    for file in result.files {
      let (name, what) = (folder(file), isList(file) ? "operation lists" : "caches and zones")
      if let place = rows.firstIndex(where: { $0.name == name && $0.what == what }) {
        rows[place].files.append(file)
      } else {
        rows.append((name, what, [file]))
      }
    }
    let cells = rows.map { row in
      let unsupported = row.files.filter { $0.unsupported != nil }.count
      return [
        "`\(row.name)`", row.what, row.files[0].machine, "\(row.files.count - unsupported)",
        unsupported > 0 ? "\(unsupported)" : "", agreement(row.files),
        share(row.files), range(row.files),
      ]
    }
    return table(
      [
        "recorded on", "what", "machine", "files", "not run", "figures that agree", "share",
        "vary, in range",
      ], cells, right: 3)
  }

  private static func groups(_ result: VerifyResult) -> String {
    let cells = VerifyText.totals(result).map {
      ["`\($0.name)`", "\($0.figures)", "\($0.agree)", "\($0.figures - $0.agree)"]
    }
    return cells.isEmpty
      ? "" : table(["figures of", "figures", "agree", "differ"], cells, right: 1)
  }

  /// A row for each list, a column for each machine: figures, or how many of them agree.
  private static func lists(_ result: VerifyResult) -> String {
    let files = result.files.filter(isList)
    guard !files.isEmpty else { return "" }
    var (columns, names): ([String], Set<String>) = ([], [])
    for file in files {
      if !columns.contains(folder(file)) { columns.append(folder(file)) }
      names.insert(name(file))
    }
    let rows = names.sorted().map { list in
      [list]
        + columns.map { column in
          files.first { folder($0) == column && name($0) == list }.map(cell) ?? ""
        }
    }
    return "Figures of each list; `agree/figures` where some differ.\n\n"
      + table(["list"] + columns, rows, right: 1)
  }

  private static func name(_ file: FileAgreement) -> String {
    let name = file.file.split(separator: "/").last ?? ""
    return String(name.prefix { $0 != "." })
  }

  private static func cell(_ file: FileAgreement) -> String {
    guard file.unsupported == nil else { return "not run" }
    return file.agree == file.figures ? "\(file.figures)" : "**\(file.agree)/\(file.figures)**"
  }

  /// What lists are not run for: a row for each machine and operation.
  private static func refused(_ result: VerifyResult) -> [[String]] {
    var found: [(folder: String, operation: String, names: [String])] = []
    for file in result.files {
      guard let operation = file.unsupported?.operation else { continue }
      let folder = folder(file)
      if let place = found.firstIndex(where: { $0.folder == folder && $0.operation == operation }) {
        found[place].names.append(name(file))
      } else {
        found.append((folder, operation, [name(file)]))
      }
    }
    return found.map { refused in
      let lists =
        refused.names.count > 2
        ? "\(refused.names.count) lists" : refused.names.joined(separator: ", ")
      return ["`\(refused.folder)` \(lists)", "not run: `\(refused.operation)`", "", ""]
    }
  }

  /// The lists that are not run, then the figures that differ, of which `figuresMax` of each file
  /// are written out.
  private static func differences(_ result: VerifyResult) -> String {
    var rows = refused(result)
    for file in result.files {
      let place = "`\(VerifyText.shortName(file.file))`"
      for difference in file.differences.prefix(figuresMax) {
        rows.append([
          "\(place):\(difference.line)", "`\(difference.key)`", difference.recorded,
          difference.emulated,
        ])
      }
      let rest = file.differences.count - figuresMax
      if rest > 0 { rows.append([place, "and \(rest) more", "", ""]) }
    }
    return rows.isEmpty ? "" : table(["where", "figure", "kernel", "kmemu"], rows, right: 4)
  }
  static let figuresMax = 4

  private static func summary(_ result: VerifyResult) -> String {
    var text = "\(result.agree) of \(result.figures) figures agree; of \(result.varying) that vary "
    text += "between boots, \(result.varyingInRange) are in the range seen"
    let count = result.unsupported.count
    if count > 0 { text += "; \(count) list\(count == 1 ? " is" : "s are") not run" }
    return text + ".\n"
  }

  // MARK: Cells

  private static func agreement(_ files: [FileAgreement]) -> String {
    let (agree, figures) = files.reduce((0, 0)) { ($0.0 + $1.agree, $0.1 + $1.figures) }
    return "\(agree) of \(figures)"
  }

  /// In hundredths of a percent, cut and not rounded: 100 % is all of them.
  private static func share(_ files: [FileAgreement]) -> String {
    let (agree, figures) = files.reduce((0, 0)) { ($0.0 + $1.agree, $0.1 + $1.figures) }
    guard figures > 0 else { return "" }
    let hundredths = agree * 10_000 / figures
    let rest = hundredths % 100
    return "\(hundredths / 100)\(rest == 0 ? "" : rest < 10 ? ".0\(rest)" : ".\(rest)") %"
  }

  private static func range(_ files: [FileAgreement]) -> String {
    let varying = files.reduce(0) { $0 + $1.varying }
    return varying > 0 ? "\(files.reduce(0) { $0 + $1.varyingInRange }) of \(varying)" : ""
  }

  /// A table whose columns from `right` on are set to the right.
  private static func table(_ titles: [String], _ rows: [[String]], right: Int) -> String {
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
    let rules = titles.indices.map { $0 < right ? "---" : "---:" }
    return line(titles) + "|" + rules.joined(separator: "|") + "|\n" + rows.map(line).joined()
  }
}
