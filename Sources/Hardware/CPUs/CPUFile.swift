/// Reads `key = value  # source` lines about a kind of core: each needs a source.
public enum CPUFile {
  /// The files that come with the program, by name.
  public static let bundled: [(name: String, text: String)] = [
    ("skylake", PackageResources.skylake_cpu), ("cascade-lake", PackageResources.cascade_lake_cpu),
    ("ice-lake", PackageResources.ice_lake_cpu),
    ("sapphire-rapids", PackageResources.sapphire_rapids_cpu),
    ("zen2", PackageResources.zen2_cpu), ("zen3", PackageResources.zen3_cpu),
    ("zen4", PackageResources.zen4_cpu), ("zen5", PackageResources.zen5_cpu),
    ("neoverse-n1", PackageResources.neoverse_n1_cpu),
    ("neoverse-v1", PackageResources.neoverse_v1_cpu),
    ("cortex-a15", PackageResources.cortex_a15_cpu),
    ("arm11-mpcore", PackageResources.arm11_mpcore_cpu),
  ].map { ($0.0, String(decoding: $0.1, as: UTF8.self)) }

  /// The bundled core called `name`.
  public static func named(_ name: String) throws(CostError) -> CPUModel {
    guard let file = bundled.first(where: { $0.name == name }) else {
      let names = bundled.map(\.name).joined(separator: ", ")
      throw CostError(line: 0, message: "no CPU is called `\(name)`; there are \(names)")
    }
    return try parse(file.text, name: name)
  }

  /// Every key of a file.
  static let keys = [
    "architecture", "l1_4k", "l1_2m", "l2", "walk_cache", "broadcast", "invpcid", "pti",
    "erratum_798181",
  ]

  private struct Value {
    let words: [Substring]
    let line: Int
    var text: String { words.joined(separator: " ") }
  }

  /// - Throws: the first line that is wrong, or a key that is missing.
  public static func parse(_ text: String, name: String) throws(CostError) -> CPUModel {
    var values: [String: Value] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let parts = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let words = parts.first.map { $0.split(whereSeparator: \.isWhitespace) } ?? []
      guard let key = words.first.map(String.init) else { continue }
      guard words.count > 2, words[1] == "=" else {
        throw CostError(line: index + 1, message: "expected `key = value  # source`")
      }
      guard keys.contains(key) else {
        throw CostError(
          line: index + 1,
          message: "unknown key `\(key)`; there are \(keys.joined(separator: ", "))")
      }
      guard values[key] == nil else {
        throw CostError(line: index + 1, message: "`\(key)` is given twice")
      }
      guard parts.count == 2, parts[1].contains(where: { !$0.isWhitespace }) else {
        throw CostError(line: index + 1, message: "`\(key)` has no source: add `# where from`")
      }
      values[key] = Value(words: Array(words.dropFirst(2)), line: index + 1)
    }
    return try model(from: values, name: name)
  }

  private static func model(
    from values: [String: Value], name: String
  ) throws(CostError) -> CPUModel {
    func value(_ key: String) throws(CostError) -> Value {
      guard let value = values[key] else {
        throw CostError(line: 0, message: "`\(key)` is missing; write `\(key) = VALUE  # source`")
      }
      return value
    }
    let named = try value("architecture")
    guard let architecture = Architecture.Name(text: named.text) else {
      let names = Architecture.Name.allCases.map(\.text).joined(separator: ", ")
      throw CostError(line: named.line, message: "`\(named.text)`: it is one of \(names)")
    }
    let huge = try value("l1_2m")
    let tlb = TLBGeometry(
      l1Small: try level(value("l1_4k")),
      l1Huge: huge.text == "shared" ? nil : try level(huge),
      l2: try level(value("l2")),
      walkCache: try value("walk_cache").text == "none" ? .none : try level(value("walk_cache")))
    return CPUModel(
      name: name, architecture: architecture, tlb: tlb,
      broadcast: try broadcast(value("broadcast")),
      hasINVPCID: try flag(value("invpcid")), needsPTI: try flag(value("pti")),
      hasErratum798181: try flag(value("erratum_798181")))
  }

  private static func flag(_ value: Value) throws(CostError) -> Bool {
    guard value.text == "yes" || value.text == "no" else {
      throw CostError(line: value.line, message: "`\(value.text)`: write yes or no")
    }
    return value.text == "yes"
  }

  /// `64 entries 4 ways`; the sets between them are a power of two, as in hardware.
  private static func level(_ value: Value) throws(CostError) -> TLBGeometry.Level {
    guard value.words.count == 4, value.words[1] == "entries", value.words[3] == "ways",
      let entries = Int(value.words[0]), let ways = Int(value.words[2]),
      let level = TLBGeometry.Level(checking: entries, ways: ways)
    else {
      throw CostError(
        line: value.line,
        message: "`\(value.text)`: write `64 entries 4 ways`; entries / ways is a power of two")
    }
    return level
  }

  private static func broadcast(_ value: Value) throws(CostError) -> CPUModel.Broadcast {
    switch value.text {
    case "none": return .none
    case "tlbi": return .tlbi(ranges: false)
    case "tlbi ranges": return .tlbi(ranges: true)
    default:
      guard value.words.count == 3, value.words[0] == "invlpgb", value.words[2] == "pages",
        let pages = Int(value.words[1]), (1...65536).contains(pages)
      else {
        throw CostError(
          line: value.line,
          message: "`\(value.text)`: write none, `invlpgb 8 pages`, tlbi or `tlbi ranges`")
      }
      return .invlpgb(pages: pages)
    }
  }
}
