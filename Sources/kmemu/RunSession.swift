import Foundation
import Kernel
import Run
import Scenario
import Simulation

/// A checked scenario on its way through the runner: clock, progress, signals, timelines.
struct RunSession {
  let checked: CheckedScenario
  let options: RunOptions
  let timelines: [TimelineOutput]

  /// Returns: the result, judged.
  ///
  /// - Throws: an exit with status 70 or 74, after saying why.
  func run() throws -> RunResult {
    let plan = checked.plan
    var runner = Runner(plan, options: options)
    var progress = Progress(plan.name)
    let length = plan.settings.duration.map { Double(($0 + plan.settings.warmup).picoseconds) }
    let start = ContinuousClock.now
    try runner.run(
      drain: { machine in
        for timeline in timelines {
          try timeline.consume(machine) { Runner.traceTable(of: $0, plan) }
        }
      },
      shouldStop: { now, events in
        progress.update(events: events, done: length.map { Double(now.picoseconds) / $0 })
        return Interruption.wasAsked
      })
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    progress.end()
    if let broken = runner.brokenInvariant {
      throw Console.failure(
        "an invariant of the model is broken: \(broken)",
        hint: "please report it with what replays it: \(Replay.commandLine)", .internalError)
    }
    for timeline in timelines {
      try timeline.finish(runner.machine) { Runner.traceTable(of: $0, plan) }
    }
    return checked.judge(runner.result(wallS: Double(seconds) + Double(attoseconds) / 1e18))
  }
}
