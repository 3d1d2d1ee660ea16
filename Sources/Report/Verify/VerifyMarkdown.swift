import Run

/// `kmemu verify` as the section of docs/FIDELITY.md that says how far recordings agree.
package enum VerifyMarkdown {
  package static func render(_ result: VerifyResult) -> String {
    var text = "| recording | kernel | machine | figures | agree | vary, in range |\n"
    text += "|---|---|---|---:|---:|---:|\n"
    for file in result.files {
      let cells =
        file.unsupported.map { ["not supported: `\($0.operation)`", "", ""] }
        ?? [
          "\(file.figures)", "\(file.agree)",
          file.varying > 0 ? "\(file.varyingInRange) of \(file.varying)" : "",
        ]
      text += "| `\(VerifyText.shortName(file.file))` | \(file.kernel) | \(file.machine) | "
      text += cells.joined(separator: " | ") + " |\n"
    }
    text += "\n\(result.agree) of \(result.figures) figures agree; of \(result.varying) that vary "
    text += "between boots, \(result.varyingInRange) are in the range seen.\n"
    let differences = result.files.flatMap { file in file.differences.map { (file.file, $0) } }
    guard !differences.isEmpty else { return text }
    text += "\n| where | figure | kernel | kmemu |\n|---|---|---|---|\n"
    for (file, difference) in differences {
      text += "| `\(VerifyText.shortName(file)):\(difference.line)` \(difference.subject) | "
      text += "`\(difference.key)` | \(difference.recorded) | \(difference.emulated) |\n"
    }
    return text
  }
}
