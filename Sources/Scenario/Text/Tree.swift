import Yams

/// A value of a scenario file with its place: what all reading works on.
struct Tree: Sendable {
  indirect enum Kind: Sendable {
    case nothing
    case text(String)
    case list([Tree])
    case map([Entry])
  }
  struct Entry: Sendable {
    var key: String
    var keySpan: Span
    var value: Tree
  }
  var kind: Kind
  var span: Span

  var text: String? { if case .text(let text) = kind { text } else { nil } }
  var list: [Tree]? { if case .list(let list) = kind { list } else { nil } }
  var map: [Entry]? { if case .map(let map) = kind { map } else { nil } }
  var isNothing: Bool { if case .nothing = kind { true } else { false } }

  subscript(key: String) -> Tree? { map?.first { $0.key == key }?.value }

  /// `a text`, `a list`: for messages.
  var kindName: String {
    switch kind {
    case .nothing: "nothing"
    case .text: "the text `\(Spelling.shown(text ?? ""))`"
    case .list: "a list"
    case .map: "a mapping"
    }
  }
}

/// Reads YAML into a `Tree`, through Yams' nodes, which know where they stand.
///
/// All scalars stay text: what they mean is decided by where they stand, never by YAML, so
/// `kernel: 6.10` is not 6.1 and `on: no` is not false.
struct TreeReader {
  let source: SourceText
  let findings: Findings

  /// The one document of the file; nil after a finding.
  func read() -> Tree? {
    if let span = manyAliases() {
      refuseAnchor(at: span)
      return nil
    }
    do {
      // The parser owns the anchors' names: it has to outlive the walk.
      let parser = try Parser(yaml: source.text, resolver: .basic, encoding: .utf8)
      return try withExtendedLifetime(parser) {
        guard let node = try parser.singleRoot() else { return nil }
        return tree(node, depth: 0)
      }
    } catch let error as YamlError {
      explain(error)
    } catch {
      findings.add(.syntax, "the file is no YAML: \(error)", at: Span(source, 1, 1))
    }
    return nil
  }

  private func tree(_ node: Node, depth: Int) -> Tree {
    let mark = node.mark
    let span = Span(source, mark?.line ?? 1, mark?.column ?? 1)
    guard depth <= ScenarioLimits.depthMax else {
      findings.add(
        .tooDeep, "nested more than \(ScenarioLimits.depthMax) levels deep", at: span)
      return Tree(kind: .nothing, span: span)
    }
    if node.anchor != nil {
      // What an alias stands for has an anchor too, so nothing is walked twice.
      refuseAnchor(at: span)
      return Tree(kind: .nothing, span: span)
    }
    switch node {
    case .scalar(let scalar): return Tree(kind: kind(of: scalar), span: self.span(of: scalar, span))
    case .sequence(let sequence):
      return Tree(kind: .list(sequence.map { tree($0, depth: depth + 1) }), span: span)
    case .mapping(let mapping): return map(mapping, span, depth)
    case .alias:
      refuseAnchor(at: span)
      return Tree(kind: .nothing, span: span)
    }
  }

  private func kind(of scalar: Node.Scalar) -> Tree.Kind {
    scalar.style == .plain && scalar.string.isEmpty ? .nothing : .text(scalar.string)
  }

  private func span(of scalar: Node.Scalar, _ span: Span) -> Span {
    let length = scalar.string.unicodeScalars.count
    let there = span.text.dropFirst(span.column - 1).prefix(length)
    guard length > 0, there.elementsEqual(scalar.string.unicodeScalars) else { return span }
    return Span(source, span.line, span.column, length: length)
  }

  private func map(_ mapping: Node.Mapping, _ span: Span, _ depth: Int) -> Tree {
    var entries: [Tree.Entry] = []
    var lines: [String: Int] = [:]
    for (key, value) in mapping {
      let keyTree = tree(key, depth: depth + 1)
      let valueTree = tree(value, depth: depth + 1)
      guard let name = keyTree.text else {
        if !keyTree.isNothing || key.anchor == nil {
          findings.add(.wrongKind, "a key must be a word", at: keyTree.span)
        }
        continue
      }
      if name == "<<" {
        refuseAnchor(at: keyTree.span)
        continue
      }
      if let first = lines[name] {
        findings.add(
          .duplicateKey, "the key `\(Spelling.shown(name))` stands twice in one mapping",
          at: keyTree.span, notes: ["first given on line \(first)"])
        continue
      }
      lines[name] = keyTree.span.line
      entries.append(Tree.Entry(key: name, keySpan: keyTree.span, value: valueTree))
    }
    return Tree(kind: .map(entries), span: span)
  }

  private func refuseAnchor(at span: Span) {
    findings.add(
      .anchor, "anchors, aliases and merge keys are not part of the language", at: span,
      label: "use `params:` and $name, or `include:`")
  }

  /// Aliases of aliases can stand for more than any memory holds, and comparing such keys takes for
  /// ever: a file with several is refused before it is read. A few are found by the walk.
  private func manyAliases() -> Span? {
    var first: Span?
    var count = 0
    for (index, line) in source.lines.enumerated() {
      for (column, scalar) in line.enumerated() where scalar == "*" && column + 1 < line.count {
        let before = column == 0 ? " " : line[column - 1]
        let after = line[column + 1]
        guard " [{,".unicodeScalars.contains(before), after != " ", after != "*" else { continue }
        count += 1
        first = first ?? Span(source, index + 1, column + 1, length: 1)
      }
    }
    let hasAnchors = source.lines.contains { $0.contains("&") }
    return count > 2 && hasAnchors ? first : nil
  }

  private func explain(_ error: YamlError) {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      var notes: [String] = []
      if let context, context.mark.line > 0 {
        notes.append("\(context.text), which began on line \(context.mark.line)")
      }
      let line = Span(source, mark.line, 1).text
      if line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") {
        notes.append("YAML is indented with spaces, and this line begins with a tab")
      }
      findings.add(
        .syntax, "this is no YAML: \(problem)", at: Span(source, mark.line, mark.column, length: 1),
        notes: notes)
    case .duplicatedKeysInMapping(let duplicates, let context):
      duplicate(duplicates.first ?? "", after: context.mark)
    case .reader(let problem, _, _, _):
      findings.add(.notText, "the file is no text: \(problem)", at: Span(source, 1, 1))
    default:
      findings.add(.syntax, "the file is no YAML: \(error)", at: Span(source, 1, 1))
    }
  }

  /// The reader stops at a mapping with a key that stands twice and says where the first is.
  private func duplicate(_ key: String, after mark: Mark) {
    let wanted = Array(key.unicodeScalars)
    var span = Span(source, mark.line, mark.column, length: wanted.count)
    var notes: [String] = []
    search: for number in mark.line...max(mark.line, source.lines.count) {
      let line = Span(source, number, 1).text
      let from = number == mark.line ? mark.column + wanted.count : mark.column
      let ends = number == mark.line ? line.count : from
      guard from <= ends else { continue }
      for column in from...max(from, ends) {
        let rest = line.dropFirst(column - 1)
        let follows = rest.dropFirst(wanted.count).first
        let before = column > 1 && column - 2 < line.count ? line[column - 2] : " "
        guard rest.starts(with: wanted), follows == ":",
          before == " " || before == "," || before == "{"
        else { continue }
        span = Span(source, number, column, length: wanted.count)
        notes = ["first given on line \(mark.line)"]
        break search
      }
    }
    findings.add(
      .duplicateKey, "the key `\(Spelling.shown(key))` stands twice in one mapping", at: span,
      notes: notes)
  }
}
