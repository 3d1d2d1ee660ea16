import Topology

/// hwloc XML 2.x, checked object by object and written again without what is not needed.
///
/// What is known of each object that passes:
/// 1. it has its four sets, each within the same set of its parent;
/// 2. CPU-side siblings share no CPU, and no CPU or node comes twice;
/// 3. the sets of a CPU and of a node hold that one number;
/// 4. below a CPU there is nothing, below a memory-side cache only memory.
struct TopologyXMLReader {
  enum Failure: Error {
    case malformed(XMLScanner.Malformed)
    case version(String)
    case inconsistent(line: Int, reason: String)
  }

  /// What a child must know of the object around it.
  private struct Parent {
    var sets: Sets
    var isMemory = false
    var isCPU = false
    /// CPUs of the children so far.
    var taken = BitSet()
  }

  struct Sets {
    var cpus, completeCPUs, nodes, completeNodes: BitSet

    func isSubset(of other: Sets) -> Bool {
      cpus.isSubset(of: other.cpus) && completeCPUs.isSubset(of: other.completeCPUs)
        && nodes.isSubset(of: other.nodes) && completeNodes.isSubset(of: other.completeNodes)
    }
  }

  private var scanner: XMLScanner
  private var output = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
  private var stack: [Parent] = []
  private var objects = 0
  private var cpuNumbers: Set<Int> = []
  private var nodeNumbers: Set<Int> = []

  init(_ bytes: [UInt8]) {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    scanner = XMLScanner(bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes)
  }

  mutating func read() throws(Failure) -> [UInt8] {
    guard case .start("topology", let attributes)? = try next() else {
      throw .malformed(scanner.malformed("the root element is not <topology>"))
    }
    let version = attributes.first { $0.name == "version" }?.value ?? "1.0"
    guard version.prefix(while: { $0 != "." }) == "2" else { throw .version(version) }
    output += "<topology version=\"2.0\">\n"
    while let event = try next() {
      switch event {
      case .start("object", let attributes):
        guard stack.isEmpty, objects == 0 else { throw inconsistent("a second machine") }
        try object(attributes)
      case .start("distances2", let attributes):
        try distances(attributes)
      case .start:
        try skipElement()
      case .text:
        throw .malformed(scanner.malformed("text between elements"))
      case .end:
        break
      }
    }
    guard !cpuNumbers.isEmpty, !nodeNumbers.isEmpty else {
      throw inconsistent("it has no CPU or no node")
    }
    output += "</topology>\n"
    return Array(output.utf8) + [0]
  }

  private mutating func next() throws(Failure) -> XMLScanner.Event? {
    do {
      return try scanner.next()
    } catch {
      throw .malformed(error)
    }
  }

  private func inconsistent(_ reason: String) -> Failure {
    .inconsistent(line: scanner.malformed("").line, reason: reason)
  }

  /// Reads on to the end of the element whose start has just been read.
  private mutating func skipElement() throws(Failure) {
    var depth = 1
    while depth > 0, let event = try next() {
      switch event {
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
  }

  /// An object with all that is in it. As deep as `XMLScanner.depthMax`.
  private mutating func object(_ list: [(name: String, value: String)]) throws(Failure) {
    let attributes = Dictionary(
      list.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    let type = attributes["type"] ?? ""
    if ["Bridge", "PCIDev", "OSDev", "Misc"].contains(type) { return try skipElement() }
    guard let cleaned = ObjectType(type) else {
      throw inconsistent("an object of type \"\(type)\"")
    }
    let sets = try sets(attributes, of: type)
    try check(cleaned, sets, attributes)
    objects += 1
    output += "<object type=\"\(cleaned.name)\""
    if let number = try number("os_index", attributes, max: UInt64(UInt32.max - 1)) {
      output += " os_index=\"\(number)\""
    }
    output += " cpuset=\"\(sets.cpus)\" complete_cpuset=\"\(sets.completeCPUs)\""
    if cleaned == .machine {
      let allowed = try set("allowed_cpuset", attributes) ?? sets.cpus
      let allowedNodes = try set("allowed_nodeset", attributes) ?? sets.nodes
      guard allowed.isSubset(of: sets.cpus), allowedNodes.isSubset(of: sets.nodes) else {
        throw inconsistent("more is allowed than there is")
      }
      output += " allowed_cpuset=\"\(allowed)\" allowed_nodeset=\"\(allowedNodes)\""
    }
    output += " nodeset=\"\(sets.nodes)\" complete_nodeset=\"\(sets.completeNodes)\""
    output += " gp_index=\"\(objects)\""
    for name in cleaned.numbers {
      if let number = try number(name, attributes, max: .max) {
        output += " \(name)=\"\(number)\""
      }
    }
    output += ">\n"
    stack.append(Parent(sets: sets, isMemory: cleaned.isMemory, isCPU: cleaned == .cpu))
    try children()
    stack.removeLast()
    output += "</object>\n"
  }

  private mutating func children() throws(Failure) {
    while let event = try next() {
      switch event {
      case .start("object", let attributes): try object(attributes)
      case .start: try skipElement()
      case .text: throw .malformed(scanner.malformed("text between elements"))
      case .end: return
      }
    }
  }

  private mutating func check(
    _ type: ObjectType, _ sets: Sets, _ attributes: [String: String]
  ) throws(Failure) {
    guard (type == .machine) == stack.isEmpty else {
      throw inconsistent("a machine inside of something, or something outside of the machine")
    }
    guard sets.cpus.isSubset(of: sets.completeCPUs), sets.nodes.isSubset(of: sets.completeNodes)
    else { throw inconsistent("a complete set that is not complete") }
    let number = attributes["os_index"].flatMap { Int($0) } ?? -1
    if type == .cpu {
      guard (0...Limits.osNumberMax).contains(number), sets.completeCPUs == BitSet(only: number),
        cpuNumbers.insert(number).inserted
      else { throw inconsistent("CPU \(number) comes twice or has another number in its sets") }
    } else if type == .node {
      guard (0...Limits.osNumberMax).contains(number), sets.completeNodes == BitSet(only: number),
        nodeNumbers.insert(number).inserted
      else { throw inconsistent("node \(number) comes twice or has another number in its sets") }
    }
    try type.checkCache(attributes, orElse: inconsistent("a cache whose type and level disagree"))
    guard let parent = stack.last else { return }
    guard sets.isSubset(of: parent.sets) else {
      throw inconsistent("an object of type \(type.name) reaches beyond what it lies in")
    }
    guard !parent.isCPU, type.isMemory || !parent.isMemory else {
      throw inconsistent("an object of type \(type.name) in a place where none can be")
    }
    if type.isMemory {
      guard sets.cpus == parent.sets.cpus else {
        throw inconsistent("memory with other CPUs than the object that it is attached to")
      }
    } else {
      // A group around a node that has memory and no CPUs is the one thing without CPUs.
      let mayBeEmpty = type == .group && !sets.completeNodes.isEmpty
      guard mayBeEmpty || !sets.completeCPUs.isEmpty,
        sets.completeCPUs.isDisjoint(with: parent.taken)
      else {
        throw inconsistent("an object of type \(type.name) without CPUs or with its sibling's")
      }
      stack[stack.count - 1].taken.formUnion(sets.completeCPUs)
    }
  }

  private func sets(_ attributes: [String: String], of type: String) throws(Failure) -> Sets {
    guard let cpus = try set("cpuset", attributes),
      let completeCPUs = try set("complete_cpuset", attributes),
      let nodes = try set("nodeset", attributes),
      let completeNodes = try set("complete_nodeset", attributes)
    else { throw inconsistent("an object of type \(type) without one of its four sets") }
    return Sets(
      cpus: cpus, completeCPUs: completeCPUs, nodes: nodes, completeNodes: completeNodes)
  }

  private func set(_ name: String, _ attributes: [String: String]) throws(Failure) -> BitSet? {
    guard let text = attributes[name] else { return nil }
    guard let set = BitSet(text) else {
      throw inconsistent("\(name)=\"\(text.prefix(60))\" is no set of numbers")
    }
    return set
  }

  private func number(
    _ name: String, _ attributes: [String: String], max: UInt64
  ) throws(Failure) -> UInt64? {
    guard let text = attributes[name] else { return nil }
    guard let number = UInt64(text), number <= max else {
      throw inconsistent("\(name)=\"\(text.prefix(60))\" is no number up to \(max)")
    }
    return number
  }
}

extension TopologyXMLReader {
  /// A matrix between nodes by OS number, passed on; any other is left out.
  private mutating func distances(_ list: [(name: String, value: String)]) throws(Failure) {
    let attributes = Dictionary(
      list.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    let kind = attributes["kind"].flatMap { UInt($0) } ?? 0
    let isLatency = kind & 4 != 0
    guard attributes["type"] == "NUMANode", attributes["indexing"] == "os", isLatency,
      let count = attributes["nbobjs"].flatMap({ Int($0) }), (2...1024).contains(count)
    else { return try skipElement() }
    var indexes: [UInt64] = []
    var values: [UInt64] = []
    var name = ""
    reading: while let event = try next() {
      switch event {
      case .start(let element, _): name = element
      case .text(let text):
        let numbers = text.split(whereSeparator: \.isWhitespace).map { UInt64($0) }
        guard !numbers.contains(nil) else { throw inconsistent("a distance that is no number") }
        if name == "indexes" { indexes += numbers.compactMap(\.self) }
        if name == "u64values" { values += numbers.compactMap(\.self) }
      case .end("distances2"): break reading
      case .end: name = ""
      }
    }
    guard indexes.count == count, values.count == count * count, Set(indexes).count == count,
      indexes.allSatisfy({ $0 <= Limits.osNumberMax })
    else { throw inconsistent("distances that are not \(count) by \(count)") }
    let isFirmware = attributes["name"].map { $0 == "NUMALatency" } ?? true
    output += "<distances2 type=\"NUMANode\" nbobjs=\"\(count)\" kind=\"5\""
    output += " name=\"\(isFirmware ? "NUMALatency" : "other")\" indexing=\"os\">\n"
    write("indexes", indexes)
    for row in 0..<count { write("u64values", Array(values[(row * count)..<(row + 1) * count])) }
    output += "</distances2>\n"
  }

  private mutating func write(_ name: String, _ numbers: [UInt64]) {
    let content = numbers.map { "\($0) " }.joined()
    output += "<\(name) length=\"\(content.utf8.count)\">\(content)</\(name)>\n"
  }
}
