import Foundation
import Run
import Scenario

/// One lock that all CPUs want, by tickets and in a queue: what an event costs the host must not grow
/// with those who wait.
struct ContentionBench {
  let effort: Int

  func run(_ sheet: Sheet) throws {
    for (kind, release) in [("ticket", "3.10"), ("queued", "6.12")] {
      for cpus in [64, 4096] {
        let name = "contend.\(cpus).\(kind).events_per_s"
        if sheet.wants(name) { try measure(name, release, cpus, sheet) }
      }
    }
  }

  private func measure(_ name: String, _ release: String, _ cpus: Int, _ sheet: Sheet) throws {
    var rates: [Double] = []
    for _ in 0..<3 {
      var overrides = Overrides()
      overrides.machine = Machines.synthetic(cpus)
      overrides.sets = ["kernel=\(release)", "run.duration=\(40 * effort)ms"]
      let checked: CheckedScenario
      do { checked = try Scenarios.load("ticket-vs-queued", overrides) } catch {
        throw BenchError(error.rendered())
      }
      var runner = Runner(checked.plan, options: RunOptions())
      let begin = cpuSeconds()
      runner.run(drain: { _ in }, shouldStop: { _, _ in false })
      rates.append(Double(runner.machine.events) / (cpuSeconds() - begin))
    }
    sheet.add(name, median(rates), "events/s")
  }
}
