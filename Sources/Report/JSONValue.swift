/// JSON with the order of members that its maker gave it.
///
/// Written so that a person can read it too: what fits on a line stays on one.
package indirect enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case unsigned(UInt64)
  /// Written in Swift's shortest form; not finite becomes null, as JSON has no such number.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([(name: String, value: JSONValue)])

  package static func == (one: JSONValue, other: JSONValue) -> Bool {
    one.text() == other.text()
  }

  /// The document, with a newline at its end. `width` is where lines are broken, if they can be.
  package func text(width: Int = 100) -> String {
    var output = ""
    write(to: &output, indent: 0, width: width)
    return output + "\n"
  }

  private func write(to output: inout String, indent: Int, width: Int) {
    let line = compact
    if indent + line.utf8.count <= width {
      output += line
      return
    }
    let inner = String(repeating: " ", count: indent + 2)
    switch self {
    case .array(let values):
      output += "[\n"
      writeList(values, to: &output, inner: inner, width: width)
      output += "\n" + inner.dropLast(2) + "]"
    case .object(let members):
      output += "{\n"
      for (index, member) in members.enumerated() {
        output += inner + Self.quoted(member.name) + ": "
        member.value.write(to: &output, indent: indent + 2, width: width)
        output += index + 1 < members.count ? ",\n" : "\n"
      }
      output += inner.dropLast(2) + "}"
    case .null, .bool, .integer, .unsigned, .number, .string:
      output += line
    }
  }

  /// Scalars fill lines; anything larger gets a line of its own.
  private func writeList(
    _ values: [JSONValue], to output: inout String, inner: String, width: Int
  ) {
    var column = 0
    for (index, value) in values.enumerated() {
      let comma = index + 1 < values.count ? "," : ""
      guard value.isScalar else {
        output += (index == 0 ? "" : "\n") + inner
        value.write(to: &output, indent: inner.count, width: width)
        output += comma
        continue
      }
      let text = value.compact + comma
      if column == 0 || column + 1 + text.utf8.count > width {
        output += (index == 0 ? "" : "\n") + inner + text
        column = inner.count + text.utf8.count
      } else {
        output += " " + text
        column += 1 + text.utf8.count
      }
    }
  }

  private var isScalar: Bool {
    switch self {
    case .null, .bool, .integer, .unsigned, .number, .string: true
    case .array, .object: false
    }
  }

  /// On one line.
  package var compact: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .unsigned(let value): "\(value)"
    case .number(let value): value.isFinite ? "\(value)" : "null"
    case .string(let value): Self.quoted(value)
    case .array(let values): "[" + values.map(\.compact).joined(separator: ", ") + "]"
    case .object(let members):
      "{"
        + members.map { Self.quoted($0.name) + ": " + $0.value.compact }.joined(separator: ", ")
        + "}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
