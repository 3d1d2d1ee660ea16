import Kernel
import Testing

@testable import Report
@testable import Run

/// The tables of caches and call sites, and how a cache's sizes are explained.
@Suite struct SlabReportTests {
  private func sampled() -> RunResult {
    var result = RunResult.sample()
    result.caches[0].flags = "Aa"
    result.callSites = [
      RunResult.CallSite(
        name: "a_site_with_a_long_name_that_is_long", allocations: 1_234_567, failed: 0,
        requestedBytes: 123_456_700, allocatedBytes: 158_024_576, wastedBytes: 34_567_876,
        slowPath: 43_210, newSlabs: 99, frees: 1_234_000, crossCpuFrees: 600_000, liveObjects: 567,
        leakedObjects: 12, leakedBytes: 1200,
        latencyNs: .init(mean: 21.4, max: 9000), lifetimeNs: .init(mean: 123_456, max: 2_000_000))
    ]
    return result
  }

  @Test(
    "tables of slabs and call sites fit 80 columns, plain and verbose", arguments: [false, true])
  func widths(isVerbose: Bool) {
    let text = TextReport.render(sampled(), .init(isVerbose: isVerbose))
    #expect(text.contains("slabs/part/cpu") && text.contains("call sites"))
    #expect(text.contains("567 objects live at the end, 12 of them leaked"))
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }

  @Test(
    "each formula of a cache names the number that the cache has",
    arguments: ["2.6.24", "2.6.32", "4.19", "5.10", "5.15", "6.1", "6.12", "6.18"],
    [1, 2, 16, 64, 500])
  func derivation(release: String, cpus: Int) throws {
    let rules = try #require(KernelVersion(named: release)).slab
    let classes = KmallocClasses(minimum: 8, rules: rules)
    for index in classes.indices {
      let size = KmallocClasses.size(of: index)
      let sizing = try #require(
        SlabSizing(
          objectSize: size, align: classes.alignment(of: index), cpuCount: cpus, rules: rules))
      let derived = CacheDerivation(
        sizing: sizing, flags: .kmalloc, rules: rules, cpuCount: cpus)
      let objects = derived.objects.split(separator: " ").compactMap { Int($0) }
      #expect(objects.count == 2 && objects[0] / objects[1] == sizing.objects)
      if sizing.objects >= derived.wantedObjects {
        #expect(derived.order.hasPrefix("the first that holds \(derived.wantedObjects)"))
        // One order less would hold fewer, or is none.
        let less = sizing.order.index == 0 ? 0 : (4096 << (sizing.order.index - 1)) / sizing.size
        #expect(less < derived.wantedObjects)
      }
    }
  }
}
