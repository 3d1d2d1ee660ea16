import ArgumentParser

/// `tools/bench`: the speed and size of this build, each figure against its target.
///
/// All times are CPU times of the thread that works, so other jobs of the machine disturb them only
/// through caches and clocks. Figures that are compared are taken in one sitting, in turns.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures speed and size of kmemu.")

  enum Format: String, ExpressibleByArgument { case text, json }

  @Option(help: "text, or json: one figure a line.") var format = Format.text
  @Option(help: ArgumentHelp("Only figures whose names begin so.", valueName: "name-prefix"))
  var only = ""
  @Flag(help: "A tenth of the work: a smoke test, no measurement.") var quick = false
  @Option(help: "The C++ yardstick, built.") var heap4: String?
  @Option(help: "The binary whose start is timed.") var kmemu: String?

  func run() throws {
    let sheet = Sheet(isJSON: format == .json, prefix: only)
    let effort = quick ? 1 : 10
    sheet.begin()
    try HoldBench(yardstick: heap4, effort: effort).run(sheet)
    try MachineHold(effort: effort).run(sheet)
    try StormBench(effort: effort).run(sheet)
    try ContentionBench(effort: effort).run(sheet)
    try ProcessBench(kmemu: kmemu, effort: effort).run(sheet)
    sheet.end()
  }
}
