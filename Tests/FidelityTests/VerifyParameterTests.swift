import Foundation
import Kernel
import Testing

@testable import Run

/// `kmemu verify` of cache and zone parameters: recorded boots of 6.12.117.
@Suite struct VerifyParameterTests {
  static let copied = String(decoding: PackageResources.slab_params_6_12_8c2n_csv, as: UTF8.self)
  static let machine = RecordedMachine(folderName: "6.12-8c2n")!

  @Test func everyCacheOfTheCopiedBootAgrees() throws {
    let found = try CacheParameters.compare(
      Self.copied, file: "slab_params.csv", machine: Self.machine, version: .v6_12)
    #expect(found.figures > 6 * 160)
    #expect(found.agree == found.figures, "\(found.differences)")
  }

  /// A comparison that cannot fail is none.
  @Test func aChangedCellIsReportedWithItsRow() throws {
    let text = Self.copied.replacingOccurrences(
      of: ":0000256,256,256,32,1,", with: ":0000256,256,256,32,2,")
    #expect(text != Self.copied)
    let found = try CacheParameters.compare(
      text, file: "slab_params.csv", machine: Self.machine, version: .v6_12)
    let difference = try #require(found.differences.first)
    #expect(found.differences.count == 1)
    #expect(difference.subject == ":0000256")
    #expect([difference.key, difference.recorded, difference.emulated] == ["order", "2", "1"])
  }

  @Test func everyRecordedBootAgrees() throws {
    for boot in Recordings.boots("6.12-") {
      let nodes = try String(
        contentsOf: boot.appendingPathComponent("nodes.txt"), encoding: .utf8)
      let machine = try RecordedMachine(parsing: nodes, file: "nodes.txt")
      #expect(machine == RecordedMachine(folderName: boot.lastPathComponent))
      let caches = try CacheParameters.compare(
        try String(contentsOf: boot.appendingPathComponent("slab_params.csv"), encoding: .utf8),
        file: boot.lastPathComponent, machine: machine, version: .v6_12)
      #expect(caches.differences.isEmpty, "\(boot.lastPathComponent): \(caches.differences)")
      let settings = ZoneParameters.Settings(
        parsing: try String(
          contentsOf: boot.appendingPathComponent("sysctl.txt"), encoding: .utf8))
      let zones = try ZoneParameters.compare(
        try Recordings.unpacked(boot.appendingPathComponent("zoneinfo_refreshed.txt.gz")),
        file: boot.lastPathComponent, machine: machine, settings: settings, version: .v6_12)
      #expect(zones.differences.isEmpty, "\(boot.lastPathComponent): \(zones.differences)")
      #expect(zones.outOfRange.isEmpty, "\(boot.lastPathComponent): \(zones.outOfRange)")
      #expect(zones.figures >= 10 * machine.nodes.count)
    }
  }

  @Test(arguments: [
    ("", "no cache"), ("a,b\n1,2\n", "no column"),
    ("name,object_size,slab_size,objs_per_slab,order,cpu_partial,min_partial,align", "no column"),
  ])
  func brokenParametersHaveAnError(text: String, message: String) {
    let error = #expect(throws: RecordingError.self) {
      try CacheParameters.compare(text, file: "x.csv", machine: Self.machine, version: .v6_12)
    }
    #expect(error?.message.contains(message) == true)
  }

  @Test(arguments: [
    "node1 cpus 0-3 distance 10", "node0 cpus 0-3 distance 20", "node0 cpus x distance 10",
    "node0 cpus 1-3 distance 10", "node0 cpus 0-3 distance 10 20", "", "node0 cpus 0-99999999999",
    "node0 cpus 3-0 distance 10",
  ])
  func brokenNodesHaveAnError(text: String) {
    #expect(throws: RecordingError.self) { try RecordedMachine(parsing: text, file: "nodes.txt") }
  }
}
