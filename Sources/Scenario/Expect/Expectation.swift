import Run

/// What must hold of a run's result: one comparison of arithmetic over result names.
package struct Expectation: Sendable {
  /// As written, with parameters put in.
  package let text: String
  let left: Term
  let right: Term
  let comparison: Comparison

  enum Comparison: String, CaseIterable, Sendable {
    case atMost = "<="
    case atLeast = ">="
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case more = ">"

    func holds(_ a: Double, _ b: Double) -> Bool {
      switch self {
      case .atMost: a <= b
      case .atLeast: a >= b
      case .equal: a == b
      case .unequal: a != b
      case .less: a < b
      case .more: a > b
      }
    }
  }

  /// A value with its unit, as the checker worked it out.
  indirect enum Term: Sendable {
    case constant(Double, Dimension)
    case name(ResultName)
    case negated(Term)
    case operation(Character, Term, Term, Dimension)

    var dimension: Dimension {
      switch self {
      case .constant(_, let dimension): dimension
      case .name(let name): name.dimension
      case .negated(let term): term.dimension
      case .operation(_, _, _, let dimension): dimension
      }
    }

    /// A zero needs no unit.
    var isZero: Bool { if case .constant(0, .number) = self { true } else { false } }

    /// In base units; nil where the run has no such value.
    func value(_ result: RunResult) -> Double? {
      switch self {
      case .constant(let value, _): return value
      case .name(let name): return name.value(result)
      case .negated(let term): return term.value(result).map { -$0 }
      case .operation(let sign, let a, let b, _):
        guard let one = a.value(result), let other = b.value(result) else { return nil }
        switch sign {
        case "+": return one + other
        case "-": return one - other
        case "*": return one * other
        default: return other == 0 ? nil : one / other
        }
      }
    }

    var names: [ResultName] {
      switch self {
      case .constant: []
      case .name(let name): [name]
      case .negated(let term): term.names
      case .operation(_, let a, let b, _): a.names + b.names
      }
    }
  }

  /// The violation kinds that this expectation asks for: a run that breaks such a rule does what
  /// it was written to do.
  package var expectedViolations: Set<String> {
    guard comparison == .more || comparison == .atLeast || comparison == .equal else { return [] }
    if comparison != .more, let least = constant(right), least <= 0 { return [] }
    return Set(left.names.compactMap(\.violationKind))
  }

  private func constant(_ term: Term) -> Double? {
    if case .constant(let value, _) = term { value } else { nil }
  }

  /// Compares with what a run found.
  package func evaluate(_ result: RunResult) -> RunResult.Expectation {
    guard let one = left.value(result), let other = right.value(result) else {
      return RunResult.Expectation(
        text: text, held: false, value: RunResult.Expectation.unmeasured)
    }
    return RunResult.Expectation(
      text: text, held: comparison.holds(one, other),
      value: ExpectationValue.text(one, left.isZero ? right.dimension : left.dimension))
  }
}

extension CheckedScenario {
  /// The result with all expectations judged.
  package func judge(_ result: RunResult) -> RunResult {
    var result = result
    result.expectations = expectations.map { $0.evaluate(result) }
    return result
  }

  /// Whether a violation of this kind is what the scenario is about.
  package func expectsViolation(_ kind: String) -> Bool {
    expectations.contains {
      $0.expectedViolations.contains(kind) || $0.expectedViolations.contains("")
    }
  }
}

/// Values as messages have them.
enum ExpectationValue {
  static func text(_ value: Double, _ dimension: Dimension) -> String {
    switch dimension {
    case .time:
      scaled(value, [(1e12, "s"), (1e9, "ms"), (1e6, "us"), (1e3, "ns"), (1, "ps")])
    case .size:
      scaled(
        value,
        [(0x1p40, "TiB"), (0x1p30, "GiB"), (0x1p20, "MiB"), (0x1p10, "KiB"), (1, "B")])
    case .rate: scaled(value, [(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1, "/s")])
    case .frequency: scaled(value, [(1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1, "Hz")])
    case .number: number(value)
    }
  }

  private static func scaled(_ value: Double, _ units: [(Double, String)]) -> String {
    let magnitude = value.magnitude
    let unit = units.first { magnitude >= $0.0 } ?? units[units.count - 1]
    return number(value / unit.0) + unit.1
  }

  /// Whole numbers whole; others with four digits or so.
  private static func number(_ value: Double) -> String {
    guard value.magnitude < 1e15 else { return "\(value)" }
    if value == value.rounded() { return "\(Int64(value))" }
    let scale = value.magnitude < 1 ? 1e6 : value.magnitude < 100 ? 1e3 : 1e1
    return "\((value * scale).rounded() / scale)"
  }
}
