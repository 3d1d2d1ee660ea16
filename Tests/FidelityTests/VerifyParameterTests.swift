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

  /// 1 to 64 CPUs, 1 to 4 nodes: every row of caches, every mark and list size of zones.
  @Test(arguments: ["6.1", "6.12", "6.18", "7.2"])
  func everyRecordedBootAgrees(kernel: String) throws {
    let version = try #require(KernelVersion(sizesOf: kernel))
    for boot in Recordings.boots(kernel + "-") {
      let nodes = try String(
        contentsOf: boot.appendingPathComponent("nodes.txt"), encoding: .utf8)
      let machine = try RecordedMachine(parsing: nodes, file: "nodes.txt")
      #expect(machine == RecordedMachine(folderName: boot.lastPathComponent))
      let caches = try CacheParameters.compare(
        try String(contentsOf: boot.appendingPathComponent("slab_params.csv"), encoding: .utf8),
        file: boot.lastPathComponent, machine: machine, version: version)
      #expect(caches.differences.isEmpty, "\(boot.lastPathComponent): \(caches.differences)")
      #expect(caches.figures > 6 * 130)
      let hasSheaves = caches.groups.contains { $0.name == "sheaf_capacity" }
      #expect(hasSheaves == (kernel == "6.18" || kernel == "7.2"))
      let settings = ZoneParameters.Settings(
        parsing: try String(
          contentsOf: boot.appendingPathComponent("sysctl.txt"), encoding: .utf8))
      let zones = try ZoneParameters.compare(
        try Recordings.unpacked(boot.appendingPathComponent("zoneinfo_refreshed.txt.gz")),
        file: boot.lastPathComponent, machine: machine, settings: settings, version: version)
      #expect(zones.differences.isEmpty, "\(boot.lastPathComponent): \(zones.differences)")
      #expect(zones.outOfRange.isEmpty, "\(boot.lastPathComponent): \(zones.outOfRange)")
      #expect(zones.figures >= 9 * machine.nodes.count)
    }
  }

  /// A running host, not a guest of the recorder.
  @Test func everyCacheOfTheHostAgrees() throws {
    let file = Recordings.folder.appendingPathComponent("host/slab_params_6.18.csv")
    guard let text = try? String(contentsOf: file, encoding: .utf8) else {
      print("skipped: there is no \(file.path)")
      return
    }
    let machine = try RecordedMachine(
      parsing: "node0 cpus 0-1 distance 10", file: "nodes.txt", memory: 24 << 30)
    let version = try #require(KernelVersion(sizesOf: "6.18"))
    let found = try CacheParameters.compare(
      text, file: "host", machine: machine, version: version)
    #expect(found.differences.isEmpty, "\(found.differences)")
    #expect(found.figures > 7 * 200)
  }

  /// The free pointer inside the object is a wish of the cache's creator, and of a release.
  @Test func wishesOfKnownCachesAreByRelease() {
    #expect(KnownCache.named("vm_area_struct", in: "6.12") == nil)
    #expect(KnownCache.named("vm_area_struct", in: "6.15")?.sheaf == 0)
    #expect(KnownCache.named("vm_area_struct", in: "6.18")?.sheaf == 32)
    #expect(KnownCache.named("TCP", in: "6.18") == nil)
    #expect(KnownCache.named("a_cache_of_my_own", in: "7.2") == nil)
  }

  @Test func aCacheThatNobodyKnowsComparesByItsColumns() throws {
    let text = """
      name,object_size,slab_size,objs_per_slab,order,cpu_partial,min_partial,align,\
      hwcache_align,destroy_by_rcu,ctor
      a_cache_of_my_own,192,256,32,1,52,5,64,1,1,
      """
    let found = try CacheParameters.compare(
      text, file: "x.csv", machine: Self.machine, version: .v6_12)
    #expect(found.differences.isEmpty, "\(found.differences)")
  }

  @Test func theKernelConfigurationIsRead() {
    let slab = RecordedConfiguration(
      parsing: "CONFIG_SLAB=y\n# CONFIG_SLUB is not set\n# CONFIG_MEMCG is not set\n")
    #expect(slab.slab == .slab)
    #expect(!slab.memcg)
    #expect(slab.freelistRandom)
    #expect(RecordedConfiguration(parsing: "") == RecordedConfiguration())
    let header = RecordedGuest(
      parsing: "kernel 6.1.192 built with CONFIG_SLOB (small config); 8 CPUs, 2 nodes, 3 GiB;")
    #expect(header?.configuration == .small(.slob))
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
