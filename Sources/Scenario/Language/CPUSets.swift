import Topology

/// Which CPUs `on:` and `cpus:` mean on a machine. Results are ascending and never empty, except
/// for `others`, which may be nobody.
struct CPUSets {
  let reading: Reading
  let machine: MachineDescription
  /// False when the machine could not be had: then any set is taken for CPU 0.
  var isKnown = true
  var findings: Findings { reading.findings }
  private var all: [Int] { Array(machine.cpus.indices) }

  static func isOthers(_ tree: Tree) -> Bool { tree.text == "others" }

  /// The CPUs, or nil after a finding. `others` is for the caller, who knows the rest.
  func cpus(_ tree: Tree) -> [Int]? {
    guard isKnown else { return [0] }
    switch tree.kind {
    case .text(let text): return named(text, tree)
    case .map: return chosen(tree)
    case .list(let items):
      var cpus: Set<Int> = []
      for item in items {
        guard let part = self.cpus(item) else { return nil }
        cpus.formUnion(part)
      }
      guard !cpus.isEmpty else {
        findings.add(.cpus, "the list of CPUs is empty", at: tree.span)
        return nil
      }
      return cpus.sorted()
    case .nothing:
      findings.add(.cpus, "no CPUs are named", at: tree.span, label: "as in `all` or `0-3`")
      return nil
    }
  }

  private func named(_ text: String, _ tree: Tree) -> [Int]? {
    let nodes = machine.nodes.indices.filter { machine.nodes[$0].hasCPUs }
    let count = machine.cpus.count
    switch text {
    case "all": return all
    case "first": return [0]
    case "last": return [count - 1]
    case "first-half": return Array(0..<max(1, count / 2))
    case "second-half": return Array(count / 2..<count)
    case "first-node": return machine.cpus(ofNode: nodes[0])
    case "last-node": return machine.cpus(ofNode: nodes[nodes.count - 1])
    case "first-cpu-of-each-node": return firsts(\.node)
    case "first-cpu-of-each-package": return firsts(\.package)
    case "first-cpu-of-each-llc": return firsts(\.llc)
    case "first-cpu-of-each-core": return firsts(\.core)
    case "others":
      findings.add(.cpus, "`others` stands alone, in the `on:` of a thread", at: tree.span)
      return nil
    default: break
    }
    if let colon = text.firstIndex(of: ":"),
      let number = Int(text[text.index(after: colon)...]), number >= 0
    {
      return domain(String(text[..<colon]), number, tree)
    }
    guard text.first?.isNumber == true else {
      findings.unknown(
        .cpus, "set of CPUs", text,
        among: Words.cpusets + ["node:0", "package:0", "llc:0", "core:0"], at: tree.span,
        notes: ["or numbers, as in 0-3,8"])
      return nil
    }
    do {
      return try CPUList(parsing: text, below: count).cpus
    } catch {
      let range = count == 1 ? "one CPU, number 0" : "CPUs 0 to \(count - 1)"
      findings.add(
        .cpus, "`\(Spelling.shown(text))` names no CPUs of this machine", at: tree.span,
        notes: ["\(machine.source) has \(range)"])
      return nil
    }
  }

  private func firsts(_ domain: KeyPath<MachineDescription.CPU, Int>) -> [Int] {
    var seen: Set<Int> = []
    return all.filter { seen.insert(machine.cpus[$0][keyPath: domain]).inserted }
  }

  private func domain(_ name: String, _ number: Int, _ tree: Tree) -> [Int]? {
    let domains: [String: KeyPath<MachineDescription.CPU, Int>] = [
      "node": \.node, "package": \.package, "llc": \.llc, "core": \.core,
    ]
    guard let domain = domains[name] else {
      findings.unknown(
        .cpus, "set of CPUs", "\(name):\(number)",
        among: domains.keys.sorted().map { "\($0):\(number)" }, at: tree.span)
      return nil
    }
    let found = machine.cpus(of: domain, number)
    if found.isEmpty {
      let known = Set(machine.cpus.map { $0[keyPath: domain] }).sorted()
      findings.add(
        .cpus, "no CPU belongs to \(name) \(number)", at: tree.span,
        notes: ["\(machine.source) has CPUs on \(name)s \(CPUList(known))"])
      return nil
    }
    return found
  }

  /// `{node: 0, count: 4}`, `{share: 25%}`, `{from: second-half, count: 2}`.
  private func chosen(_ tree: Tree) -> [Int]? {
    guard let map = reading.fields(tree, "a set of CPUs", known: Words.cpuset) else { return nil }
    var cpus = all
    if let from = map["from"] {
      guard let base = self.cpus(from) else { return nil }
      cpus = base
    }
    for name in ["node", "package", "llc", "core"] {
      guard let tree = map[name] else { continue }
      guard let number = reading.integer(tree, name, 0...Limits.osNumberMax),
        let members = domain(name, number, tree)
      else { return nil }
      let wanted = Set(members)
      cpus = cpus.filter { wanted.contains($0) }
    }
    if let tree = map["share"] {
      guard let share = reading.share(tree, "share") else { return nil }
      cpus = Array(cpus.prefix(max(1, Int((Double(cpus.count) * share).rounded(.down)))))
    }
    if let tree = map["count"] {
      guard let count = reading.integer(tree, "count", 1...Limits.cpusMax) else { return nil }
      guard count <= cpus.count else {
        findings.add(
          .cpus, "\(count) CPUs asked of a set that has \(cpus.count)", at: tree.span)
        return nil
      }
      cpus = Array(cpus.prefix(count))
    }
    guard !cpus.isEmpty else {
      findings.add(.cpus, "no CPU of this machine is meant", at: tree.span)
      return nil
    }
    return cpus
  }
}
