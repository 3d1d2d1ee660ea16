import Scenario

/// One `--vary KEY=a,b,c`: a key of the scenario and the values it takes.
package struct StudyAxis: Sendable, Equatable {
  /// As typed; the column of the CSV and the word in table and chart.
  package let key: String
  package let values: [String]
  /// What the key stands for in a scenario: `machine.cpus`.
  package let path: String

  /// Short names of keys that have flags of their own in `kmemu run`.
  private static let aliases = [
    "cpus": "machine.cpus", "machine": "machine.topology", "kernel": "kernel.version",
    "costs": "costs", "seed": "run.seed",
  ]

  package init(key: String, values: [String]) {
    (self.key, self.values) = (key, values)
    path = Self.aliases[key] ?? key
  }

  /// Reads `KEY=a,b,c`. Commas within brackets or quotes do not separate.
  ///
  /// - Throws: a `StudyError` that says what is wrong and how it should look.
  package static func parse(_ text: String) throws(StudyError) -> StudyAxis {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw StudyError(
        "`--vary \(text)` is not of the form KEY=a,b,c",
        hint: "as in --vary cpus=1,2,4 or --vary params.size=64B,256B")
    }
    let key = String(text[..<equals])
    let values = separated(text[text.index(after: equals)...])
    guard !values.contains("") else {
      throw StudyError("`--vary \(text)` has an empty value", hint: "values are joined with commas")
    }
    guard values.count <= StudyLimits.valuesMax else {
      throw StudyError(
        "`--vary \(key)` has \(values.count) values; the limit is \(StudyLimits.valuesMax)",
        hint: "divide the study")
    }
    var seen: Set<String> = []
    for value in values where !seen.insert(value).inserted {
      throw StudyError(
        "`--vary \(key)` has the value `\(value)` twice",
        hint: "for several runs of each point use --repeat N")
    }
    return StudyAxis(key: key, values: values)
  }

  private static func separated(_ text: Substring) -> [String] {
    var parts = [""]
    var closers: [Character] = []
    for character in text {
      if let closer = closers.last {
        if character == closer {
          closers.removeLast()
        } else if closer != "\"", closer != "'", let inner = brackets[character] {
          closers.append(inner)
        }
      } else if let closer = brackets[character] {
        closers.append(closer)
      } else if character == "," {
        parts.append("")
        continue
      }
      parts[parts.count - 1].append(character)
    }
    return parts.map { part in
      String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }
  private static let brackets: [Character: Character] = [
    "[": "]", "{": "}", "(": ")", "\"": "\"", "'": "'",
  ]

  /// The values as numbers in one unit, where all of them are: `64B,4KiB` are 64 and 4096.
  /// Releases are names although they look like numbers: 6.12 is newer than 6.9.
  package var numbers: [Double]? {
    guard path != "kernel.version", path != "kernel" else { return nil }
    var numbers: [Double] = []
    var dimension: Dimension?
    for value in values {
      guard case .success(let number) = Quantity.parse(value) else { return nil }
      guard dimension == nil || dimension == number.dimension else { return nil }
      dimension = number.dimension
      numbers.append(number.double)
    }
    return numbers
  }

  /// What `kmemu run` is told for one value.
  package func arguments(_ value: String) -> [String] {
    Self.aliases[key] != nil ? ["--\(key)", value] : ["--set", "\(key)=\(value)"]
  }

  /// The same for a scenario that is loaded in this process.
  func apply(_ value: String, to overrides: inout Overrides) {
    switch key {
    case "cpus": overrides.cpus = value
    case "machine": overrides.machine = value
    case "kernel": overrides.kernel = value
    case "costs": overrides.costs = value
    case "seed": overrides.seed = value
    default: overrides.sets.append("\(key)=\(value)")
    }
  }
}

/// What is wrong with a study as a whole.
package struct StudyError: Error, Equatable, Sendable {
  package let message: String
  package let hint: String
  package init(_ message: String, hint: String) { (self.message, self.hint) = (message, hint) }
}

package enum StudyLimits {
  package static let axesMax = 8
  package static let valuesMax = 4096
  package static let repeatsMax = 10_000
  package static let jobsMax = 1024
  /// Points times repeats.
  package static let runsMax = 100_000
}
