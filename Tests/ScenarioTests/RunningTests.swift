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

  @Test(arguments: Scenarios.bundled.map(\.name))
  func bundledScenariosRun(name: String) throws {
    let text = try #require(Scenarios.bundled.first { $0.name == name }).text
    let (result, checked) = try run(text)
    #expect(result.ended == "complete")
    #expect(result.expectations.count == checked.expectations.count)
  }
}
