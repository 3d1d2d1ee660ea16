import Kernel
import Topology

/// A program being built: its tables, each entry made once, and the names of the whole scenario.
final class ProgramBuilder {
  let reading: Reading
  let machine: MachineDescription
  /// The kernel's release, where it is known.
  var version: KernelVersion?
  /// False when the machine could not be had: then nothing is held against it.
  let isMachineKnown: Bool
  var program = Program()
  /// Threads and their hand-over boxes, known before the first step is read.
  var receivers: [String: Receiver] = [:]
  var threadNames: [String] = []
  /// Vectors that some `softirq:` handles.
  var softirqs: Set<SoftIRQ> = []
  var findings: Findings { reading.findings }

  /// Which function frees an object, and the operation that it is counted under.
  struct Free {
    var api: FreeAPI
    var operation: String
    static let kfree = Free(api: .kfree, operation: "kfree")
  }

  /// What arrives at a thread with `each:`.
  struct Receiver {
    var group: Int
    var isReceiving: Bool
    /// Names of the objects, in the order of the first hand-over that was read.
    var objects: [String]?
    /// How each is freed, as its sender allocates it.
    var frees: [(name: String, free: Free)] = []
    /// Whether any thread runs: `others` may be nobody.
    var isEmpty = false
  }

  init(_ reading: Reading, _ machine: MachineDescription?) {
    (self.reading, self.machine) = (reading, machine ?? Self.anyMachine)
    isMachineKnown = machine != nil
  }

  private static let anyMachine = MachineDescription(
    source: "a machine",
    cpus: [.init(osNumber: 0, core: 0, llc: 0, die: 0, package: 0, node: 0, thread: 0)],
    nodes: [.init(osNumber: 0, memoryBytes: Defaults.nodeMemory, hasCPUs: true)],
    distances: [[Defaults.localDistance]], caches: [], defaultsUsed: [])

  var lockPlaces: [String: Int] = [:]
  var cachePlaces: [String: Int] = [:]
  /// Names of threads and interrupts that were read.
  var takenNames: Set<String> = []
  /// Objects that all exits together free.
  var exitObjects = 0
  private var operationPlaces: [String: Int] = [:]
  private var sitePlaces: [String: Int16] = [:]
  private var counterPlaces: [String: Int] = [:]
  private var distributionPlaces: [Distribution: Int32] = [:]

  /// The place of an operation whose latency is measured: `kmalloc(256)`.
  func operation(_ name: String, _ span: Span) -> Int16 {
    if let place = operationPlaces[name] { return Int16(place) }
    guard program.operations.count < ScenarioLimits.operationsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.operationsMax) different operations", at: span)
      return 0
    }
    operationPlaces[name] = program.operations.count
    program.operations.append(name)
    return Int16(program.operations.count - 1)
  }

  /// The place of a bulk call among the program's.
  func bulk(
    _ slots: [SlotRef], cache: Int?, gfp: GFPFlags, operation: Int16, site: Int16
  ) -> Int32 {
    let first = program.bulkSlots.count
    program.bulkSlots += slots
    program.bulks.append(
      Bulk(
        first: first, count: slots.count, cache: cache, gfp: gfp, operation: operation, site: site))
    return Int32(program.bulks.count - 1)
  }

  /// The place of a call site among the program's.
  func site(_ name: String) -> Int16 {
    if let place = sitePlaces[name] { return place }
    sitePlaces[name] = Int16(clamping: program.sites.count)
    program.sites.append(name)
    return Int16(clamping: program.sites.count - 1)
  }

  func counter(_ name: String) -> Int32 {
    if let place = counterPlaces[name] { return Int32(place) }
    counterPlaces[name] = program.counters.count
    program.counters.append(name)
    return Int32(program.counters.count - 1)
  }

  func place(of distribution: Distribution) -> Int32 {
    if let place = distributionPlaces[distribution] { return place }
    let place = Int32(program.distributions.count)
    distributionPlaces[distribution] = place
    program.distributions.append(distribution)
    return place
  }

  func lock(_ tree: Tree) -> Int? {
    guard let name = reading.text(tree, "a lock") else { return nil }
    if let place = lockPlaces[name] { return place }
    findings.unknown(
      .unknownName, "lock", name, among: program.locks, at: tree.span,
      notes: program.locks.isEmpty ? ["name it under `locks:`, as in `locks: [\(name)]`"] : [])
    return nil
  }

  func buckets(_ tree: Tree) -> Int? {
    guard let name = reading.text(tree, "a set of buckets") else { return nil }
    if let place = program.buckets.firstIndex(of: name) { return place }
    findings.unknown(
      .unknownName, "set of buckets", name, among: program.buckets, at: tree.span,
      notes: program.buckets.isEmpty ? ["name it under `buckets:`, as in `buckets: [\(name)]`"] : []
    )
    return nil
  }

  func cache(_ tree: Tree) -> Int? {
    guard let name = reading.text(tree, "a cache") else { return nil }
    if let place = cachePlaces[name] { return place }
    findings.unknown(
      .unknownName, "cache", name, among: program.caches.map(\.name), at: tree.span,
      notes: program.caches.isEmpty
        ? ["describe it under `caches:`, as in `caches: {\(name): {size: 64B}}`"] : [])
    return nil
  }

  // MARK: Quantities

  /// A length of time that may be random. Unit: picoseconds.
  func time(_ tree: Tree, _ what: String) -> Distribution? {
    distribution(tree, what) { self.reading.time($0, what) }
  }

  /// A size that may be random. Unit: bytes.
  func size(_ tree: Tree, _ what: String) -> Distribution? {
    distribution(tree, what) { self.reading.size($0, what) }
  }

  /// `150ns`, `{uniform: [12ns, 28ns]}`, `{exponential: 1us}`.
  private func distribution(
    _ tree: Tree, _ what: String, _ quantity: (Tree) -> UInt64?
  ) -> Distribution? {
    guard let map = tree.map else { return quantity(tree).map { .constant($0) } }
    if let later = map.first(where: { Words.distributionsLater.contains($0.key) }) {
      findings.add(
        .notYet, "this version does not have the distribution `\(later.key)` yet",
        at: later.keySpan, notes: ["there are: \(Words.distributions.joined(separator: ", "))"])
      return nil
    }
    guard reading.fields(tree, what, known: Words.distributions) != nil else { return nil }
    guard map.count == 1, let entry = map.first else {
      findings.add(.wrongKind, "\(what) needs exactly one distribution", at: tree.span)
      return nil
    }
    switch entry.key {
    case "constant": return quantity(entry.value).map { .constant($0) }
    case "exponential": return quantity(entry.value).map { .exponential(mean: $0) }
    case "uniform": return uniform(entry.value, what, quantity)
    default: return nil
    }
  }

  func uniform(
    _ tree: Tree, _ what: String, _ quantity: (Tree) -> UInt64?
  ) -> Distribution? {
    guard let ends = tree.list, ends.count == 2 else {
      findings.add(
        .wrongKind, "`uniform` needs two ends and has \(tree.kindName)", at: tree.span,
        label: "as in `[12ns, 28ns]`")
      return nil
    }
    guard let from = quantity(ends[0]), let through = quantity(ends[1]) else { return nil }
    guard from <= through, through < UInt64(Int.max) else {
      findings.add(.range, "the first end must not be above the second", at: tree.span)
      return nil
    }
    return .uniform(from: from, through: through)
  }

  // MARK: Flags and places

  /// `GFP_KERNEL | __GFP_ZERO`.
  func gfp(_ tree: Tree) -> GFPFlags? {
    guard let text = reading.text(tree, "gfp") else { return nil }
    var flags = GFPFlags()
    var isGood = true
    var offset = 0
    for part in text.split(separator: "|", omittingEmptySubsequences: false) {
      let lead = part.prefix { $0 == " " }.count
      let word = part.filter { $0 != " " }
      if let known = GFPFlags.names.first(where: { $0.name == word }) {
        flags.formUnion(known.flags)
      } else {
        let isWritten = tree.span.length == text.unicodeScalars.count
        findings.unknown(
          .unknownFlag, "GFP flag", word, among: GFPFlags.names.map(\.name),
          at: isWritten ? tree.span.part(offset + lead, max(1, word.count)) : tree.span,
          notes: ["several are joined with |, as in GFP_KERNEL | __GFP_ZERO"])
        isGood = false
      }
      offset += part.count + 1
    }
    return isGood ? flags : nil
  }

  /// `0`, `here`, `elsewhere`, `any`.
  func node(_ tree: Tree) -> Allocation.Place? {
    switch tree.text {
    case "any": return .any
    case "here": return .here
    // With one node there is no other: the request is like one for any.
    case "elsewhere": return machine.nodes.count > 1 ? .elsewhere : .any
    default: break
    }
    guard let text = tree.text, let number = Int(text) else {
      findings.unknown(
        .unknownName, "node", tree.text ?? "", among: ["here", "elsewhere", "any"],
        at: tree.span, notes: ["or a number, as in `node: 0`"])
      return nil
    }
    guard machine.nodes.indices.contains(number) || !isMachineKnown && number >= 0 else {
      findings.add(
        .range, "there is no node \(number)", at: tree.span,
        notes: ["\(machine.source) has nodes 0 to \(machine.nodes.count - 1)"])
      return nil
    }
    return .node(NodeID(number))
  }
}

/// Sizes as operation names have them: `256`, `4KiB`, `64-4KiB`.
enum SizeName {
  static func of(_ distribution: Distribution) -> String {
    switch distribution {
    case .constant(let bytes): of(bytes)
    case .uniform(let from, let through): "\(of(from))-\(of(through))"
    case .exponential(let mean): "~\(of(mean))"
    }
  }

  private static func of(_ bytes: UInt64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] as [(UInt64, String)]
    where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)"
  }
}
