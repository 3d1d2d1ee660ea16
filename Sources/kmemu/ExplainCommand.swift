import ArgumentParser
import Hardware
import HostTopology
import Kernel
import Report
import Run
import Scenario
import Topology

/// `kmemu explain`: derived constants of a kernel on a machine, GFP flags, error codes.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Explain derived constants of a kernel on a machine, a GFP flag, an error code.",
    discussion: """
      Topics: slabs, cache NAME, pcp, watermarks, vmalloc, address ADDR, gfp FLAGS, errors, and every error \
      code (S104, T108, V107). Without a topic: what each of them tells.
      """)

  @Argument(help: ArgumentHelp("slabs, cache kmalloc-256, gfp GFP_ATOMIC, S104, …"))
  var topic: [String] = []

  @Option(help: ArgumentHelp("The kernel release, such as 6.12.", valueName: "v"))
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      "host, an hwloc XML file, or a synthetic string.", valueName: "machine"))
  var machine: String?

  @Option(
    help: ArgumentHelp(
      "Keep the first N CPUs by OS number; without --machine, a machine of N CPUs.",
      valueName: "n"))
  var cpus: Int?

  @Option(
    help: ArgumentHelp(
      "x86-64, x86-32, arm64 or arm32: what the kernel is built for.", valueName: "a"))
  var architecture: String?

  @Option(
    help: ArgumentHelp("Bits of a virtual address: 48 or 57, on arm64 39 or 48.", valueName: "n"))
  var vaBits: Int?

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func run() throws {
    let found = try explanation()
    switch format {
    case .text: try Console.write(ExplainText.render(found))
    case .json: try Console.write(ExplainText.json(found))
    }
  }

  private func explanation() throws -> Explanation {
    guard let first = topic.first else { return Self.topics() }
    let rest = topic.dropFirst().joined(separator: " ")
    switch (first.lowercased(), rest.isEmpty) {
    case ("slabs", true): return try explainer().slabs()
    case ("pcp", true): return try explainer().pageLists()
    case ("watermarks", true): return try explainer().watermarks()
    case ("vmalloc", true): return try explainer().vmalloc()
    case ("errors", true): return ErrorCodes.all()
    case ("gfp", true): return Explanation.allGFP
    case ("gfp", false): return try gfp(rest)
    case ("cache", false): return try cache(rest)
    case ("address", false): return try address(rest)
    default: break
    }
    if rest.isEmpty {
      if let found = ErrorCodes.one(first) { return found }
      if let found = Explanation(gfp: first) { return found }
    }
    throw Console.failure(
      "there is no topic `\(topic.joined(separator: " "))`", hint: Self.suggestion(first), .usage)
  }

  /// The topic that was meant, if one is near, and all there are.
  private static func suggestion(_ word: String) -> String {
    let topics = Explanation.topics.map(\.name)
    let firsts = topics.map { String($0.prefix { $0 != " " }) }
    let all = "topics: \(topics.joined(separator: ", "))"
    guard let nearest = Spelling.nearest(to: word, among: firsts),
      let index = firsts.firstIndex(of: nearest)
    else { return all }
    return "did you mean `\(topics[index])`? \(all)"
  }

  private static func topics() -> Explanation {
    var found = Explanation("topics", "kmemu explain TOPIC")
    var table = Explanation.Table(["topic", "what it tells"])
    table.rows = Explanation.topics.map { [.text($0.name), .text($0.title)] }
    found.tables = [table]
    return found
  }

  private func gfp(_ flags: String) throws -> Explanation {
    if let found = Explanation(gfp: flags) { return found }
    throw Console.failure(
      "`\(flags)` is no GFP flag", hint: "kmemu explain gfp lists them all", .usage)
  }

  private func cache(_ name: String) throws -> Explanation {
    let explainer = try explainer()
    if let found = explainer.cache(name) { return found }
    throw Console.failure(
      "there is no cache `\(name)` at boot",
      hint: "there is: " + explainer.cacheNames.joined(separator: ", "), .usage)
  }

  private func address(_ text: String) throws -> Explanation {
    if let found = try explainer().address(text) { return found }
    throw Console.failure(
      "`\(text)` is no address", hint: "as in kmemu explain address 0xffffc90000000000", .usage)
  }

  private func explainer() throws -> Explainer {
    let wanted = kernel ?? KernelVersion.standard.name
    guard let version = KernelVersion(named: wanted) else {
      throw Console.failure(
        code: "V112", "this version does not emulate Linux \(wanted)",
        hint: "there is \(KernelVersion.range)", .usage)
    }
    // Limits follow from the number of CPUs: it may be more than this host has.
    let one = cpus.map { $0 >= 1 && $0 <= Limits.cpusMax ? "core:\($0) pu:1" : "host" } ?? "host"
    let description = try MachineOptions.describe(machine ?? one, cpus: cpus)
    let costs: Costs
    do {
      costs = try CostFile.named("generic-x86")
    } catch {
      throw Console.failure("the bundled cost file is damaged: \(error)", .internalError)
    }
    let config = try config(version)
    guard description.memoryBytes <= config.architecture.memoryMax else {
      throw Console.failure(
        "\(config.architecture.text) reaches \(config.architecture.memoryMax >> 30) GiB of memory, and"
          + " this machine has more",
        hint: "--machine \"numa(memory=2GiB) core:4 pu:1\" is one with less", .usage)
    }
    return Explainer(
      Boot(machine: description, version: version, costs: costs, config: config))
  }
}

extension ExplainCommand {
  /// The standard configuration, for the architecture asked for.
  private func config(_ version: KernelVersion) throws -> KernelConfig {
    var config = KernelConfig()
    if let architecture {
      guard let name = Architecture.Name(text: architecture) else {
        let names = Architecture.Name.allCases.map(\.text).joined(separator: ", ")
        throw Console.failure(
          "there is no architecture `\(architecture)`", hint: "there is: \(names)", .usage)
      }
      config.architecture = name
    }
    config.addressBits = vaBits
    guard Architecture(config.architecture, bits: vaBits, in: version, memory: 0) != nil else {
      let name = config.architecture
      throw Console.failure(
        "Linux \(version.name) has no such kernel for \(name.text)",
        hint: "\(name.text): bits of address \(Architecture.firstRelease(of: name))", .usage)
    }
    return config
  }
}

/// Every error code there is, from the modules that raise them.
enum ErrorCodes {
  private static let families: [(title: String, codes: [(code: String, text: String)])] = [
    ("scenarios", ErrorCode.allCases.map { ($0.rawValue, $0.explanation) }),
    ("machines", TopologyError.Code.allCases.map { ($0.rawValue, $0.explanation) }),
    ("recordings", RecordingError.Code.allCases.map { ($0.rawValue, $0.explanation) }),
  ]

  static func one(_ code: String) -> Explanation? {
    for family in families {
      if let found = family.codes.first(where: { $0.code == code.uppercased() }) {
        var explanation = Explanation(found.code, "\(found.code): an error about \(family.title)")
        explanation.text = [found.text]
        return explanation
      }
    }
    return nil
  }

  /// The first sentence, or as many of its words as have room in a line.
  private static func beginning(of text: String) -> String {
    let words = text.split(separator: " ")
    var line = ""
    for word in words {
      if line.count + word.count + 1 > 58 { return line + "…" }
      line += (line.isEmpty ? "" : " ") + word
      if word.hasSuffix(".") || word.hasSuffix(":") { return String(line.dropLast()) }
    }
    return line
  }

  static func all() -> Explanation {
    var found = Explanation("errors", "error codes")
    var table = Explanation.Table(["code", "about", "begins"])
    for family in families {
      table.rows += family.codes.map { code in
        [.text(code.code), .text(family.title), .text(beginning(of: code.text))]
      }
    }
    found.tables = [table]
    found.text = ["kmemu explain CODE tells the whole of one."]
    return found
  }
}
