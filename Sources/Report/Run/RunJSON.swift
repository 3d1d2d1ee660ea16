import Foundation
import Run

/// The result of `kmemu run` as JSON, schema `kmemu.run/1`. Equal results give equal bytes.
package enum RunJSON {
  package static func render(_ result: RunResult) throws -> String { try text(of: result) }

  static func text(of value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // No figure should be infinite; if one is, the others are still worth reading.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }
}
