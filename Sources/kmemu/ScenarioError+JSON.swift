import Report
import Scenario

extension ScenarioError {
  /// All errors as one document: `{"schema": "kmemu.check/1", "valid": false, "errors": [...]}`.
  func json(scenario: String) -> String {
    JSONValue.object([
      ("schema", .string("kmemu.check/1")), ("scenario", .string(scenario)),
      ("valid", .bool(false)), ("errors", .array(diagnostics.map(\.json))),
    ]).text()
  }
}

extension Diagnostic {
  /// Place and line only where there is a place.
  var json: JSONValue {
    var members: [(name: String, value: JSONValue)] = [
      ("code", .string(code)), ("message", .string(message)),
    ]
    if let span {
      members += [
        ("file", .string(span.source.name)), ("line", .integer(span.line)),
        ("column", .integer(span.column)), ("length", .integer(span.width)),
        ("text", .string(String(String.UnicodeScalarView(span.text)))),
      ]
    }
    if !label.isEmpty { members.append(("label", .string(label))) }
    members.append(("notes", .array(notes.map { .string($0) })))
    return .object(members)
  }
}
