import Kernel
import Testing

@testable import Run
@testable import Scenario

@Suite struct ExpectationTests {
  static let scenario = """
    scenario: 1
    locks: [table]
    threads:
      - name: t
        on: first
        steps:
          - kmalloc: {size: 64B, as: a}
          - kmalloc: {size: 256B, as: b}
          - vmalloc: {size: 1MiB, as: c}
          - count: seen
          - lock: table
          - unlock: table
    expect:
    """

  private func expectation(_ text: String) throws -> Scenario.Expectation {
    try check(Self.scenario + "\n  - \"\(text)\"").get().expectations[0]
  }

  /// The result of a real run, with figures to compare put in.
  private func result() throws -> RunResult {
    func operation(_ count: UInt64, _ p99: Double) -> RunResult.Operation {
      RunResult.Operation(
        count: count, failed: 1, throughputPerS: Double(count) * 1000,
        latencyNs: .init(min: 10, mean: 20, p50: 15, p90: 30, p99: p99, max: 100 * p99))
    }
    var runner = Runner(try check(Self.scenario + " []").get().plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    var result = runner.result(wallS: 1)
    result.operations = [
      "kmalloc(64)": operation(10, 50), "kmalloc(256)": operation(20, 70),
      "vmalloc(1MiB)": operation(0, 0),
    ]
    (result.timeNs, result.events) = (2_000_000, 100)
    (result.cpuTime, result.counters) = (["idle_ns": 500], ["pgfree": 3, "seen": 4])
    (result.violationCount, result.warningCount, result.wouldReclaim) = (2, 1, 6)
    result.violations = (1...2).map { cpu in
      RunResult.Violation(
        kind: "double-free", headline: "BUG", cpu: cpu, timeNs: 1, context: "", path: [],
        message: "")
    }
    result.violationsByKind = ["double-free": 120]
    result.caches.removeAll { !["kmalloc-64", "kmalloc-256"].contains($0.name) }
    for index in result.caches.indices {
      let isSmall = result.caches[index].name == "kmalloc-64"
      result.caches[index].stats = [
        "alloc_fastpath": isSmall ? 9 : 6, "alloc_slowpath": isSmall ? 1 : 4,
      ]
    }
    result.zones = []
    (result.vmalloc.lazyPages, result.vmalloc.lazyMaxPages) = (2, 3)
    (result.tlb.shootdowns, result.tlb.ipisSent) = (2, 6)
    (result.tlb.waitNs.mean, result.tlb.waitNs.max) = (1500, 3000)
    result.locks.removeAll { $0.name != "table" }
    for index in result.locks.indices {
      (result.locks[index].acquisitions, result.locks[index].contended) = (8, 2)
      (result.locks[index].waitNs.mean, result.locks[index].holdNs.mean) = (20, 10)
    }
    result.interrupts.contextSwitches = 5
    return result
  }

  /// An expectation, whether it holds of the result above, and the value shown.
  static let judged: [(String, Bool, String)] = [
    ("violations == 0", false, "2"), ("violations.double-free > 50", true, "120"),
    ("violations.leak == 0", true, "0"), ("latency.kmalloc(64).p99 < 51ns", true, "50ns"),
    ("latency.kmalloc.max <= 7us", true, "7us"), ("latency.kmalloc.min == 10ns", true, "10ns"),
    ("latency.vmalloc.p99 < 1s", false, "nothing was measured"),
    ("operations.kmalloc.count >= 30", true, "30"), ("operations.kmalloc.failed == 2", true, "2"),
    ("operations.kmalloc.throughput > 29k/s", true, "30k/s"),
    ("slub.alloc_fastpath / slub.alloc > 0.5", true, "0.75"),
    ("slub.alloc_fastpath / slub.alloc > 75%", false, "0.75"),
    ("slub.free == 0", true, "0"), ("slub.alloc / slub.free > 1", false, "nothing was measured"),
    ("counters.pgfree * 2 == tlb.ipis_sent", true, "6"), ("seen > 3", true, "4"),
    ("tlb.wait.max - tlb.wait.mean == 1.5us", true, "1.5us"),
    ("2 * (tlb.shootdowns + 1) == 6", true, "6"), ("-1 < 0", true, "-1"),
    ("locks.table.wait.mean > locks.table.hold.mean", true, "20ns"),
    ("locks.contended == 2", true, "2"), ("vmalloc.lazy_pages < vmalloc.lazy_max_pages", true, "2"),
    ("time == 2ms", true, "2ms"), ("cpu_time.idle > 0", true, "500ns"),
    ("caches.kmalloc-64.object_size == 64B", true, "64B"), ("would_reclaim == 6", true, "6"),
    ("interrupts.context_switches != 5", false, "5"), ("warnings <= 1", true, "1"),
    ("events / time > 0", false, ""), ("zones.free_pages >= 0", false, "nothing was measured"),
    ("drops.t == 0", true, "0"),
  ]

  @Test(arguments: judged)
  func judges(text: String, held: Bool, value: String) throws {
    guard !value.isEmpty else {
      #expect(codes(Self.scenario + "\n  - \(text)") == ["S123"])
      return
    }
    let answer = try expectation(text).evaluate(try result())
    #expect(answer.held == held)
    #expect(answer.value == value)
    #expect(answer.text == text)
  }

  /// What `kmemu list counters` names can be expected, and has a value after any run.
  @Test(arguments: VMStat.allCases) func everyListedCounterIsAResult(counter: VMStat) throws {
    let text = "counters.\(counter.text) >= 0"
    var runner = Runner(try check(Self.scenario + " []").get().plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let answer = try expectation(text).evaluate(runner.result(wallS: 1))
    #expect(answer.held, "\(answer)")
    #expect(!counter.title.isEmpty && !counter.text.contains(where: \.isUppercase))
  }

  /// An expectation, its error, where it stands, and a part of what is said.
  static let wrong: [(String, String, Int, String)] = [
    ("violations", "S123", 16, "a comparison is missing"),
    ("violations = 0", "S123", 17, "equality is `==`"),
    ("violations == 0 == 0", "S123", 22, "one comparison is enough"),
    ("violatoins == 0", "S124", 6, "did you mean `violations`?"),
    ("violations.double == 0", "S124", 6, "no result"),
    ("latency.kmalloc.p99 < 2us", "S124", 6, "kmalloc(64), kmalloc(256)"),
    ("latency.vmalloc.p99 < 2", "S123", 5, "a time is compared with a number"),
    ("latency.vmalloc.p99 < 2B", "S123", 5, "a time is compared with a size"),
    ("latency.vmalloc.p99 < 2sec", "S112", 28, "unknown unit `sec`"),
    ("time * time > 0", "S123", 11, "is nothing known"),
    ("time + events > 0s", "S123", 11, "do not add up"),
    ("(events > 0", "S123", 14, "a `)` is missing"),
    ("> 0", "S123", 6, "a value is needed here"), ("events >", "S123", 14, "missing at the end"),
    ("events > 0 !", "S123", 17, "`!` has no meaning"),
    ("counters.nothing == 0", "S124", 6, "no result"),
    ("operations.vfree.count == 0", "S124", 6, "no result"),
  ]

  @Test(arguments: wrong)
  func refuses(text: String, code: String, column: Int, part: String) {
    guard case .failure(let error) = check(Self.scenario + "\n  - \"\(text)\"") else {
      Issue.record("\(text) was taken")
      return
    }
    #expect(error.diagnostics.map(\.code) == [code])
    #expect(error.diagnostics[0].span?.line == 14)
    #expect(error.diagnostics[0].span?.column == column)
    #expect(error.rendered().contains(part), "\(error.rendered())")
  }

  /// Goal: a scenario that is about a violation ends well when it happens.
  @Test func expectedViolationsAreKnown() throws {
    func kinds(_ text: String) throws -> Set<String> {
      try expectation(text).expectedViolations
    }
    #expect(try kinds("violations.double-free >= 1") == ["double-free"])
    #expect(try kinds("violations.double-free > 0") == ["double-free"])
    #expect(try kinds("violations.double-free == 2") == ["double-free"])
    #expect(try kinds("violations.double-free == 0") == [])
    #expect(try kinds("violations.double-free >= 0") == [])
    #expect(try kinds("violations.double-free < 5") == [])
    #expect(try kinds("violations > 0") == [""])
    let checked = try Scenarios.load("sleep-in-atomic")
    #expect(checked.expectsViolation("sleeping-in-atomic"))
    #expect(!checked.expectsViolation("double-free"))
  }
}
