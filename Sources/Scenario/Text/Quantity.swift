/// What a number with a unit measures.
package enum Dimension: String, Sendable {
  case number = "number"
  case time = "time"
  case size = "size"
  case rate = "rate"
  case frequency = "frequency"

  /// `a time`.
  var article: String { self == .number ? "a number without a unit" : "a \(rawValue)" }
  /// How one is written.
  var example: String {
    switch self {
    case .number: "4"
    case .time: "150ns"
    case .size: "64B"
    case .rate: "200k/s"
    case .frequency: "3GHz"
    }
  }
}

/// Numbers with units, read exactly: `1.5KiB` is 1,536 bytes, `0.3B` is an error.
///
/// Base units are picoseconds, bytes, events per second and hertz.
package enum Quantity {
  /// A number in base units as a fraction: nothing is rounded before its reader says so.
  package struct Value {
    package var dimension: Dimension
    /// Value times `scale`, in base units.
    var scaled: UInt64
    var scale: UInt64
    package var double: Double { Double(scaled) / Double(scale) }
    /// The whole number of base units, or nil.
    var whole: UInt64? { scaled % scale == 0 ? scaled / scale : nil }
  }

  package enum Failure: Error {
    /// No number at all.
    case noNumber
    /// A number with a space before its unit.
    case space(String)
    case unknownUnit(String)
    case tooLarge
    /// `cyc` where no clock is known.
    case noClock
  }

  struct Unit {
    let name: String
    let dimension: Dimension
    let factor: UInt64
    /// Base units are this fraction of the factor: 100 for percent.
    var divisor: UInt64 = 1
    init(_ name: String, _ dimension: Dimension, _ factor: UInt64, divisor: UInt64 = 1) {
      (self.name, self.dimension) = (name, dimension)
      (self.factor, self.divisor) = (factor, divisor)
    }
  }

  static let units: [Unit] = [
    Unit("", .number, 1), Unit("%", .number, 1, divisor: 100),
    Unit("B", .size, 1), Unit("KiB", .size, 1 << 10), Unit("MiB", .size, 1 << 20),
    Unit("GiB", .size, 1 << 30), Unit("TiB", .size, 1 << 40), Unit("kB", .size, 1_000),
    Unit("MB", .size, 1_000_000), Unit("GB", .size, 1_000_000_000),
    Unit("TB", .size, 1_000_000_000_000), Unit("p", .size, 4096),
    Unit("ps", .time, 1), Unit("ns", .time, 1_000), Unit("us", .time, 1_000_000),
    Unit("µs", .time, 1_000_000), Unit("ms", .time, 1_000_000_000),
    Unit("s", .time, 1_000_000_000_000),
    Unit("/s", .rate, 1), Unit("k/s", .rate, 1_000), Unit("M/s", .rate, 1_000_000),
    Unit("G/s", .rate, 1_000_000_000),
    Unit("Hz", .frequency, 1), Unit("kHz", .frequency, 1_000),
    Unit("MHz", .frequency, 1_000_000), Unit("GHz", .frequency, 1_000_000_000),
  ]

  static func names(of dimension: Dimension) -> [String] {
    units.filter { $0.dimension == dimension && !$0.name.isEmpty }.map(\.name)
  }

  /// - Parameter clock: hertz, for `cyc`.
  package static func parse(_ text: String, clock: UInt64? = nil) -> Result<Value, Failure> {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "_") }
    var name = String(text.dropFirst(digits.count))
    guard let first = digits.first, first.isNumber, digits.last?.isNumber == true else {
      return .failure(.noNumber)
    }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count > 1 ? parts[1].filter { $0 != "_" } : ""
    let whole = parts[0].filter { $0 != "_" }
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { return .failure(.noNumber) }
    guard fraction.count <= 12, let mantissa = UInt64(whole + fraction) else {
      return .failure(.tooLarge)
    }
    var scale: UInt64 = 1
    for _ in fraction { scale *= 10 }
    if name.hasPrefix(" ") { return .failure(.space(String(name.drop { $0 == " " }))) }
    var unit = units.first { $0.name == name }
    if name == "cyc" {
      guard let clock, clock > 0 else { return .failure(.noClock) }
      unit = Unit("cyc", .time, 1_000_000_000_000 / clock)
      name = "cyc"
    }
    guard let unit else { return .failure(.unknownUnit(name)) }
    let (scaled, overflow) = mantissa.multipliedReportingOverflow(by: unit.factor)
    let (divided, scaleOverflow) = scale.multipliedReportingOverflow(by: unit.divisor)
    guard !overflow, !scaleOverflow else { return .failure(.tooLarge) }
    return .success(Value(dimension: unit.dimension, scaled: scaled, scale: divided))
  }
}
