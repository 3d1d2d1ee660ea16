import Kernel
import Run
import Testing

@testable import Scenario

/// Checked scenarios run: what the checker lets pass, the machine can do.
@Suite struct RunningTests {
  /// Runs a scenario for a while and gives its result. The machine's own asserts are on.
  private func run(
    _ text: String, _ duration: String = "200us", machine: String = "package:2 numa:1 core:2 pu:1"
  ) throws -> (RunResult, CheckedScenario) {
    var overrides = Overrides()
    overrides.sets = ["run.duration=\(duration)", "run.warmup=0ns"]
    let checked = try check(text, overrides, machine: machine).get()
    var runner = Runner(checked.plan)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    return (checked.judge(runner.result(wallS: 1)), checked)
  }

  /// Goal: bundled scenarios do what they say on one CPU, on two, and on nodes.
  @Test(
    arguments: Scenarios.bundled.map(\.name),
    ["pu:1", "core:2 pu:1", "package:2 numa:1 core:4 pu:1"])
  func bundledScenariosRun(name: String, machine: String) throws {
    let text = try #require(Scenarios.bundled.first { $0.name == name }).text
    let (result, checked) = try run(text, "1ms", machine: machine)
    #expect(result.ended == (checked.expectsViolation("deadlock") ? "deadlock" : "complete"))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    for violation in result.violations {
      #expect(checked.expectsViolation(violation.kind), "\(violation)")
    }
  }

  /// Only some of a kind are kept, and all of them count.
  @Test func violationsBeyondThoseKeptAreCounted() throws {
    let text = """
      scenario: 1
      locks: [table]
      threads:
        - name: updater
          on: first
          loop:
            - lock: table
            - vmalloc: {size: 16KiB, as: a}
            - unlock: table
            - vfree: a
      expect:
        - violations.sleeping-in-atomic > 50
        - violations.sleeping-in-atomic == violations
      """
    let (result, checked) = try run(text, "2ms")
    #expect(result.violations.count == Complaints.keptMax)
    #expect(result.violationCount > Complaints.keptMax)
    #expect(result.violationsByKind == ["sleeping-in-atomic": result.violationCount])
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    #expect(checked.expectsViolation("sleeping-in-atomic"))
  }

  /// A kworker that waits for a mutex is given more work meanwhile: it has to go on waiting.
  @Test func workForAWaitingKworkerDoesNotWakeIt() throws {
    let text = try #require(Scenarios.bundled.first { $0.name == "vmalloc-shootdown" }).text
    let (result, _) = try run(text, "20ms", machine: "package:2 numa:1 core:4 pu:1")
    #expect(result.ended == "complete")
    #expect(result.tlb.shootdowns > 0)
  }
}
