import Simulation

/// Reads `name = value unit  # source` lines: each needs a unit and a source.
public enum CostFile {
  /// The cost files that come with the program, by name.
  public static let bundled: [(name: String, text: String)] = [
    ("generic-x86", PackageResources.generic_x86_costs),
    ("generic-arm", PackageResources.generic_arm_costs),
    ("xeon-8375c", PackageResources.xeon_8375c_costs),
    ("epyc-7r13", PackageResources.epyc_7r13_costs),
  ].map { ($0.0, String(decoding: $0.1, as: UTF8.self)) }

  /// The bundled costs called `name`.
  public static func named(_ name: String) throws(CostError) -> Costs {
    guard let file = bundled.first(where: { $0.name == name }) else {
      let names = bundled.map(\.name).joined(separator: ", ")
      throw CostError(line: 0, message: "no costs are called `\(name)`; there are \(names)")
    }
    return try parse(file.text, name: name)
  }

  /// Each pair: the first is never slower than the second.
  static let relations: [(Primitive, Primitive)] = [
    (.cacheHit, .atomicHit), (.atomicHit, .lineSameLlc), (.lineSameCore, .lineSameLlc),
    (.lineSameLlc, .lineSameSocket), (.lineSameSocket, .lineOtherSocket),
    (.memoryLocal, .memoryRemote), (.ipiSameSocket, .ipiOtherSocket),
  ]

  /// - Throws: the first line that is wrong, a key that is missing, or a relation that fails.
  public static func parse(_ text: String, name: String) throws(CostError) -> Costs {
    var values: [String: Duration] = [:]
    let known = Set(Work.allCases.map(\.key) + Primitive.allCases.map(\.key) + ["clock"])
    var clock = 3000.0
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      guard let entry = try entry(of: line, at: index + 1) else { continue }
      guard known.contains(entry.key) else {
        throw CostError(line: index + 1, message: "unknown cost `\(entry.key)`")
      }
      guard values[entry.key] == nil else {
        throw CostError(line: index + 1, message: "`\(entry.key)` is given twice")
      }
      if entry.key == "clock" {
        guard entry.unit == "MHz", entry.value >= 100 else {
          throw CostError(line: index + 1, message: "`clock` needs MHz, at least 100")
        }
        clock = entry.value
      }
      values[entry.key] = try duration(entry, clockMHz: clock, at: index + 1)
    }
    return try costs(from: values, name: name)
  }

  private static func costs(
    from values: [String: Duration], name: String
  ) throws(CostError) -> Costs {
    var work: [Duration] = []
    for kind in Work.allCases { work.append(try value(kind.key, in: values)) }
    var primitives: [Duration] = []
    for kind in Primitive.allCases { primitives.append(try value(kind.key, in: values)) }
    let costs = Costs(name: name, work: work, primitives: primitives)
    for (less, more) in relations where costs[less] > costs[more] {
      throw CostError(line: 0, message: "`\(less.key)` is more than `\(more.key)`")
    }
    return costs
  }

  private static func value(
    _ key: String, in values: [String: Duration]
  ) throws(CostError) -> Duration {
    guard let value = values[key] else {
      throw CostError(line: 0, message: "`\(key)` is missing; write `\(key) = VALUE ns  # source`")
    }
    return value
  }

  private struct Entry {
    var key: String
    var value: Double
    var unit: String
  }

  private static func entry(of line: Substring, at number: Int) throws(CostError) -> Entry? {
    let parts = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    let code = parts.first.map { $0.split(whereSeparator: \.isWhitespace) } ?? []
    guard !code.isEmpty else { return nil }
    guard code.count == 4, code[1] == "=", let value = Double(code[2]), value >= 0, value < 1e9
    else {
      throw CostError(line: number, message: "expected `name = value unit  # source`")
    }
    guard parts.count == 2, parts[1].contains(where: { !$0.isWhitespace }) else {
      throw CostError(line: number, message: "`\(code[0])` has no source: add `# where from`")
    }
    return Entry(key: String(code[0]), value: value, unit: String(code[3]))
  }

  private static func duration(
    _ entry: Entry, clockMHz: Double, at line: Int
  ) throws(CostError) -> Duration {
    let picoseconds: [String: Double] = [
      "ps": 1, "ns": 1000, "us": 1_000_000, "cycles": 1_000_000 / clockMHz, "MHz": 0,
    ]
    guard let unit = picoseconds[entry.unit] else {
      throw CostError(line: line, message: "unit `\(entry.unit)`: use ps, ns, us or cycles")
    }
    return Duration(picoseconds: UInt64((entry.value * unit).rounded()))
  }
}
