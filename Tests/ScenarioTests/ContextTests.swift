import Kernel
import Run
import Testing

@testable import Scenario

/// Where code runs decides what it may do: preemption models, predicates, NMIs, softirqs.
@Suite struct ContextTests {
  private func run(
    _ text: String, kernel: String = "6.12", config: String = "", _ duration: String = "40ms"
  ) throws -> RunResult {
    var overrides = Overrides()
    overrides.sets = ["run.duration=\(duration)", "kernel.version=\(kernel)"]
    if !config.isEmpty {
      overrides.sets += config.split(separator: " ").map { "kernel.config.\($0)" }
    }
    let checked = try check("scenario: 1\n" + text, overrides, machine: "core:2 pu:1").get()
    var runner = Runner(checked.plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    return runner.result(wallS: 1)
  }

  /// How often a second thread of the CPU gets to run beside one that does `steps` for ever.
  private func turns(beside steps: String, _ kernel: String, _ model: String) throws -> UInt64 {
    let text = """
      threads:
        - {name: hog, on: first, loop: [\(steps)]}
        - {name: other, on: first, start: 1us, loop: [{user_work: 10us}, {count: turns}]}
      """
    return try run(text, kernel: kernel, config: "preempt=\(model)").counters["turns"] ?? 0
  }

  @Test("a kernel without preemption gives the CPU away only where it is asked to")
  func models() throws {
    #expect(try turns(beside: "{work: 100us}", "6.12", "none") == 0)
    #expect(try turns(beside: "{work: 100us}", "6.12", "voluntary") == 0)
    #expect(try turns(beside: "{work: 100us}", "6.12", "full") > 1000)
    #expect(try turns(beside: "{work: 100us}", "6.13", "lazy") > 500)
    for model in ["none", "voluntary", "full"] {
      #expect(try turns(beside: "{user_work: 100us}", "6.12", model) > 1000, "\(model)")
      #expect(try turns(beside: "{work: 100us}, cond_resched", "6.12", model) > 1000, "\(model)")
    }
    let mightSleep = "{work: 100us}, {kmalloc: {size: 64B, as: a}}, {kfree: a}"
    #expect(try turns(beside: mightSleep, "6.12", "none") == 0)
    #expect(try turns(beside: mightSleep, "6.12", "voluntary") > 1000)
  }

  @Test("each context says of itself what the kernel's predicates say")
  func predicates() throws {
    let all = ContextPredicate.allCases.map(\.text)
    func asks(_ name: String) -> String {
      all.map { "{\($0): {then: [{count: \(name)_\($0)}]}}" }.joined(separator: ", ")
    }
    let text = """
      locks: [l]
      interrupts:
        - name: nic
          cpus: first
          arrivals: {every: 100us}
          hardirq: [\(asks("hard")), {raise: tasklet}]
          softirq: {tasklet: {each: [\(asks("soft"))]}}
        - {name: perf, cpus: last, arrivals: {every: 100us}, nmi: [\(asks("nmi"))]}
      threads:
        - name: task
          on: first
          loop: [{user_work: 50us}, \(asks("task")), {lock: l}, \(asks("locked")), {unlock: l},
            local_bh_disable, \(asks("bh")), local_bh_enable,
            local_irq_disable, \(asks("irq")), local_irq_enable]
      """
    let counters = try run(text, "2ms").counters
    let expected: [String: Set<String>] = [
      "task": ["in_task", "preemptible"],
      "locked": ["in_task", "in_atomic"],
      "bh": ["in_task", "in_interrupt", "in_softirq", "in_atomic"],
      "irq": ["in_task", "irqs_disabled"],
      "soft": ["in_interrupt", "in_softirq", "in_serving_softirq", "in_atomic"],
      "hard": ["in_interrupt", "in_hardirq", "in_atomic", "irqs_disabled"],
      "nmi": ["in_interrupt", "in_hardirq", "in_nmi", "in_atomic", "irqs_disabled"],
    ]
    for (place, true_) in expected {
      for name in all {
        let isTrue = (counters["\(place)_\(name)"] ?? 0) > 0
        #expect(isTrue == true_.contains(name), "\(name)() in \(place)")
      }
    }
  }

  @Test("an NMI cuts into a section with interrupts off, an interrupt waits")
  func nmi() throws {
    let text = """
      interrupts:
        - {name: perf, cpus: first, arrivals: {every: 50us}, nmi: [{count: nmis}]}
        - {name: nic, cpus: first, arrivals: {every: 50us}, hardirq: [{count: irqs}]}
      threads:
        - {name: t, on: first, steps: [local_irq_disable, {work: 5ms}, local_irq_enable]}
      """
    let counters = try run(text, "4ms").counters
    #expect((counters["nmis"] ?? 0) > 70 && (counters["irqs"] ?? 0) <= 1)
  }

  /// Kernel: "softirq: Let ksoftirqd do its job" (4.9), reverted in 6.5.
  @Test("from 4.9 to 6.4 softirqs wait for ksoftirqd, and a thread beside them gets its share")
  func ksoftirqd() throws {
    let text = try #require(Scenarios.bundled.first { $0.name == "softirq-budget" }).text
      .replacing("scenario: 1\n", with: "")
    let (old, new) = (try run(text, kernel: "4.19"), try run(text, kernel: "6.12"))
    let (oldTurns, newTurns) = (old.counters["turns"] ?? 0, new.counters["turns"] ?? 0)
    #expect(oldTurns > 500 && newTurns * 2 < oldTurns, "\(oldTurns) \(newTurns)")
    #expect(old.interrupts.ksoftirqdWakeups >= 1)
  }

  /// Kernel: `MAX_SOFTIRQ_TIME`, `MAX_SOFTIRQ_RESTART` (kernel/softirq.c; 3.2, 3.10).
  @Test("a run of softirqs ends after ten rounds, and from 3.10 when its time is over")
  func rounds() throws {
    func wakeups(_ kernel: String, unit: String, hz: Int) throws -> UInt64 {
      let text = """
        interrupts:
          - name: nic
            cpus: first
            arrivals: {burst: {size: 9, every: 1s}}
            softirq: {net-rx: {budget: 1, each: [{work: \(unit)}]}}
        """
      return try run(text, kernel: kernel, config: "hz=\(hz)", "1.1s").interrupts.ksoftirqdWakeups
    }
    #expect(try wakeups("3.2", unit: "1ms", hz: 1000) == 0)
    #expect(try wakeups("3.10", unit: "1ms", hz: 1000) >= 1)
    #expect(try wakeups("3.10", unit: "100us", hz: 1000) == 0)
    #expect(try wakeups("6.12", unit: "1ms", hz: 100) == 0, "2 ms are a whole tick of 10 ms")
  }

  @Test("grace periods are counted in ticks")
  func hz() throws {
    let text = "threads: [{name: t, on: first, loop: [synchronize_rcu]}]"
    func mean(_ hz: Int) throws -> Double {
      try #require(try run(text, config: "hz=\(hz)", "400ms").operations["synchronize_rcu"])
        .latencyNs.mean
    }
    let (slow, fast) = (try mean(100), try mean(1000))
    #expect(slow > 10_000_000 && fast < slow / 2, "\(slow) \(fast)")
  }
}
