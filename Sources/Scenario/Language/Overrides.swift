/// What the command line says over a scenario: it wins over every file.
package struct Overrides: Sendable {
  package var kernel: String?
  /// host, a synthetic string or an hwloc XML file, as `--machine` takes it.
  package var machine: String?
  package var cpus: String?
  package var costs: String?
  package var seed: String?
  /// `path=value`, in order.
  package var sets: [String] = []
  package init() {}
}

/// A scenario's tree with its includes merged and the command line's values set; then with every
/// `$name` replaced.
struct Assembler {
  let findings: Findings
  /// Reads a file that an `include:` names; the error says why not.
  let read: (String) -> Result<[UInt8], FileFailure>

  // MARK: Includes

  /// The file's tree and, under it, those of the files that it includes.
  ///
  /// - Parameter folder: where the paths of its includes begin.
  func merged(
    _ bytes: [UInt8], name: String, folder: String, above: [String] = []
  ) -> Tree? {
    let (source, error) = SourceText.decode(bytes, name: name)
    if let error {
      findings.add(error)
      return nil
    }
    guard let tree = TreeReader(source: source, findings: findings).read() else {
      if findings.isEmpty {
        findings.add(
          .version, "\(name) is empty", at: Span(source, 1, 1),
          notes: ["a scenario begins with `scenario: 1`; see docs/SCENARIOS.md"])
      }
      return nil
    }
    guard tree.map != nil else {
      findings.add(
        .wrongKind, "a scenario is a mapping; this is \(tree.kindName)", at: tree.span,
        notes: ["it begins with `scenario: 1`; see docs/SCENARIOS.md"])
      return nil
    }
    guard let include = tree["include"] else { return tree }
    var base = Tree(kind: .map([]), span: tree.span)
    for entry in include.list ?? [include] {
      if let other = included(entry, folder, above + [name]) {
        base = Self.merge(other, over: base)
      }
    }
    var own = tree
    own.kind = .map((tree.map ?? []).filter { $0.key != "include" })
    return Self.merge(own, over: base)
  }

  private func included(_ entry: Tree, _ folder: String, _ above: [String]) -> Tree? {
    guard let path = entry.text, !path.isEmpty else {
      findings.add(.wrongKind, "`include:` lists files", at: entry.span)
      return nil
    }
    let full = path.hasPrefix("/") || folder.isEmpty ? path : "\(folder)/\(path)"
    guard !above.contains(full), above.count < ScenarioLimits.includesMax else {
      findings.add(
        .include, "\(path) includes itself", at: entry.span,
        notes: ["the way round: \((above + [full]).joined(separator: " > "))"])
      return nil
    }
    switch read(full) {
    case .success(let bytes):
      let inner = full.lastIndex(of: "/").map { String(full[..<$0]) } ?? ""
      return merged(bytes, name: full, folder: inner, above: above)
    case .failure(let failure):
      findings.add(.include, "cannot include \(path): \(failure.reason)", at: entry.span)
      return nil
    }
  }

  /// Mappings are merged key by key; anything else is replaced.
  static func merge(_ tree: Tree, over base: Tree) -> Tree {
    guard let map = tree.map, var merged = base.map, !merged.isEmpty else { return tree }
    var places: [String: Int] = [:]
    for (place, entry) in merged.enumerated() { places[entry.key] = place }
    for entry in map {
      if let place = places[entry.key] {
        merged[place] = Tree.Entry(
          key: entry.key, keySpan: entry.keySpan,
          value: merge(entry.value, over: merged[place].value))
      } else {
        merged.append(entry)
      }
    }
    return Tree(kind: .map(merged), span: tree.span)
  }

  // MARK: The command line

  func apply(_ overrides: Overrides, to tree: Tree) -> Tree {
    var tree = tree
    let isKernelMap = tree["kernel"]?.map != nil
    let named: [(String?, String, String)] = [
      (overrides.kernel, "--kernel", isKernelMap ? "kernel.version" : "kernel"),
      (overrides.machine, "--machine", "machine.topology"),
      (overrides.cpus, "--cpus", "machine.cpus"), (overrides.costs, "--costs", "costs"),
      (overrides.seed, "--seed", "run.seed"),
    ]
    for (value, flag, path) in named {
      guard let value else { continue }
      let source = SourceText(name: flag, text: value)
      let span = Span(source, 1, 1, length: value.unicodeScalars.count)
      set(
        path.split(separator: ".").map(String.init)[...],
        Tree(kind: .text(value), span: span), in: &tree, path: path, span)
    }
    for assignment in overrides.sets { set(assignment, in: &tree) }
    return tree
  }

  private func set(_ assignment: String, in tree: inout Tree) {
    let whole = Span(
      SourceText(name: "--set", text: assignment), 1, 1, length: assignment.unicodeScalars.count)
    let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !path.contains("") else {
      findings.add(
        .override, "`--set \(Spelling.shown(assignment))` is not of the form path=value",
        at: whole, notes: ["as in --set machine.cpus=4 or --set params.size=64B"])
      return
    }
    if path.count == 2, path[0] == "params", tree["params"]?[path[1]] == nil {
      let known = tree["params"]?.map?.map(\.key) ?? []
      findings.unknown(.parameter, "parameter", path[1], among: known, at: whole)
      return
    }
    let (source, error) = SourceText.decode(
      Array(parts[1].utf8), name: "--set \(Spelling.shown(String(parts[0])))")
    if let error {
      findings.add(error)
      return
    }
    let empty = Tree(kind: .nothing, span: Span(source, 1, 1))
    let before = findings.count
    let value = TreeReader(source: source, findings: findings).read() ?? empty
    guard findings.count == before else { return }
    set(path[...], value, in: &tree, path: String(parts[0]), whole)
  }

  private func set(
    _ path: ArraySlice<String>, _ value: Tree, in tree: inout Tree, path whole: String,
    _ span: Span
  ) {
    guard let key = path.first else {
      tree = value
      return
    }
    switch tree.kind {
    case .map(var map):
      let place = map.firstIndex { $0.key == key } ?? map.count
      if place == map.count {
        map.append(
          Tree.Entry(key: key, keySpan: span, value: Tree(kind: .nothing, span: span)))
      }
      set(path.dropFirst(), value, in: &map[place].value, path: whole, span)
      tree.kind = .map(map)
    case .list(var list):
      let named = list.firstIndex { $0["name"]?.text == key }
      guard let place = named ?? Int(key), list.indices.contains(place) else {
        let names = list.compactMap { $0["name"]?.text }
        findings.unknown(.override, "entry of the list", key, among: names, at: span)
        return
      }
      set(path.dropFirst(), value, in: &list[place], path: whole, span)
      tree.kind = .list(list)
    case .nothing:
      tree = Tree(kind: .map([]), span: span)
      set(path, value, in: &tree, path: whole, span)
    case .text(let text):
      guard whole.hasPrefix("kernel.") else {
        findings.add(
          .override, "--set \(whole): there is a text where `\(key)` is to be set", at: span)
        return
      }
      let version = Tree(kind: .text(text), span: tree.span)
      tree.kind = .map([Tree.Entry(key: "version", keySpan: tree.span, value: version)])
      set(path, value, in: &tree, path: whole, span)
    }
  }
}

/// Why a file could not be read.
package struct FileFailure: Error {
  package let reason: String
}
