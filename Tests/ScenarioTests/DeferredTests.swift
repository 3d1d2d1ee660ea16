import Kernel
import Run
import Simulation
import Testing

@testable import Scenario

/// Work items, timers and tasklets of the workload.
@Suite struct DeferredTests {
  private func run(
    _ text: String, kernel: String, _ duration: String, machine: String = "core:2 pu:1"
  ) throws -> RunResult {
    var overrides = Overrides()
    overrides.sets = ["run.duration=\(duration)", "run.warmup=0ns"]
    let whole = text + "\nkernel: \"\(kernel)\"\n"
    let checked = try check(whole, overrides, machine: machine).get()
    var runner = Runner(checked.plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    return checked.judge(runner.result(wallS: 1))
  }

  /// An item behind one that sleeps: another worker takes it, and to 2.6.35 none does.
  @Test(arguments: [("6.12", true), ("2.6.36", true), ("2.6.32", false)])
  func aSleepingWorkerLetsAnotherOn(kernel: String, isSoon: Bool) throws {
    let text = """
      scenario: 1
      work:
        slow: {do: [sleep: 2ms, count: slow]}
        quick: {do: [work: 1us, count: quick]}
      threads:
        - name: t
          on: first
          steps: [schedule_work: slow, schedule_work: quick, flush_work: quick, flush_work: slow]
      """
    let result = try run(text, kernel: kernel, "20ms")
    #expect(result.counters["slow"] == 1 && result.counters["quick"] == 1)
    let wait = try #require(result.operations["flush_work(quick)"]?.latencyNs.max)
    #expect(isSoon ? wait < 1_000_000 : wait > 1_900_000)
    #expect(result.counters["work_items"] == 2)
  }

  /// An item that is queued already is not queued again; one that runs is.
  @Test func anItemIsQueuedOnce() throws {
    let text = """
      scenario: 1
      work: {item: {do: [work: 100us, count: runs]}}
      threads:
        - name: t
          on: first
          steps:
            - schedule_work_on: {work: item, cpu: 1}
            - schedule_work_on: {work: item, cpu: 1}
            - work: 50us
            - schedule_work: item
            - flush_work: item
      """
    let result = try run(text, kernel: "6.12", "20ms")
    #expect(result.counters["runs"] == 2)
  }

  /// 10 ms are 3 ticks of 4 ms; from 4.8 on a timer waits for one more.
  @Test(arguments: [
    ("6.12", "15ms", 0), ("6.12", "17ms", 1), ("4.4", "11ms", 0), ("4.4", "13ms", 1),
  ])
  func timersExpireAtTicks(kernel: String, until: String, runs: UInt64) throws {
    let text = """
      scenario: 1
      timers: {late: {do: [work: 1us, count: runs]}}
      work: {item: {do: [work: 1us, count: items]}}
      threads:
        - name: t
          on: first
          steps:
            - mod_timer: {timer: late, delay: 10ms}
            - schedule_delayed_work: {work: item, delay: 10ms}
            - schedule_delayed_work: {work: item, delay: 1ms}
      """
    let result = try run(text, kernel: kernel, until)
    #expect(result.counters["runs"] == runs && result.counters["items"] == runs)
  }

  @Test func farTimersAreCoarse() {
    let tick = Duration.nanoseconds(4_000_000)
    func ticks(_ delay: UInt64, _ roundsUp: Bool) -> UInt64 {
      TimerWheel.expiry(
        at: Instant(picoseconds: 0), delay: tick * Int32(delay), jiffy: tick, roundsUp: roundsUp
      ).picoseconds / tick.picoseconds
    }
    #expect(ticks(1, true) == 2 && ticks(62, true) == 63)
    #expect(ticks(63, true) == 64 && ticks(65, true) == 72 && ticks(600, true) == 640)
    #expect(ticks(63, false) == 63 && ticks(600, false) == 600)
  }

  /// A tasklet that was scheduled twice runs once; scheduled by itself, again and again.
  @Test func taskletsRunOnceAScheduling() throws {
    let text = """
      scenario: 1
      tasklets:
        once: {do: [work: 1us, count: once]}
        urgent: {hi: on, do: [work: 1us, count: urgent]}
      threads:
        - name: t
          on: all
          steps:
            - local_bh_disable
            - tasklet_schedule: once
            - tasklet_schedule: once
            - tasklet_schedule: urgent
            - local_bh_enable
            - tasklet_schedule: once
            - work: 10us
      """
    let result = try run(text, kernel: "6.12", "5ms", machine: "pu:1")
    #expect(result.counters["once"] == 2 && result.counters["urgent"] == 1)
    #expect(result.violations.isEmpty)
    let both = try run(text, kernel: "6.12", "5ms")
    #expect((2...4).contains(both.counters["once"] ?? 0))
  }

  @Test func sleepingInATaskletIsReported() throws {
    let text = """
      scenario: 1
      tasklets: {bad: {do: [kmalloc: {size: 64B, gfp: GFP_KERNEL, as: a}, kfree: a]}}
      threads:
        - {name: t, on: first, steps: [tasklet_schedule: bad, work: 100us]}
      """
    let result = try run(text, kernel: "6.12", "5ms")
    #expect((result.violationsByKind["sleeping-in-atomic"] ?? 0) >= 1)
  }

  /// All CPUs stop while the function runs, with interrupts off; one caller at a time.
  @Test(arguments: ["pu:1", "core:2 pu:1", "package:2 numa:1 core:8 pu:1"])
  func stopMachineStopsAll(machine: String) throws {
    let text = """
      scenario: 1
      work: {patch: {do: [work: 20us, count: patched]}}
      threads:
        - {name: caller, on: [first, last], steps: [work: 100us, stop_machine: patch, count: done]}
        - {name: other, on: all, steps: [{repeat: {times: 50, do: [work: 5us]}}]}
      """
    let result = try run(text, kernel: "6.12", "40ms", machine: machine)
    let callers = machine == "pu:1" ? UInt64(1) : 2
    #expect(result.counters["patched"] == callers && result.counters["done"] == callers)
    #expect(result.violations.isEmpty)
    let least = try #require(result.operations["stop_machine(patch)"]?.latencyNs.min)
    #expect(least > 20_000)
  }
}
