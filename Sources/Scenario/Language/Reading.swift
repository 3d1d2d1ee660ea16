import Simulation

/// What reading a scenario shares: where findings go, and the clock that `cyc` is in.
final class Reading {
  let findings: Findings
  /// Unit: hertz.
  var clock: UInt64?

  init(_ findings: Findings) { self.findings = findings }

  // MARK: Kinds

  /// The mapping, each key checked against the known ones; nil when it is none.
  func fields(
    _ tree: Tree, _ what: String, known: [String], required: [String] = []
  ) -> Tree? {
    guard let map = tree.map else {
      findings.add(
        .wrongKind, "\(what) needs a mapping and has \(tree.kindName)", at: tree.span,
        notes: ["keys: \(known.joined(separator: ", "))"])
      return nil
    }
    for entry in map where !known.contains(entry.key) {
      if let instead = Words.keysLater[entry.key] {
        findings.add(
          .notYet, "this version does not have `\(entry.key)` yet", at: entry.keySpan,
          notes: [instead])
        continue
      }
      findings.unknown(
        .unknownKey, "key of \(what)", entry.key, among: known, at: entry.keySpan)
    }
    for key in required where tree[key] == nil {
      findings.add(.missingKey, "\(what) needs `\(key):`", at: tree.span)
    }
    return tree
  }

  func text(_ tree: Tree, _ what: String) -> String? {
    if let text = tree.text { return text }
    findings.add(.wrongKind, "\(what) needs a text and has \(tree.kindName)", at: tree.span)
    return nil
  }

  /// A list; one text stands for a list of it where `orText`.
  func list(_ tree: Tree, _ what: String, orText: Bool = false) -> [Tree] {
    if let list = tree.list { return list }
    if orText, tree.text != nil { return [tree] }
    findings.add(.wrongKind, "\(what) needs a list and has \(tree.kindName)", at: tree.span)
    return []
  }

  /// A name: letters, digits, `-`, `_`; it begins with a letter or `_`.
  func name(_ tree: Tree, _ what: String) -> String? {
    guard let text = text(tree, what) else { return nil }
    let isName =
      text.first.map { $0.isASCII && ($0.isLetter || $0 == "_") } == true && text.count <= 48
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    if isName { return text }
    findings.add(
      .wrongKind, "`\(Spelling.shown(text))` is no name for \(what)", at: tree.span,
      notes: ["a name begins with a letter and has letters, digits, - and _; at most 48"])
    return nil
  }

  /// One of several words.
  func word(_ tree: Tree, _ what: String, among known: [String]) -> String? {
    guard let text = text(tree, what) else { return nil }
    if known.contains(text) { return text }
    findings.unknown(.unknownName, what, text, among: known, at: tree.span)
    return nil
  }

  func bool(_ tree: Tree, _ what: String) -> Bool? {
    switch tree.text {
    case "on", "true", "yes": return true
    case "off", "false", "no": return false
    default:
      findings.add(.wrongKind, "\(what) is `on` or `off`, not \(tree.kindName)", at: tree.span)
      return nil
    }
  }

  // MARK: Numbers

  /// A whole number without a unit.
  func integer(_ tree: Tree, _ what: String, _ range: ClosedRange<Int>) -> Int? {
    guard let value = number(tree, what, .number) else { return nil }
    guard let whole = value.whole, whole <= UInt64(Int.max), range.contains(Int(whole)) else {
      findings.add(
        .range, "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound)",
        at: tree.span)
      return nil
    }
    return Int(whole)
  }

  func unsigned(_ tree: Tree, _ what: String) -> UInt64? {
    guard let value = number(tree, what, .number) else { return nil }
    if let whole = value.whole { return whole }
    findings.add(.range, "\(what) must be a whole number", at: tree.span)
    return nil
  }

  /// Unit: bytes.
  func size(_ tree: Tree, _ what: String, atLeast least: UInt64 = 0) -> UInt64? {
    whole(tree, what, .size, "bytes", least)
  }

  /// Unit: picoseconds.
  func time(_ tree: Tree, _ what: String, atLeast least: UInt64 = 0) -> UInt64? {
    guard let time = whole(tree, what, .time, "picoseconds", least) else { return nil }
    guard time < Instant.never.picoseconds else {
      findings.add(
        .range, "\(what) is longer than a run can be", at: tree.span,
        notes: ["emulated time ends after 37 minutes (2^51 picoseconds)"])
      return nil
    }
    return time
  }

  private func whole(
    _ tree: Tree, _ what: String, _ dimension: Dimension, _ base: String, _ least: UInt64
  ) -> UInt64? {
    guard let value = number(tree, what, dimension) else { return nil }
    guard let whole = value.whole else {
      findings.add(.range, "\(what) must be a whole number of \(base)", at: tree.span)
      return nil
    }
    guard whole >= least else {
      findings.add(.range, "\(what) must be at least \(least) \(base)", at: tree.span)
      return nil
    }
    return whole
  }

  /// A number of a dimension; the unit is compulsory.
  func number(_ tree: Tree, _ what: String, _ dimension: Dimension) -> Quantity.Value? {
    guard let text = tree.text else {
      findings.add(
        .wrongKind, "\(what) needs \(dimension.article) and has \(tree.kindName)", at: tree.span,
        label: "as in `\(dimension.example)`")
      return nil
    }
    switch Quantity.parse(text, clock: clock) {
    case .success(let value) where value.dimension == dimension: return value
    case .success(let value): wrongUnit(tree, text, what, dimension, value.dimension)
    case .failure(let failure): explain(failure, tree, text, what, dimension)
    }
    return nil
  }

  private func wrongUnit(
    _ tree: Tree, _ text: String, _ what: String, _ wanted: Dimension, _ found: Dimension
  ) {
    let units = Quantity.names(of: wanted)
    if found == .number {
      findings.add(
        .unit, "`\(text)` has no unit: \(what) needs \(wanted.article)", at: tree.span,
        label: "as in `\(text)\(units.first ?? "")`",
        notes: ["units: \(units.joined(separator: " "))"])
    } else {
      findings.add(
        .unit, "`\(text)` is \(found.article): \(what) needs \(wanted.article)", at: tree.span,
        label: "as in `\(wanted.example)`")
    }
  }

  private func explain(
    _ failure: Quantity.Failure, _ tree: Tree, _ text: String, _ what: String,
    _ wanted: Dimension
  ) {
    let shown = Spelling.shown(text)
    let units = Quantity.names(of: wanted)
    switch failure {
    case .noNumber:
      findings.add(
        .unit, "`\(shown)` is no number: \(what) needs \(wanted.article)", at: tree.span,
        label: "as in `\(wanted.example)`")
    case .space(let unit):
      let joined = text.filter { $0 != " " }
      findings.add(
        .unit, "there is a space between the number and its unit `\(Spelling.shown(unit))`",
        at: tree.span, label: "write `\(Spelling.shown(joined))`")
    case .unknownUnit(let unit):
      let nearest =
        units.first { $0.lowercased() == unit.lowercased() }
        ?? Spelling.nearest(to: unit, among: units)
      findings.add(
        .unit, "unknown unit `\(Spelling.shown(unit))`: \(what) needs \(wanted.article)",
        at: tree.span, label: nearest.map { "did you mean `\($0)`?" } ?? "",
        notes: units.isEmpty ? [] : ["units: \(units.joined(separator: " "))"])
    case .tooLarge:
      findings.add(.range, "`\(shown)` is too large or too fine a number", at: tree.span)
    case .noClock:
      findings.add(
        .unit, "cycles need a clock", at: tree.span, notes: ["say `machine: {clock: 3GHz}`"])
    }
  }

  /// A share, more than 0 and at most 1: `25%` or `0.25`.
  func share(_ tree: Tree, _ what: String) -> Double? {
    guard let value = number(tree, what, .number) else { return nil }
    if value.double > 0, value.double <= 1 { return value.double }
    findings.add(.range, "\(what) must be more than 0% and at most 100%", at: tree.span)
    return nil
  }
}
