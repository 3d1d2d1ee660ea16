import Run

/// `kmemu explain` as text of 80 columns and as JSON, schema `kmemu.explain/1`.
package enum ExplainText {
  package static func render(_ found: Explanation) -> String {
    var parts: [String] = []
    var head = found.title
    if !found.kernel.isEmpty { head += " — Linux \(found.kernel), \(found.machine)" }
    parts.append(TextLayout.wrapped(head, indent: 2) + "\n")
    if !found.facts.isEmpty { parts.append(facts(found.facts)) }
    for table in found.tables where !table.rows.isEmpty {
      let words = Set(
        table.heads.indices.filter { column in
          table.rows.contains { if case .text = $0[column] { true } else { false } }
        })
      let rows = table.rows.map { $0.map(text) }
      parts.append(TextLayout.table(table.heads, rows, left: words))
    }
    parts += found.text.map { TextLayout.wrapped($0) + "\n" }
    return parts.joined(separator: "\n")
  }

  private static func facts(_ facts: [Explanation.Fact]) -> String {
    let names = facts.map(\.name.count).max() ?? 0
    let values = facts.map { text($0.value).count + $0.unit.count + 1 }.max() ?? 0
    return facts.map { fact in
      let value = text(fact.value) + (fact.unit.isEmpty ? "" : " " + fact.unit)
      let start = "  " + TextLayout.left(fact.name, names) + "  "
      guard !fact.remark.isEmpty else { return start + value + "\n" }
      let line = start + TextLayout.left(value, values) + "  "
      return TextLayout.wrapped(fact.remark, behind: line) + "\n"
    }.joined()
  }

  private static func text(_ value: Explanation.Value) -> String {
    switch value {
    case .number(let number): "\(number)"
    case .text(let text): text
    }
  }

  package static func json(_ found: Explanation) -> String {
    let facts = found.facts.map { fact in
      JSONValue.object([
        ("name", .string(fact.name)), ("value", json(fact.value)), ("unit", .string(fact.unit)),
        ("remark", .string(fact.remark)),
      ])
    }
    let tables = found.tables.map { table in
      JSONValue.array(
        table.rows.map { row in
          JSONValue.object(zip(table.heads, row).map { ($0, json($1)) })
        })
    }
    return JSONValue.object([
      ("schema", .string("kmemu.explain/1")), ("topic", .string(found.topic)),
      ("title", .string(found.title)),
      ("kernel", found.kernel.isEmpty ? .null : .string(found.kernel)),
      ("machine", found.machine.isEmpty ? .null : .string(found.machine)),
      ("facts", .array(facts)), ("tables", .array(tables)),
      ("text", .array(found.text.map { .string($0) })),
    ]).text()
  }

  private static func json(_ value: Explanation.Value) -> JSONValue {
    switch value {
    case .number(let number): .integer(number)
    case .text(let text): .string(text)
    }
  }
}
