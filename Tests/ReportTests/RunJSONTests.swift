import Foundation
import Testing

@testable import Report
@testable import Run

@Suite struct RunJSONTests {
  private func parsed(_ result: RunResult) throws -> [String: Any] {
    let data = Data(try RunJSON.render(result).utf8)
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  /// The names of the contract: more may be added, none may go.
  @Test(arguments: [
    "schema", "title", "seed", "kernel", "machine.cpus", "machine.nodes", "machine.packages",
    "time_ns", "events", "wall_s", "events_per_s", "fingerprint",
    "operations.kfree.count", "operations.kfree.failed", "operations.kfree.throughput_per_s",
    "operations.kfree.latency_ns.min", "operations.kfree.latency_ns.mean",
    "operations.kfree.latency_ns.p50", "operations.kfree.latency_ns.p90",
    "operations.kfree.latency_ns.p99", "operations.kfree.latency_ns.max",
    "cpu_time.idle_ns", "counters.pgalloc_normal",
    "caches.0.name", "caches.0.object_size", "caches.0.slab_size", "caches.0.objects_per_slab",
    "caches.0.order", "caches.0.slabs", "caches.0.active_objects", "caches.0.objects",
    "caches.0.partial", "caches.0.stats.alloc_fastpath",
    "zones.0.node", "zones.0.zone", "zones.0.managed_pages", "zones.0.free_pages",
    "zones.0.free_by_order.10", "zones.0.watermarks.min", "zones.0.watermarks.low",
    "zones.0.watermarks.high",
    "vmalloc.areas", "vmalloc.lazy_pages", "vmalloc.lazy_max_pages", "vmalloc.purges",
    "vmalloc.pages",
    "tlb.shootdowns", "tlb.ipis_sent", "tlb.ipis_received", "tlb.flush_all", "tlb.flush_one",
    "tlb.wait_ns.mean", "tlb.wait_ns.max",
    "locks.0.name", "locks.0.acquisitions", "locks.0.contended", "locks.0.depth_max",
    "locks.0.cross_node", "locks.0.wait_ns.total",
    "locks.0.wait_ns.mean", "locks.0.wait_ns.max", "locks.0.hold_ns.total",
    "locks.0.hold_ns.mean", "locks.0.hold_ns.max",
    "interrupts.device",
    "violation_count", "violations_by_kind.sleeping-in-atomic", "violations.0.kind",
    "violations.0.cpu", "violations.0.time_ns", "violations.0.context",
    "violations.0.path", "violations.0.message",
    "expectations.0.text", "expectations.0.held", "expectations.0.value",
  ]) func hasTheContractsNames(_ path: String) throws {
    var result = RunResult.sample()
    result.violations = [RunResult.violation(cpu: 1, timeNs: 2.5)]
    result.violationsByKind = ["sleeping-in-atomic": 1]
    result.expectations = [.init(text: "a", held: true, value: "b")]
    var value: Any = try parsed(result)
    for step in path.split(separator: ".") {
      if let index = Int(step), let list = value as? [Any] {
        value = try #require(index < list.count ? list[index] : nil, "no \(path)")
      } else {
        let object = try #require(value as? [String: Any], "no \(path)")
        value = try #require(object[String(step)], "no \(path)")
      }
    }
  }

  @Test func namesOfTheScenarioStayAsTheyAre() throws {
    var result = RunResult.sample()
    result.counters = ["drops.eth0Rx": 1]
    result.operations = ["kmemCache(myCache)": try #require(result.operations["kfree"])]
    let json = try parsed(result)
    #expect((json["counters"] as? [String: Any])?["drops.eth0Rx"] != nil)
    #expect((json["operations"] as? [String: Any])?["kmemCache(myCache)"] != nil)
  }

  @Test func equalResultsGiveEqualBytes() throws {
    #expect(try RunJSON.render(.sample()) == RunJSON.render(.sample()))
  }

  @Test func itSaysWhatItIs() throws {
    let json = try parsed(.sample())
    #expect(json["schema"] as? String == "kmemu.run/1")
    #expect(json["fingerprint"] as? String == "00000ab35f0c9e1d")
  }

  @Test func figuresThatAreNoNumbersDoNotStopIt() throws {
    var result = RunResult.sample()
    result.eventsPerS = .infinity
    #expect(try parsed(result)["events_per_s"] as? String == "inf")
  }
}
