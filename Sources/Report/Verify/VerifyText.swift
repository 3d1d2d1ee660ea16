import Run

/// `kmemu verify` as text: a table by file, one by group, then every figure that differs.
package enum VerifyText {
  package static func render(_ result: VerifyResult) -> String {
    var parts = [files(result), groups(result)]
    for file in result.files {
      parts += file.notes.map { note in
        TextLayout.wrapped("note: \(shortName(file.file)): \(note)", indent: 2) + "\n"
      }
    }
    parts += result.files.filter { !$0.differences.isEmpty }.map(differences)
    parts += result.unsupported.compactMap(unsupported)
    parts.append(summary(result))
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private static func files(_ result: VerifyResult) -> String {
    let rows = result.files.map { file in
      let isSupported = file.unsupported == nil
      return [
        shortName(file.file), file.kernel, isSupported ? "\(file.figures)" : "-",
        isSupported ? "\(file.agree)" : "-",
        isSupported ? "\(file.figures - file.agree)" : "not run",
        file.varying > 0 ? "\(file.varyingInRange)/\(file.varying)" : "-",
      ]
    }
    return TextLayout.table(
      ["file", "kernel", "figures", "agree", "differ", "in range"], rows, left: [0, 1])
  }

  private static func groups(_ result: VerifyResult) -> String {
    let rows = totals(result).map { group in
      [
        group.name, "\(group.figures)", "\(group.agree)", "\(group.figures - group.agree)",
      ]
    }
    guard !rows.isEmpty else { return "" }
    return TextLayout.table(["figures of", "figures", "agree", "differ"], rows, left: [0])
  }

  /// The groups of all files, in the order of first appearance.
  package static func totals(_ result: VerifyResult) -> [GroupAgreement] {
    var totals: [GroupAgreement] = []
    for group in result.files.flatMap(\.groups) {
      if let place = totals.firstIndex(where: { $0.name == group.name }) {
        totals[place].figures += group.figures
        totals[place].agree += group.agree
      } else {
        totals.append(group)
      }
    }
    return totals
  }

  private static func differences(_ file: FileAgreement) -> String {
    file.differences.map { difference in
      let head = "\(file.file):\(difference.line): \(difference.subject)"
      let lines = [
        TextLayout.wrapped(head, indent: 4),
        "    \(difference.key)",
        TextLayout.wrapped(difference.recorded, behind: "      kernel  "),
        TextLayout.wrapped(difference.emulated, behind: "      kmemu   "),
      ]
      return lines.joined(separator: "\n") + "\n"
    }.joined()
  }

  private static func unsupported(_ file: FileAgreement) -> String? {
    file.unsupported.map {
      TextLayout.wrapped(
        "\(file.file):\($0.line): not supported: the operation `\($0.operation)` is not emulated",
        indent: 4) + "\n"
    }
  }

  private static func summary(_ result: VerifyResult) -> String {
    var text = "\(result.agree) of \(result.figures) figures agree"
    if result.varying > 0 {
      text +=
        "; of \(result.varying) that vary between boots, \(result.varyingInRange) are in range"
    }
    let count = result.unsupported.count
    if count > 0 { text += "; \(count) file\(count == 1 ? " is" : "s are") not supported" }
    return TextLayout.wrapped(text + ".") + "\n"
  }

  /// The last two parts of a path: folder and file tell recordings apart.
  package static func shortName(_ path: String) -> String {
    let name = path.split(separator: "/").suffix(2).joined(separator: "/")
    return name.count <= 42 ? name : "…" + name.suffix(41)
  }
}
