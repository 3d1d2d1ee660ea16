import ArgumentParser
import Foundation
import Scenario
import Study

/// `kmemu study`: many runs of one scenario, and what they show together.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study", abstract: "Run a scenario many times, with different machines or keys.",
    subcommands: [StudyRunCommand.self])
}

/// `kmemu study run`: every combination of the varied keys, each so many times.
struct StudyRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run every combination of some keys' values, and make a table and a chart of it.",
    discussion: """
      KEY is cpus, machine, kernel, costs, seed or any key that --set takes, such as params.size. \
      The folder gets study.csv, study.svg, study.json and results/. Finished results are kept: \
      the same command goes on where it was interrupted. Each repeat has the next seed.
      """)

  @OptionGroup var options: ScenarioOptions

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A key and its values; given twice, every combination runs.", valueName: "KEY=a,b,c"))
  var vary: [String] = []

  @Option(name: .customLong("repeat"), help: ArgumentHelp("Runs of each point.", valueName: "n"))
  var repeats = 1

  @Option(help: ArgumentHelp("Runs at a time; all CPUs of this host if not given.", valueName: "j"))
  var jobs: Int?

  @Option(
    name: .customShort("o"),
    help: ArgumentHelp("The study's folder; SCENARIO-study if not given.", valueName: "folder"))
  var output: String?

  @Flag(name: .shortAndLong, help: "All operations, and where CPU time went.")
  var verbose = false

  @Option(help: "What goes to stdout: text, or json (the study.json).")
  var format = OutputFormat.text

  func run() throws {
    let jobs = try checkedJobs()
    let plan = try plan()
    var study = StudyRuns(plan, build: Self.build) { overrides throws(ScenarioError) in
      try Scenarios.load(plan.scenario, overrides)
    }
    // Nothing that runs: the scenario itself is at fault, and no folder is made for that.
    if study.pendingCount == 0, let failure = study.firstFailure {
      Console.say(failure.message)
      throw (ExitStatus(rawValue: failure.status) ?? .badData).thrown
    }
    let folder = output ?? "\(Self.name(of: plan.scenario))-study"
    let store = try Self.storing { try StudyStore(folder) }
    study.reuse(store)
    Interruption.watch()
    let kept = study.finishedCount
    execute(&study, jobs: jobs, store)
    try write(study, to: store, kept: kept)
    try exit(study)
  }

  private func checkedJobs() throws -> Int {
    let jobs = jobs ?? ProcessInfo.processInfo.activeProcessorCount
    guard (1...StudyLimits.jobsMax).contains(jobs) else {
      throw Console.failure(
        "--jobs \(jobs): it must be from 1 to \(StudyLimits.jobsMax)", .usage)
    }
    return jobs
  }

  private func plan() throws -> StudyPlan {
    do throws(StudyError) {
      var axes: [StudyAxis] = []
      for text in vary { axes.append(try StudyAxis.parse(text)) }
      return try StudyPlan(
        scenario: options.scenario, base: options.overrides, axes: axes, repeats: repeats)
    } catch {
      throw Console.failure(error.message, hint: error.hint, .usage)
    }
  }

  /// Results of another kmemu are not these: the version, and what the binary holds.
  private static let build: String = {
    let path = Bundle.main.executablePath ?? ""
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    return "\(Kmemu.version) \(StudyKey(ofBytes: bytes).text)"
  }()

  private static func name(of scenario: String) -> String {
    let last = scenario.split(separator: "/").last.map(String.init) ?? scenario
    return String(last.prefix { $0 != "." })
  }

  private func execute(_ study: inout StudyRuns, jobs: Int, _ store: StudyStore) {
    let plan = study.plan
    let progress = StudyProgress(pending: study.pendingCount)
    StudyPool.run(
      &study, jobs: jobs,
      execute: { run in
        StudyChild.run(plan.arguments(at: plan.points[run.point], seed: run.seed))
      },
      save: { bytes, key in
        guard let figures = StudyFigures.read(Data(bytes)) else {
          return .failed(message: "its result is no kmemu.run/1", status: 70)
        }
        do { try store.save(Data(bytes), of: key) } catch {
          return .failed(message: "cannot save its result: \(Console.reason(error))", status: 74)
        }
        return .finished(figures)
      },
      shouldStop: { Interruption.wasAsked }, note: { progress.update(over: $0) })
    progress.end()
  }

  private func write(_ study: StudyRuns, to store: StudyStore, kept: Int) throws {
    let manifest = StudyManifest.render(study)
    try Self.storing {
      try store.write(StudyCSV.render(study), as: "study.csv")
      try store.write(StudyChart.render(study), as: "study.svg")
      try store.write(manifest, as: "study.json")
    }
    switch format {
    case .text: try Console.write(StudyText.render(study, isVerbose: verbose))
    case .json: try Console.write(manifest)
    }
    let reused = kept > 0 ? ", \(kept) of them from before" : ""
    Console.say("\(study.finishedCount) of \(study.runs.count) results in \(store.folder)\(reused)")
  }

  private static func storing<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch {
      throw Console.failure(
        "cannot write the study: \(Console.reason(error))",
        hint: "finished results are kept; the same command goes on from there", .inputOutput)
    }
  }

  /// What is worst decides: interrupted, a run that failed, a broken rule, an expectation.
  private func exit(_ study: StudyRuns) throws {
    if study.pendingCount > 0 {
      Console.say("interrupted; the same command goes on from here")
      throw ExitStatus.interrupted.thrown
    }
    if let failure = study.firstFailure {
      throw (ExitStatus(rawValue: failure.status) ?? .internalError).thrown
    }
    if study.ruleBrokenCount > 0 {
      Console.say("\(study.ruleBrokenCount) runs broke a rule of the kernel")
      throw ExitStatus.ruleBroken.thrown
    }
    if study.expectationFailedCount > 0 {
      Console.say("an expectation failed in \(study.expectationFailedCount) runs")
      throw ExitStatus.expectationFailed.thrown
    }
  }
}
