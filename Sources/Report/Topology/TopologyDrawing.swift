import Topology

/// The machine's tree as lines, one branch a line, siblings that look alike drawn once.
///
/// `2 x Package 0-1 + NUMA node 0-1 (31.0 GiB)` is two packages, each being one node. Numbers are
/// told where one line stands for all of a kind; below a line with several they would mislead and
/// are left out. Memory within a quarter counts as alike and is given as a range.
struct TopologyDrawing {
  private let machine: MachineDescription
  private var lines: [String] = []

  init(_ machine: MachineDescription) {
    self.machine = machine
  }

  /// Complexity: O(parts × depth).
  mutating func text() -> String {
    lines = ["Machine"]
    draw(groups(MachineTree(machine).children), prefix: "", numbered: true)
    return lines.joined(separator: "\n") + "\n"
  }

  /// Siblings that look alike.
  private struct Group {
    var shape: String
    var members: [MachineTree]
  }

  private func groups(_ siblings: [MachineTree]) -> [Group] {
    var groups: [Group] = []
    for sibling in siblings {
      let shape = shape(sibling)
      if let last = groups.last, last.shape == shape, isAlike(last.members[0], sibling) {
        groups[groups.count - 1].members.append(sibling)
      } else {
        groups.append(Group(shape: shape, members: [sibling]))
      }
    }
    return groups
  }

  /// All that a drawing shows of a part but numbers and exact memory.
  private func shape(_ tree: MachineTree) -> String {
    let inner = groups(tree.children).map { "\($0.members.count)\($0.shape)" }
    return "\(label(of: tree.part))\(threads(of: tree))[\(inner.joined(separator: " "))]"
  }

  /// Whether the memory inside is about the same.
  private func isAlike(_ one: MachineTree, _ other: MachineTree) -> Bool {
    let (a, b) = (memory(one), memory(other))
    return max(a, b) - min(a, b) <= max(a, b) / 4
  }

  private func memory(_ tree: MachineTree) -> UInt64 {
    let inner = tree.children.reduce(UInt64(0)) { $0 + memory($1) }
    if case .node(let node) = tree.part { return inner + machine.nodes[node].memoryBytes }
    return inner
  }

  private mutating func draw(_ groups: [Group], prefix: String, numbered: Bool) {
    for (index, group) in groups.enumerated() {
      let isLast = index == groups.count - 1
      var chains = [group.members]
      // A part that is nothing but the one part in it shares its line.
      while let inner = onlyChildren(chains[chains.count - 1]) { chains.append(inner) }
      let count = group.members.count
      let text =
        (count > 1 ? "\(count) x " : "")
        + chains.map { Self.kept(name($0, numbered: numbered)) }.joined(separator: " + ")
      let below = prefix + (isLast ? "   " : "│  ")
      append(text, prefix: prefix + (isLast ? "└─ " : "├─ "), below: below)
      draw(
        self.groups(chains[chains.count - 1][0].children), prefix: below,
        numbered: numbered && count == 1)
    }
  }

  private func onlyChildren(_ members: [MachineTree]) -> [MachineTree]? {
    guard let first = members.first, first.children.count == 1,
      first.children[0].cpus == first.cpus
    else { return nil }
    return members.map { $0.children[0] }
  }

  private mutating func append(_ text: String, prefix: String, below: String) {
    let room = TextLayout.width - prefix.count
    let wrapped = TextLayout.wrapped(text, indent: 2, width: room).split(separator: "\n")
    for (index, line) in wrapped.enumerated() {
      lines.append((index == 0 ? prefix : below) + line.map { $0 == Self.joint ? " " : $0 })
    }
  }

  /// Stands for a blank where no line may break.
  private static let joint: Character = "\u{A0}"

  private static func kept(_ name: String) -> String {
    String(name.map { $0 == " " ? joint : $0 })
  }

  /// What a part is called, with its size.
  private func label(of part: MachineTree.Part) -> String {
    switch part {
    case .machine: return "Machine"
    case .package: return "Package"
    case .die: return "Die"
    case .cluster: return "Cluster"
    case .core: return "Core"
    case .node(let node): return machine.nodes[node].hasCPUs ? "NUMA node" : "NUMA node "
    case .cache(let index):
      let cache = machine.caches[index]
      let size = cache.size > 0 ? " " + TextLayout.bytes(cache.size) : ""
      return Self.name(cache) + size
    }
  }

  static func name(_ cache: MachineDescription.Cache) -> String {
    switch cache.kind {
    case .unified: "L\(cache.level)"
    case .data: cache.level == 1 ? "L1d" : "L\(cache.level)"
    case .instruction: "L\(cache.level)i"
    case .memorySide: "memory-side"
    }
  }

  private func threads(of tree: MachineTree) -> String {
    guard case .core = tree.part, tree.cpus.count > 1 else { return "" }
    return " (\(tree.cpus.count) threads)"
  }

  /// A part for all members of a group at once.
  private func name(_ members: [MachineTree], numbered: Bool) -> String {
    let first = members[0]
    let numbers = numbered ? self.numbers(members.map(\.part)).map { " \($0.compact)" } ?? "" : ""
    var text = label(of: first.part).trimmed + numbers + threads(of: first)
    if case .node = first.part {
      let isMemoryOnly = first.isMemoryOnly(in: machine)
      text += " (\(memoryRange(members))\(isMemoryOnly ? ", memory only" : ""))"
    }
    return text
  }

  /// Numbers a user may meet again: of packages, nodes (the firmware's) and cores.
  private func numbers(_ parts: [MachineTree.Part]) -> CPUList? {
    let numbers = parts.compactMap { part -> Int? in
      switch part {
      case .package(let number), .core(let number): number
      case .node(let node): machine.nodes[node].osNumber
      case .machine, .die, .cluster, .cache: nil
      }
    }
    return numbers.count == parts.count ? CPUList(numbers) : nil
  }

  private func memoryRange(_ members: [MachineTree]) -> String {
    let sizes = members.compactMap { member -> UInt64? in
      guard case .node(let node) = member.part else { return nil }
      return machine.nodes[node].memoryBytes
    }
    guard let least = sizes.min(), let most = sizes.max(), most > 0 else { return "no memory" }
    let (low, high) = (TextLayout.bytes(least), TextLayout.bytes(most))
    if low == high { return members.count > 1 ? "\(low) each" : low }
    return "\(low) to \(high) each"
  }
}

extension String {
  /// Without the blank that tells two shapes of one name apart.
  fileprivate var trimmed: String { hasSuffix(" ") ? String(dropLast()) : self }
}
