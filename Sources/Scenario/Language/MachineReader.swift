import Hardware
import HostTopology
import Kernel
import Topology

/// Reads `machine:`, `kernel:` and `costs:`.
struct MachineReader {
  let reading: Reading
  /// Where `file:NAME.xml` and `costs: file:…` begin.
  let folder: String
  let describe: (MachineSource) throws(TopologyError) -> MachineDescription
  let readFile: (String) -> Result<[UInt8], FileFailure>
  var findings: Findings { reading.findings }

  // MARK: machine

  /// The machine to emulate: the host where nothing is said. Nil after a finding.
  func machine(_ tree: Tree?, isOverridden: Bool) -> MachineDescription? {
    var topology: Tree?
    var fields: Tree?
    if let tree, !tree.isNothing {
      guard let map = reading.fields(tree, "`machine:`", known: Words.machine) else { return nil }
      fields = map
      topology = map["topology"]
    }
    if let clock = fields?["clock"] {
      reading.clock = reading.number(clock, "the clock", .frequency)?.whole
      if let hertz = reading.clock, !(100_000_000...20_000_000_000).contains(hertz) {
        findings.add(.range, "the clock must be from 100MHz to 20GHz", at: clock.span)
        reading.clock = nil
      }
    }
    guard let source = source(topology, isOverridden) else { return nil }
    do {
      var machine = try describe(source)
      let cpus = fields?["cpus"].map { ($0, reading.integer($0, "cpus", 1...Limits.cpusMax)) }
      if let (tree, count) = cpus {
        guard let count else { return nil }
        machine = try located(tree) { () throws(TopologyError) in
          try machine.restricted(toFirst: count)
        }
      }
      if let tree = fields?["memory"] {
        guard let total = reading.size(tree, "memory") else { return nil }
        machine = try located(tree) { () throws(TopologyError) in
          try machine.withMemory(total: total)
        }
      }
      return machine
    } catch let error as Located {
      report(error.error, at: error.span)
    } catch let error as TopologyError {
      report(error, at: topology?.span)
    } catch {}
    return nil
  }

  private struct Located: Error {
    let error: TopologyError
    let span: Span
  }

  private func located(
    _ tree: Tree, _ make: () throws(TopologyError) -> MachineDescription
  ) throws -> MachineDescription {
    do { return try make() } catch { throw Located(error: error, span: tree.span) }
  }

  private func report(_ error: TopologyError, at span: Span?) {
    findings.add(
      Diagnostic(code: error.code.rawValue, error.message, at: span, notes: [error.hint]))
  }

  private func source(_ tree: Tree?, _ isOverridden: Bool) -> MachineSource? {
    guard let tree, !tree.isNothing else { return .host }
    guard let text = reading.text(tree, "topology") else { return nil }
    if isOverridden { return MachineSource.parse(text) }
    if text == "host" { return .host }
    if text.hasPrefix("file:") {
      let path = String(text.dropFirst("file:".count))
      return .file(path.hasPrefix("/") || folder.isEmpty ? path : "\(folder)/\(path)")
    }
    if text.hasSuffix(".xml") || text.contains("/") {
      findings.add(
        .machine, "`\(Spelling.shown(text))` looks like a file", at: tree.span,
        label: "write `file:\(Spelling.shown(text))`")
      return nil
    }
    return .synthetic(text)
  }

  // MARK: kernel

  /// - Parameter cpu: whose architecture it is built for, where it names none.
  func kernel(_ tree: Tree?, for cpu: CPUModel?) -> (KernelVersion, KernelConfig)? {
    var standard = KernelConfig()
    standard.architecture = cpu?.architecture ?? .x86_64
    guard let tree, !tree.isNothing else { return (.standard, standard) }
    if tree.text != nil {
      guard let version = version(tree) else { return nil }
      return isBuilt(version, standard, tree) ? (version, standard) : nil
    }
    guard let map = reading.fields(tree, "`kernel:`", known: Words.kernel) else { return nil }
    let version = map["version"].map { self.version($0) } ?? .standard
    var config = map["config"].map { self.config($0, of: version ?? .standard) } ?? KernelConfig()
    config.architecture = standard.architecture
    readArchitecture(map, cpu, &config)
    if let version { checkPTI(version, config, map["config"]) }
    readScheduling(map["config"], version ?? .standard, &config)
    if let version, !isBuilt(version, config, map["va-bits"] ?? map["architecture"] ?? tree) {
      return nil
    }
    if let slab = map["slab"], let version { config.slab = self.slab(slab, of: version) }
    if config.slab == .slob, let least = config.kmallocMinAlign, least != 8 {
      findings.add(
        .notYet, "SLOB's header is emulated for an alignment of 8 bytes", at: map["config"]?.span)
    }
    return version.map { ($0, config) }
  }

  private func version(_ tree: Tree) -> KernelVersion? {
    guard let text = reading.text(tree, "the kernel's version") else { return nil }
    if let version = KernelVersion(named: text) { return version }
    let example = text.contains(".") ? "" : ", such as \"6.12\" in quotes"
    findings.add(
      .kernel, "this version does not emulate Linux `\(Spelling.shown(text))`", at: tree.span,
      label: "there is \(KernelVersion.range)\(example)")
    return nil
  }

  /// CONFIG_SLUB, CONFIG_SLAB or CONFIG_SLOB, where the release had it.
  private func slab(_ tree: Tree, of version: KernelVersion) -> SlabKind {
    guard let name = reading.text(tree, "slab") else { return .slub }
    let names = version.slab.kinds.names.joined(separator: ", ")
    guard let kind = SlabKind.allCases.first(where: { $0.name == name }) else {
      findings.add(
        .unknownName, "unknown slab allocator `\(Spelling.shown(name))`", at: tree.span,
        label: "Linux \(version.name) has: \(names)")
      return .slub
    }
    if !version.slab.kinds.contains(kind) {
      findings.add(
        .kernel, "Linux \(version.name) has no \(name.uppercased())", at: tree.span,
        label: "it has: \(names)")
    }
    return kind
  }

  private func config(_ tree: Tree, of version: KernelVersion) -> KernelConfig {
    var config = KernelConfig()
    guard let map = reading.fields(tree, "`config:`", known: Words.config) else { return config }
    func bool(_ key: String) -> Bool? { map[key].flatMap { reading.bool($0, "`\(key)`") } }
    if let value = bool("transparent-hugepages") { config.transparentHugePages = value }
    if let value = bool("slab-freelist-random") { config.slabFreelistRandom = value }
    if let value = bool("slab-merge") { config.slabMerge = value }
    if let value = bool("pti") { config.pti = value }
    if let value = bool("memcg") { config.memcg = value }
    if let value = bool("random-kmalloc-caches") {
      config.randomKmallocCaches = value
      if value, !version.slab.hasRandomCaches {
        findings.add(
          .kernel, "Linux \(version.name) has no CONFIG_RANDOM_KMALLOC_CACHES",
          at: map["random-kmalloc-caches"]?.span, label: "it came with 6.6")
      }
    }
    if let value = bool("slab-buckets") {
      config.slabBuckets = value
      if value, !version.slab.hasBuckets {
        findings.add(
          .kernel, "Linux \(version.name) has no CONFIG_SLAB_BUCKETS",
          at: map["slab-buckets"]?.span, label: "it came with 6.11")
      }
    }
    if let tree = map["slab-debug"], let letters = reading.text(tree, "slab-debug") {
      if let flags = SlabFlags(debugLetters: letters) {
        config.slabDebug = flags
      } else {
        findings.add(
          .range, "unknown letters in slab-debug: `\(Spelling.shown(letters))`", at: tree.span,
          label: "F consistency, Z red zones, P poison, U users")
      }
    }
    if let tree = map["kmalloc-min-align"],
      let bytes = reading.size(tree, "kmalloc-min-align", atLeast: 8)
    {
      if bytes <= 128, bytes & (bytes - 1) == 0 {
        config.kmallocMinAlign = Int(bytes)
      } else {
        findings.add(
          .range, "kmalloc-min-align is 8B, 16B, 32B, 64B or 128B", at: tree.span,
          label: "128B is arm64's up to 6.4")
      }
    }
    if let tree = map["min-free"], let bytes = reading.size(tree, "min-free", atLeast: 1024) {
      config.minFreeKBytes = Int(bytes >> 10)
    }
    return config
  }

  // MARK: costs

  /// - Parameter standard: the file's name where none is said.
  func costs(_ tree: Tree?, isOverridden: Bool, standard: String = "generic-x86") -> Costs? {
    let text = tree?.isNothing == false ? tree.flatMap { reading.text($0, "costs") } : standard
    guard let text else { return nil }
    do {
      if let bundled = CostFile.bundled.first(where: { $0.name == text }) {
        return try CostFile.parse(clocked(bundled.text), name: text)
      }
      let isFile = text.hasPrefix("file:")
      guard isFile || isOverridden && (text.contains("/") || text.hasSuffix(".costs")) else {
        let names = CostFile.bundled.map(\.name)
        findings.unknown(
          .costs, "cost file", text, among: names, at: tree?.span,
          notes: ["a file of your own: `costs: file:NAME.costs`"])
        return nil
      }
      return try costs(file: isFile ? String(text.dropFirst(5)) : text, isOverridden, tree)
    } catch {
      let place = error.line > 0 ? ", line \(error.line)" : ""
      findings.add(.costs, "\(Spelling.shown(text))\(place): \(error.message)", at: tree?.span)
      return nil
    }
  }

  private func costs(
    file: String, _ isOverridden: Bool, _ tree: Tree?
  ) throws(CostError) -> Costs? {
    let isPlain = isOverridden || folder.isEmpty || file.hasPrefix("/")
    switch readFile(isPlain ? file : "\(folder)/\(file)") {
    case .failure(let failure):
      findings.add(.costs, "cannot read \(file): \(failure.reason)", at: tree?.span)
      return nil
    case .success(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else {
        findings.add(.costs, "\(file) is not UTF-8 text", at: tree?.span)
        return nil
      }
      let name = file.split(separator: "/").last.map(String.init) ?? file
      return try CostFile.parse(clocked(text), name: name)
    }
  }

  /// The cost file with the scenario's clock in the place of its own: costs in cycles follow it.
  private func clocked(_ text: String) -> String {
    guard let hertz = reading.clock else { return text }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.map { line in
      let key = line.split(separator: "=").first?.filter { $0 != " " }
      return key == "clock" ? "clock = \(Double(hertz) / 1e6) MHz  # scenario" : String(line)
    }.joined(separator: "\n")
  }
}
