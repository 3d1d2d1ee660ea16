import Foundation
import Testing

/// What once went wrong, as scenario files that say what is right.
@Suite struct RegressionTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Scenarios/regressions").standardized
  static let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
    .filter { $0.hasSuffix(".yaml") }.sorted()

  @Test func thereAreSome() { #expect(Self.files.count >= 5) }

  @Test(arguments: files, ["core:2 pu:1", "package:2 numa:1 core:2 pu:2"])
  func holds(_ file: String, on machine: String) throws {
    let kmemu = try Kmemu()
    let path = Self.folder.appending(path: file).path
    let outcome = try kmemu.run("run '\(path)' --machine '\(machine)' --check-invariants 1")
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
  }
}
