import ArgumentParser
import Simulation

/// A time on the command line, with its unit: `1.5ms`, `200us`.
struct TimeArgument {
  let picoseconds: UInt64

  /// - Throws: what to write instead.
  static func parse(_ argument: String) throws -> TimeArgument {
    guard let time = TimeArgument(argument) else {
      throw ValidationError("'\(argument)' is no time: it takes a number and a unit, as in 1.5ms")
    }
    return time
  }

  private init?(_ argument: String) {
    let number = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let units: [Substring: UInt64] = [
      "ps": 1, "ns": 1000, "us": 1_000_000, "ms": 1_000_000_000, "s": 1_000_000_000_000,
    ]
    let unit = argument[number.endIndex...]
    let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let scale = units[unit], let whole = UInt64(parts[0]) else { return nil }
    var (total, overflow) = whole.multipliedReportingOverflow(by: scale)
    var place = scale
    for digit in parts.count > 1 ? parts[1] : "" {
      guard let value = digit.wholeNumberValue, place >= 10 else { return nil }
      place /= 10
      total += UInt64(value) * place
    }
    overflow = overflow || total >= Instant.never.picoseconds
    guard !overflow, parts.count == 1 || !parts[1].isEmpty else { return nil }
    picoseconds = total
  }
}
