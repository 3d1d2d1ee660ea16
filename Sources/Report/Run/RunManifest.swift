import Foundation
import Run

/// What made a result, kept beside it: enough to make it again and to see that it is the same.
package struct RunManifest: Encodable {
  var schema = "kmemu.manifest/1"
  var kmemu: String
  var command: [String]
  var scenario: String
  var seed: UInt64
  var kernel: String
  var costs: String
  var machine: String
  var ended: String
  var events: UInt64
  var fingerprint: String
  var wallS: Double

  /// - Parameter version: kmemu's own.
  package init(of result: RunResult, version: String, arguments: [String]) {
    (kmemu, command, scenario, seed) = (version, arguments, result.name, result.seed)
    (kernel, costs, machine) = (result.kernel, result.costs, result.machine.source)
    (ended, events, fingerprint) = (result.ended, result.events, result.fingerprint)
    wallS = result.wallS
  }

  package func json() throws -> String { try RunJSON.text(of: self) }
}
