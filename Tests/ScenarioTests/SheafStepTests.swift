import Kernel
import Run
import Simulation
import Testing

@testable import Scenario

/// Prefilled sheaves and `kfree_rcu()` of sheaves as scenarios have them.
@Suite struct SheafStepTests {
  /// Runs steps of one thread with a cache `node` of 512 bytes. Returns: the result, the cache's
  /// figures, and the objects allocated at the end.
  private func run(
    _ steps: [String], kernel: String = "7.2", cpus: String = "core:2 pu:1",
    duration: String? = nil, expect: [String] = []
  ) throws -> (result: RunResult, stats: [String: UInt64], left: Int) {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      caches: {node: {size: 512B, sheaf: \(kernel < "7" ? 32 : 0)}}
      threads:
        - name: t
          on: first
          steps:
      \(steps.map { "      - \($0)" }.joined(separator: "\n"))
      run: {\(duration.map { "duration: \($0)" } ?? "seed: 1")}
      expect: [\(expect.map { "\"\($0)\"" }.joined(separator: ", "))]
      """
    let checked = try check(text, machine: cpus).get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let named = runner.machine.world.slab.cache(named: "node")
    let cache = try #require(named)
    let left = runner.machine.world.slab.allocatedCount(of: cache)
    var stats: [String: UInt64] = [:]
    for stat in SlabStat.allCases {
      stats[stat.text] = runner.machine.world.slab.count(stat, of: cache)
    }
    let result = checked.judge(runner.result(wallS: 1))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    return (result, stats, left)
  }

  @Test("a prefilled sheaf serves an atomic section", arguments: ["6.18", "7.0", "7.2"])
  func prefilled(kernel: String) throws {
    let (result, stats, left) = try run(
      [
        "kmem_cache_prefill_sheaf: {cache: node, n: 3, as: nodes}",
        "preempt_disable",
        "kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: a}",
        "kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: b}",
        "preempt_enable",
        "kmem_cache_refill_sheaf: {sheaf: nodes, n: 40}",
        "kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: c}",
        "kmem_cache_return_sheaf: nodes",
        "kmem_cache_free: a", "kmem_cache_free: b", "kmem_cache_free: c",
      ], kernel: kernel,
      expect: [
        "operations.kmem_cache_alloc_from_sheaf.count == 3",
        "operations.kmem_cache_prefill_sheaf.failed == 0", "violations == 0",
      ])
    #expect(left == 0 && result.violations.isEmpty && result.ended == "complete")
    // 40 are more than a sheaf of the cache's own holds.
    #expect(stats["sheaf_prefill_slow"] == 1 && stats["sheaf_prefill_oversize"] == 1)
    #expect(stats["sheaf_return_fast"] == 1)
  }

  @Test("a debug cache of 7.x has no sheaves, but oversize ones in hand")
  func debug() throws {
    let text = """
      scenario: 1
      kernel: "7.2"
      caches: {node: {size: 512B, flags: [consistency, red-zone, store-user]}}
      threads:
        - name: t
          on: all
          loop:
            - kmem_cache_prefill_sheaf: {cache: node, n: 5, as: nodes}
            - kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: a}
            - kmem_cache_alloc: {cache: node, as: b}
            - kmem_cache_free: a
            - kmem_cache_free: b
            - kmem_cache_return_sheaf: nodes
      run: {operations: 3000}
      """
    let checked = try check(text).get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    let named = runner.machine.world.slab.cache(named: "node")
    let cache = try #require(named)
    let (oversize, fast, capacity) = (
      runner.machine.world.slab.count(.sheaf_prefill_oversize, of: cache),
      runner.machine.world.slab.count(.alloc_pcs, of: cache),
      runner.machine.world.slab.caches[cache].sizing.sheafCapacity
    )
    #expect(broken == nil && oversize > 300 && fast == 0 && capacity == 0)
    #expect(runner.result(wallS: 1).violations.isEmpty)
  }

  @Test("mistakes with sheaves are found before or reported when they happen")
  func mistakes() throws {
    let prefill = "kmem_cache_prefill_sheaf: {cache: node, n: 3, as: nodes}"
    func codes(_ more: [String], kernel: String = "7.2") -> [String] {
      let text = """
        scenario: 1
        kernel: "\(kernel)"
        caches: {node: {size: 512B}}
        threads:
          - name: t
            on: first
            steps:
        \(([prefill] + more).map { "      - \($0)" }.joined(separator: "\n"))
        """
      return ScenarioTests.codes(text)
    }
    #expect(codes(["kmem_cache_return_sheaf: nodes"]) == [])
    #expect(codes([], kernel: "6.12") == ["S119"])
    #expect(codes(["kmem_cache_free: nodes"]).count == 1)
    #expect(codes(["touch: nodes"]).count == 1)
    #expect(codes(["kmem_cache_alloc_from_sheaf: {sheaf: other, as: a}"]).count == 1)
    let (result, _, _) = try run([
      prefill, "kmem_cache_return_sheaf: nodes", "kmem_cache_return_sheaf: nodes",
      "kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: a}",
    ])
    #expect(result.violations.count == 2)
    let (lost, _, _) = try run([prefill, "kmem_cache_destroy: node"])
    #expect(lost.violationsByKind["leak"] == 1)
  }

  @Test("kmem_cache_destroy waits for the sheaves of kfree_rcu", arguments: ["6.18", "7.2"])
  func destroy(kernel: String) throws {
    let (result, stats, left) = try run(
      [
        "repeat: {times: 100, do: [kmem_cache_alloc: {cache: node, as: a}, kfree_rcu: a]}",
        "kmem_cache_destroy: node",
      ], kernel: kernel)
    #expect(result.violations.isEmpty && left == 0 && result.ended == "complete")
    #expect(stats["free_rcu_sheaf"] == 100 && stats["free_rcu_sheaf_fail"] == 0)
    let wait = try #require(result.operations["kmem_cache_destroy(node)"])
    #expect(wait.latencyNs.max >= 4e6, "\(wait.latencyNs)")
  }

  @Test("objects of kfree_rcu come back a sheaf at a time")
  func kfreeRCU() throws {
    func left(_ count: Int, _ duration: String) throws -> Int {
      try run(
        ["repeat: {times: \(count), do: [kmem_cache_alloc: {cache: node, as: a}, kfree_rcu: a]}"],
        duration: duration
      ).left
    }
    // Sheaves of 28: what does not fill one waits until something flushes it.
    let counts = (try left(27, "5100ms"), try left(28, "1ms"), try left(28, "40ms"))
    #expect(counts == (27, 28, 0))
    #expect(try left(60, "40ms") == 4)
  }
}
