/// A scenario file as lines, so that every message can show the line it speaks of.
///
/// Lines end where YAML says they end, which is more than `\n`; positions are in Unicode scalars,
/// as the YAML reader counts them.
package final class SourceText: Sendable {
  /// As the user named it.
  package let name: String
  let text: String
  let lines: [[Unicode.Scalar]]

  init(name: String, text: String) {
    self.name = name
    self.text = text
    var lines: [[Unicode.Scalar]] = [[]]
    var previous: Unicode.Scalar = " "
    for scalar in text.unicodeScalars {
      defer { previous = scalar }
      if scalar == "\n", previous == "\r" { continue }
      switch scalar {
      case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": lines.append([])
      default: lines[lines.count - 1].append(scalar)
      }
    }
    self.lines = lines
  }

  /// Decodes a file. Gives an error for what is no text, too large or nested beyond reason, so
  /// that the YAML reader sees only what it can deal with in little time.
  static func decode(_ bytes: [UInt8], name: String) -> (source: SourceText, error: Diagnostic?) {
    let nothing = SourceText(name: name, text: "")
    func refuse(_ code: ErrorCode, _ message: String, _ note: String) -> (SourceText, Diagnostic) {
      (nothing, Diagnostic(code, message, at: Span(nothing, 1, 1), notes: [note]))
    }
    guard bytes.count <= ScenarioLimits.fileBytesMax else {
      return refuse(
        .tooLarge, "\(name) is larger than the limit of \(ScenarioLimits.fileBytesMax >> 10) KiB",
        "a scenario is a page or two of YAML; is this the right file?")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      return refuse(
        .notText, "\(name) is UTF-16", "save it as UTF-8: `iconv -f UTF-16 -t UTF-8 \(name)`")
    }
    let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
    guard let text = String(validating: hasMark ? bytes[3...] : bytes[...], as: UTF8.self) else {
      return refuse(.notText, "\(name) is not UTF-8 text", "a scenario is YAML in UTF-8")
    }
    if let bad = text.unicodeScalars.first(where: isUnprintable) {
      return refuse(
        .notText, "\(name) holds the control character \(escaped(bad)): it is no text",
        "a scenario is YAML in UTF-8")
    }
    let source = SourceText(name: name, text: text)
    return (source, source.nestingError())
  }

  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x85: false
    case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF: true
    default: false
    }
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// Refuses what would nest deeper than any scenario: indentation, markers and brackets bound it.
  private func nestingError() -> Diagnostic? {
    var depth = 0
    for (index, line) in lines.enumerated() {
      let lead = line.prefix { $0 == " " || $0 == "-" || $0 == "?" || $0 == ":" || $0 == "\t" }
      var worst = lead.count > 2 * ScenarioLimits.indentMax ? lead.count : 0
      for (column, scalar) in line.enumerated() where worst == 0 {
        if scalar == "#", column == 0 || line[column - 1] == " " { break }
        if scalar == "[" || scalar == "{" { depth += 1 }
        if scalar == "]" || scalar == "}" { depth = max(0, depth - 1) }
        if depth > ScenarioLimits.depthMax { worst = column + 1 }
      }
      if worst > 0 {
        return Diagnostic(
          .tooDeep, "nested more than \(ScenarioLimits.depthMax) levels deep",
          at: Span(self, index + 1, worst), notes: ["write blocks of steps side by side"])
      }
    }
    return nil
  }
}

/// A place in a file. Line and column count from 1.
package struct Span: Sendable {
  package let source: SourceText
  package var line: Int
  package var column: Int
  /// Length where it is known; else what stands there decides.
  package var length: Int?

  init(_ source: SourceText, _ line: Int, _ column: Int, length: Int? = nil) {
    (self.source, self.line, self.column, self.length) = (source, line, column, length)
  }

  /// The line without its end; empty beyond the file.
  package var text: [Unicode.Scalar] {
    source.lines.indices.contains(line - 1) ? source.lines[line - 1] : []
  }

  /// How many characters to underline: at least one.
  package var width: Int {
    if let length { return max(1, length) }
    let rest = text.dropFirst(column - 1)
    guard let first = rest.first else { return 1 }
    if first == "\"" || first == "'" {
      let inside = rest.dropFirst().prefix { $0 != first }
      return min(rest.count, inside.count + 2)
    }
    var end = 0
    for (index, scalar) in rest.enumerated() {
      if scalar == "#", index > 0, rest[rest.startIndex + index - 1] == " " { break }
      if scalar != " ", scalar != "\t" { end = index + 1 }
    }
    return max(1, end)
  }

  /// A part of it: from `offset` characters into it, where it stands on one line as written.
  func part(_ offset: Int, _ length: Int) -> Span {
    let quote = text.dropFirst(column - 1).first
    let shift = quote == "\"" || quote == "'" ? 1 : 0
    return Span(source, line, column + offset + shift, length: length)
  }
}

/// What a scenario may be at most. Errors name the limit they speak of.
package enum ScenarioLimits {
  /// Work items, timers and tasklets.
  package static let deferredMax = 256
  /// Unit: bytes.
  package static let fileBytesMax = 1 << 20
  /// Levels of lists and mappings inside one another.
  package static let depthMax = 64
  /// Columns a line may be indented.
  package static let indentMax = 200
  package static let includesMax = 32
  package static let errorsMax = 100
  /// Threads over all CPUs.
  package static let threadsMax = (1 << 15) - 1
  /// Threads, and handlers of interrupts on each of their CPUs: a slot has 16 bits for who fills it.
  package static let activationsMax = (1 << 16) - 1
  package static let expectationsMax = 1000
  /// Objects to free over all steps that may `drop`.
  package static let exitObjectsMax = 1 << 18
  /// Slots of one thread or handler: an op counts them with 15 bits.
  package static let slotsMax = 1 << 14
  /// Slots of the whole scenario.
  package static let slotsTotalMax = 1 << 23
  /// Devices: a CPU keeps a bit for each.
  package static let interruptsMax = 32
  package static let operationsMax = 1024
  package static let allocationsMax = 1 << 16
  /// `repeat` in `repeat`.
  package static let repeatDepthMax = 4
  /// Locks of the workload held at a time.
  package static let locksHeldMax = 4
  /// Objects of a bulk call.
  package static let bulkMax = 256
  package static let cachesMax = 4096
  package static let locksMax = 4096
}
