import ArgumentParser
import Foundation
import Report
import Run
import Scenario
import Simulation
import Timeline
import Topology

/// `kmemu run`: one scenario, once.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a scenario and report what it did and what it cost.",
    discussion: """
      SCENARIO is the name of a bundled scenario (kmemu list scenarios) or a file. The flags \
      --kernel, --machine, --cpus, --costs, --seed and --set win over the file. Times need a \
      unit: 500us, 1.5ms.
      """)

  @OptionGroup var options: ScenarioOptions

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Write a timeline; the suffix says which: .pftrace, .json (Chrome).", valueName: "file"))
  var timeline: [String] = []

  @Option(
    help: ArgumentHelp("Where the timeline begins, in emulated time.", valueName: "time"),
    transform: TimeArgument.parse)
  var traceFrom: TimeArgument?

  @Option(
    help: ArgumentHelp("How long the timeline is.", valueName: "time"),
    transform: TimeArgument.parse)
  var traceFor: TimeArgument?

  @Option(help: ArgumentHelp("The CPUs in the timeline, as in 0-3,8.", valueName: "list"))
  var traceCpus: String?

  @Option(
    help: ArgumentHelp(
      "Write slabinfo, buddyinfo, zoneinfo, vmallocinfo, vmstat, interrupts as the kernel does.",
      valueName: "folder"))
  var proc: String?

  @Option(help: "text or json.")
  var format = OutputFormat.text

  @Flag(name: .shortAndLong, help: "All rows of all tables, and the tables that few want.")
  var verbose = false

  @Option(
    name: .customShort("o"),
    help: ArgumentHelp(
      "Also write result.json, report.txt and manifest.json there.", valueName: "folder"))
  var output: String?

  @Flag(help: .hidden)
  var noRunAhead = false

  @Option(
    help: ArgumentHelp(
      "Walk all data structures every N events; a broken one ends with status 70.",
      valueName: "n"))
  var checkInvariants: UInt64?

  func run() throws {
    let checked = try options.load(format)
    let window = try window(cpuCount: checked.plan.boot.cpuCount)
    for folder in [proc, output].compactMap({ $0 }) { try OutputFile.makeFolder(folder) }
    let timelines = try timeline.map { try TimelineOutput($0, window) }
    var switches = RunOptions()
    switches.runsAhead = !noRunAhead
    switches.trace = timelines.isEmpty ? nil : window
    switches.checkInvariantsEvery = checkInvariants.map { max($0, 1) }
    switches.hasDetails = proc != nil

    Interruption.watch()
    let session = RunSession(checked: checked, options: switches, timelines: timelines)
    let result = try session.run()
    try write(result)
    switch format {
    case .text: try Console.write(TextReport.render(result, style))
    case .json: try Console.write(try RunJSON.render(result))
    }
    try exit(of: result, checked)
  }

  private var style: TextReport.Style {
    TextReport.Style(isVerbose: verbose, isColored: Console.isColored(STDOUT_FILENO))
  }

  private func window(cpuCount: Int) throws -> TraceWindow {
    if timeline.isEmpty, traceFrom != nil || traceFor != nil || traceCpus != nil {
      throw Console.failure("--trace-from, --trace-for and --trace-cpus need --timeline", .usage)
    }
    let from = traceFrom?.picoseconds ?? 0
    let length = traceFor?.picoseconds ?? Instant.never.picoseconds
    let to = min(from.addingReportingOverflow(length).partialValue, Instant.never.picoseconds)
    var cpus: [Int] = []
    if let traceCpus {
      do { cpus = try CPUList(parsing: traceCpus, below: cpuCount).cpus } catch {
        throw Console.failure(code: error.code.rawValue, error.message, hint: error.hint, .usage)
      }
    }
    return TraceWindow(
      from: Instant(picoseconds: from), to: Instant(picoseconds: to), cpus: cpus)
  }

  private func write(_ result: RunResult) throws {
    if let proc {
      for file in ProcFiles.all(of: result) {
        try OutputFile.write(file.text, to: "\(proc)/\(file.name)")
      }
    }
    if let output {
      try OutputFile.write(try RunJSON.render(result), to: "\(output)/result.json")
      let style = TextReport.Style(isVerbose: verbose)
      try OutputFile.write(TextReport.render(result, style), to: "\(output)/report.txt")
      let manifest = RunManifest(
        of: result, version: Kmemu.version, arguments: CommandLine.arguments)
      try OutputFile.write(try manifest.json(), to: "\(output)/manifest.json")
    }
  }

  /// An interrupted run is judged by nobody; a broken rule weighs more than a failed expectation.
  private func exit(of result: RunResult, _ checked: CheckedScenario) throws {
    if result.ended == "interrupted" { throw ExitStatus.interrupted.thrown }
    let unexpected = result.violationsByKind.keys.contains { !checked.expectsViolation($0) }
    if unexpected { throw ExitStatus.ruleBroken.thrown }
    if result.expectations.contains(where: { !$0.held }) {
      throw ExitStatus.expectationFailed.thrown
    }
  }
}
