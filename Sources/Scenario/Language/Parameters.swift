/// `params:` and the `$name` that stand for them.
///
/// A value that is `$name` and nothing else becomes the parameter's value whatever it is; inside a
/// longer text its text is put in. What type it is, its place decides, as for any other value.
struct Parameters {
  let findings: Findings
  private var values: [String: Tree] = [:]
  private(set) var used: Set<String> = []

  init(_ tree: Tree, _ findings: Findings) {
    self.findings = findings
    guard let params = tree["params"], !params.isNothing else { return }
    guard let map = params.map else {
      findings.add(
        .wrongKind, "`params:` needs a mapping and has \(params.kindName)", at: params.span)
      return
    }
    for entry in map {
      if !entry.key.allSatisfy(Self.isNameCharacter) || entry.key.isEmpty {
        findings.add(
          .parameter, "`\(Spelling.shown(entry.key))` is no name for a parameter",
          at: entry.keySpan, notes: ["names have letters, digits, - and _"])
      }
      if Self.refers(entry.value) {
        findings.add(
          .parameter, "a parameter cannot refer to another one", at: entry.value.span)
        continue
      }
      values[entry.key] = entry.value
    }
  }

  var unused: [String] { values.keys.filter { !used.contains($0) }.sorted() }

  /// Whether a `$name` stands in it.
  private static func refers(_ tree: Tree) -> Bool {
    switch tree.kind {
    case .nothing: false
    case .text(let text):
      text.split(separator: "$", omittingEmptySubsequences: false).dropFirst().contains {
        let first = $0.first == "{" ? $0.dropFirst().first : $0.first
        return first.map { $0.isLetter || $0 == "_" } ?? false
      }
    case .list(let list): list.contains { refers($0) }
    case .map(let map): map.contains { refers($0.value) }
    }
  }

  private static func isNameCharacter(_ character: Character) -> Bool {
    character.isASCII
      && (character.isLetter || character.isNumber || character == "-" || character == "_")
  }

  /// The tree with every `$name` replaced, `params` itself and the description left alone.
  mutating func substituted(_ tree: Tree) -> Tree {
    guard let map = tree.map else { return tree }
    var result: [Tree.Entry] = []
    for var entry in map {
      if entry.key != "params", entry.key != "description" { entry.value = replaced(entry.value) }
      result.append(entry)
    }
    return Tree(kind: .map(result), span: tree.span)
  }

  private mutating func replaced(_ tree: Tree) -> Tree {
    switch tree.kind {
    case .nothing: return tree
    case .list(let list):
      var result: [Tree] = []
      for item in list { result.append(replaced(item)) }
      return Tree(kind: .list(result), span: tree.span)
    case .map(let map):
      var result: [Tree.Entry] = []
      for var entry in map {
        entry.value = replaced(entry.value)
        result.append(entry)
      }
      return Tree(kind: .map(result), span: tree.span)
    case .text(let text):
      guard text.contains("$") else { return tree }
      return replaced(text, tree)
    }
  }

  private mutating func replaced(_ text: String, _ tree: Tree) -> Tree {
    var output = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      output += rest[..<dollar]
      let after = rest[rest.index(after: dollar)...]
      let isBraced = after.first == "{"
      let name = after.dropFirst(isBraced ? 1 : 0).prefix { Self.isNameCharacter($0) }
      guard let first = name.first, first.isLetter || first == "_" else {
        output += "$"
        rest = after
        continue
      }
      var end = name.endIndex
      if isBraced, end < rest.endIndex, rest[end] == "}" { end = rest.index(after: end) }
      guard let value = values[String(name)] else {
        findings.unknown(
          .parameter, "parameter", "$\(name)", among: values.keys.sorted().map { "$\($0)" },
          at: tree.span, notes: values.isEmpty ? ["the scenario has no `params:`"] : [])
        return Tree(kind: .nothing, span: tree.span)
      }
      used.insert(String(name))
      if output.isEmpty, end == rest.endIndex, dollar == text.startIndex {
        return Tree(kind: value.kind, span: tree.span)
      }
      guard let inserted = value.text else {
        findings.add(
          .parameter, "$\(name) is \(value.kindName) and cannot stand inside a text",
          at: tree.span)
        return Tree(kind: .nothing, span: tree.span)
      }
      output += inserted
      rest = rest[end...]
    }
    return Tree(kind: .text(output + rest), span: tree.span)
  }
}
