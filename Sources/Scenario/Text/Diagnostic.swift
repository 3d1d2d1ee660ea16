/// One thing that is wrong with a scenario: a code, a sentence, a place, and what to do.
package struct Diagnostic: Sendable {
  /// `S104`; a topology's own code (`T108`) where the machine is at fault.
  package var code: String
  package var message: String
  package var span: Span?
  /// Said beside the underline: mostly a suggestion.
  package var label: String
  package var notes: [String]

  init(
    _ code: ErrorCode, _ message: String, at span: Span?, label: String = "", notes: [String] = []
  ) {
    self.init(code: code.rawValue, message, at: span, label: label, notes: notes)
  }

  init(
    code: String, _ message: String, at span: Span?, label: String = "", notes: [String] = []
  ) {
    (self.code, self.message, self.span) = (code, message, span)
    (self.label, self.notes) = (label, notes)
  }

  /// The message as rustc would print it, without a last newline.
  ///
  /// ```
  /// error[S104]: unknown GFP flag `GFP_ATOMC`
  ///   --> nic.yaml:24:36
  ///    |
  /// 24 |       - kmalloc: {size: 2KiB, gfp: GFP_ATOMC, as: data}
  ///    |                                    ^^^^^^^^^ did you mean `GFP_ATOMIC`?
  ///    = note: several are joined with |
  /// ```
  package func rendered() -> String {
    var lines = ["error[\(code)]: \(message)"]
    var gutter = " "
    if let span {
      gutter = String(repeating: " ", count: String(span.line).count)
      lines.append("\(gutter)--> \(span.source.name):\(span.line):\(span.column)")
      if !span.text.isEmpty {
        let (shown, start, width) = Self.window(span)
        lines.append("\(gutter) |")
        lines.append("\(span.line) | \(shown)")
        let caret = String(repeating: " ", count: start) + String(repeating: "^", count: width)
        lines.append("\(gutter) | \(caret)\(label.isEmpty ? "" : " \(label)")")
      } else if !label.isEmpty {
        lines.append("\(gutter) = \(label)")
      }
    } else if !label.isEmpty {
      lines.append("\(gutter) = \(label)")
    }
    lines += notes.map { "\(gutter) = note: \($0)" }
    return lines.joined(separator: "\n")
  }

  /// A long line is cut around what is underlined.
  private static func window(_ span: Span) -> (text: String, start: Int, width: Int) {
    let room = 100
    let line = span.text
    let column = min(span.column - 1, line.count)
    var first = 0
    if line.count > room, column > room * 3 / 4 { first = column - room / 2 }
    let last = min(line.count, first + room)
    var text = String(String.UnicodeScalarView(line[first..<last].map { $0 == "\t" ? " " : $0 }))
    var start = column - first
    if first > 0 {
      text = "..." + text
      start += 3
    }
    if last < line.count { text += "..." }
    return (text, start, max(1, min(span.width, last - column)))
  }
}

/// Why a scenario was refused: everything at once.
package struct ScenarioError: Error, Sendable {
  package let diagnostics: [Diagnostic]
  /// Whether the file itself could not be had: the exit status differs.
  package let isMissing: Bool

  package init(_ diagnostics: [Diagnostic], isMissing: Bool = false) {
    (self.diagnostics, self.isMissing) = (diagnostics, isMissing)
  }

  /// All messages with a blank line between them and a count at the end.
  package func rendered() -> String {
    let count = diagnostics.count
    let end = count == 1 ? "1 error" : "\(count) errors"
    return (diagnostics.map { $0.rendered() } + ["\(end); `kmemu explain CODE` says more"])
      .joined(separator: "\n\n")
  }
}

/// Collects what is wrong while a scenario is read; reading goes on.
final class Findings {
  private(set) var list: [Diagnostic] = []
  /// Nothing more is taken: looking for suggestions would be in vain.
  var isFull: Bool { list.count >= ScenarioLimits.errorsMax }
  var isEmpty: Bool { list.isEmpty }
  var count: Int { list.count }

  func add(_ diagnostic: Diagnostic) {
    guard !isFull else { return }
    list.append(diagnostic)
  }

  func add(
    _ code: ErrorCode, _ message: String, at span: Span?, label: String = "", notes: [String] = []
  ) {
    add(Diagnostic(code, message, at: span, label: label, notes: notes))
  }

  /// Something unknown among known words, with the nearest of them as suggestion.
  func unknown(
    _ code: ErrorCode, _ what: String, _ word: String, among words: @autoclosure () -> [String],
    at span: Span?,
    notes: [String] = []
  ) {
    guard !isFull else { return }
    let known = words()
    let nearest = Spelling.nearest(to: word, among: known)
    var notes = notes
    if nearest == nil, !known.isEmpty, known.count <= 24 {
      notes.append("known: \(known.joined(separator: ", "))")
    }
    add(
      code, "unknown \(what) `\(Spelling.shown(word))`", at: span,
      label: nearest.map { "did you mean `\($0)`?" } ?? "", notes: notes)
  }

  /// In the order of the file, so that they read from top to bottom.
  func sorted() -> [Diagnostic] {
    list.enumerated().sorted { a, b in
      let (one, other) = (a.element.span, b.element.span)
      guard let one, let other, one.source === other.source else { return a.offset < b.offset }
      return (one.line, one.column, a.offset) < (other.line, other.column, b.offset)
    }.map(\.element)
  }
}
