import Kernel
import Run
import Simulation
import Testing

@testable import Scenario

/// `kfree_rcu` and its like on whole machines: when the memory comes back.
@Suite struct GracePeriodTests {
  /// Objects of kmalloc-64 that are allocated at the end.
  private func left(
    _ threads: String, kernel: String, duration: String?, machine: String = "core:2 pu:1"
  ) throws -> (objects: Int, result: RunResult) {
    let run = duration.map { "run: {duration: \($0)}" } ?? ""
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      threads:
      \(threads)
      \(run)
      """
    let checked = try check(text, machine: machine).get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let named = runner.machine.world.slab.cache(named: "kmalloc-64")
    let cache = try #require(named)
    let objects = runner.machine.world.slab.allocatedCount(of: cache)
    return (objects, runner.result(wallS: 1))
  }

  private static func thread(_ name: String, _ on: String, _ steps: [String]) -> String {
    (["  - name: \(name)", "    on: \(on)", "    steps:"] + steps.map { "      - \($0)" })
      .joined(separator: "\n")
  }

  private static let one = thread(
    "updater", "0", ["kmalloc: {size: 64B, as: a}", "kfree_rcu: a"])

  /// Kernel: one callback an object to 5.7; 20 ms of gathering to 6.0; 5 s from 6.1.
  @Test(
    "an object of kfree_rcu is freed after the release's delay and a grace period",
    arguments: [
      ("3.0", "3ms", "30ms"), ("4.19", "3ms", "30ms"), ("5.10", "19ms", "60ms"),
      ("6.12", "4999ms", "5050ms"),
    ])
  func delays(kernel: String, before: String, after: String) throws {
    let (early, _) = try left(Self.one, kernel: kernel, duration: before)
    let (late, result) = try left(Self.one, kernel: kernel, duration: after)
    #expect(early == 1 && late == 0)
    #expect(result.violations.isEmpty)
  }

  @Test("a CPU that keeps preemption off holds up the grace period", arguments: ["4.19", "6.12"])
  func heldUp(kernel: String) throws {
    let many = Self.thread(
      "updater", "0",
      ["repeat: {times: 600, do: [kmalloc: {size: 64B, as: a}, kfree_rcu: a]}"])
    let reader = Self.thread(
      "reader", "1", ["preempt_disable", "work: 60ms", "preempt_enable", "work: 50ms"])
    let free = try left(many, kernel: kernel, duration: "50ms")
    let held = try left(many + "\n" + reader, kernel: kernel, duration: "50ms")
    let over = try left(many + "\n" + reader, kernel: kernel, duration: "100ms")
    #expect(free.objects == 0 && held.objects == 600 && over.objects == 0)
  }

  @Test("synchronize_rcu takes two to five ticks, and a tick finds a busy task quiescent")
  func synchronize() throws {
    let steps = Self.thread("updater", "0", ["synchronize_rcu", "synchronize_rcu"])
    let busy = Self.thread("busy", "1", ["work: 80ms"])
    let (_, result) = try left(steps + "\n" + busy, kernel: "6.12", duration: "80ms")
    let wait = try #require(result.operations["synchronize_rcu"])
    #expect(wait.count == 2)
    #expect(wait.latencyNs.min >= 4e6 && wait.latencyNs.max <= 20e6, "\(wait.latencyNs)")
  }

  @Test("all comes back when threads end, whoever frees", arguments: ["4.19", "5.10", "6.12"])
  func nothingIsLost(kernel: String) throws {
    let steps = [
      """
      repeat: {times: 700, do: [kmalloc: {size: 64B, as: a}, kmalloc: {size: 64B, as: b}, \
      kvmalloc: {size: 64KiB, as: c}, kfree_rcu: a, kfree_rcu: c, work: {exponential: 2us}, kfree: b]}
      """
    ]
    let threads = Self.thread("all", "all", steps)
    let (objects, result) = try left(threads, kernel: kernel, duration: nil)
    #expect(objects == 0 && result.vmalloc.areas == 0)
    #expect(result.violations.isEmpty && result.ended == "complete")
  }

  @Test("kfree_rcu_mightsleep sleeps in a task only; there was no kfree_rcu before 3.0")
  func mightSleep() throws {
    let steps = ["kmalloc: {size: 64B, as: a}", "kfree_rcu_mightsleep: a"]
    let (objects, result) = try left(
      Self.thread("t", "0", steps), kernel: "6.12", duration: nil)
    #expect(objects == 0 && result.violations.isEmpty)
    let atomic = [
      "kmalloc: {size: 64B, as: a}", "preempt_disable", "kfree_rcu_mightsleep: a",
      "preempt_enable",
    ]
    let (_, wrong) = try left(Self.thread("t", "0", atomic), kernel: "6.12", duration: nil)
    #expect(wrong.violationsByKind["sleeping-in-atomic"] ?? 0 > 0)
    let old = "scenario: 1\nkernel: \"2.6.32\"\nthreads:\n" + Self.thread("t", "0", steps)
    #expect(codes(old) == ["S119"])
  }

  /// Kernel: `kvfree_rcu_barrier()` in `kmem_cache_destroy()` (mm/slab_common.c; 6.11, 6.12).
  @Test(
    "kmem_cache_destroy waits for the objects of kfree_rcu on all CPUs from 6.12, and only then",
    arguments: [("6.11", 1), ("6.12", 0), ("7.2", 0)])
  func destroy(kernel: String, leaks: Int) throws {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      caches: {x: {size: 512B}}
      threads:
        - name: writer
          on: "0-2"
          steps:
            - repeat: {times: 700, do: [kmem_cache_alloc: {cache: x, as: a}, kfree_rcu: a]}
        - name: unloader
          on: "3"
          steps: [work: 4ms, kmem_cache_destroy: x]
      """
    let checked = try check(text, machine: "core:4 pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let result = runner.result(wallS: 1)
    #expect((result.violationsByKind["leak"] ?? 0) == leaks && result.ended == "complete")
    let wait = try #require(result.operations["kmem_cache_destroy(x)"])
    #expect(leaks == 1 || wait.latencyNs.max >= 4e6, "\(wait.latencyNs)")
  }

  @Test("pages of a SLAB_TYPESAFE_BY_RCU cache come back after a grace period")
  func typesafe() throws {
    func free(_ flags: String, _ duration: String) throws -> Int {
      let text = """
        scenario: 1
        caches: {x: {size: 1KiB, flags: [\(flags)]}}
        threads:
          - name: t
            on: first
            steps:
              - kmem_cache_alloc: {cache: x, as: a}
              - kmem_cache_free: a
              - kmem_cache_shrink: x
              - drain_all_pages
        run: {duration: \(duration)}
        """
      let checked = try check(text, machine: "pu:1").get()
      var runner = Runner(checked.plan, options: RunOptions())
      runner.run(drain: { _ in }, shouldStop: { _, _ in false })
      let named = runner.machine.world.slab.cache(named: "x")
      let cache = try #require(named)
      let slabs = runner.machine.world.slab.figures(of: cache).slabs
      #expect(slabs == [0])
      return runner.result(wallS: 1).zones.reduce(0) { $0 + $1.freePages }
    }
    let plain = try free("hwcache-align", "1ms")
    #expect(try free("typesafe-by-rcu", "1ms") < plain)
    #expect(try free("typesafe-by-rcu", "40ms") >= plain - 8)
  }
}
