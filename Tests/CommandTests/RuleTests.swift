import Foundation
import Kernel
import Testing

/// The rules of the kernel: for each, a scenario that breaks it and one beside it that keeps it.
@Suite struct RuleTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Scenarios/rules").standardized
  static let kinds = Violation.Kind.allCases.map(\.rawValue)

  @Test(arguments: kinds, [false, true])
  func isSeenWhereItIsBroken(_ kind: String, _ isKept: Bool) throws {
    let kmemu = try Kmemu()
    let path = Self.folder.appending(path: kind + (isKept ? "-kept" : "") + ".yaml").path
    let outcome = try kmemu.run(
      "run '\(path)' --machine 'package:2 numa:1 core:2 pu:1' --format json")
    // 2: the rule that is broken brought others with it, which the scenario does not expect.
    #expect(outcome.status == 0 || !isKept && outcome.status == 2, "\(outcome.errors)")
    let broken = outcome.output.contains("\"kind\" : \"\(kind)\"")
    #expect(broken == !isKept, "\(outcome.output)")
  }

  /// No file of the folder is left out above.
  @Test func allFilesAreOfRules() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(files.sorted() == Self.kinds.flatMap { ["\($0)-kept.yaml", "\($0).yaml"] }.sorted())
  }
}
