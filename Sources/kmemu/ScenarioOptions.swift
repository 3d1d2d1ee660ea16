import ArgumentParser
import Scenario

/// The flags that every command with a scenario takes: they win over the file.
struct ScenarioOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A scenario file, or the name of a bundled one (kmemu list scenarios).",
      valueName: "scenario"))
  var scenario: String

  @Option(help: ArgumentHelp("The kernel release, such as 6.12.", valueName: "v"))
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      "host, an hwloc XML file, or a synthetic string.", valueName: "machine"))
  var machine: String?

  @Option(help: ArgumentHelp("Keep the first N CPUs by OS number.", valueName: "n"))
  var cpus: String?

  @Option(help: ArgumentHelp("A bundled cost file's name, or a file.", valueName: "costs"))
  var costs: String?

  @Option(help: ArgumentHelp("The seed of all random streams.", valueName: "n"))
  var seed: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set any key: params.size=64B, run.duration=2ms, threads.NAME.on=all.",
      valueName: "path=value"))
  var sets: [String] = []

  var overrides: Overrides {
    var overrides = Overrides()
    (overrides.kernel, overrides.machine, overrides.cpus) = (kernel, machine, cpus)
    (overrides.costs, overrides.seed, overrides.sets) = (costs, seed, sets)
    return overrides
  }

  /// The scenario, checked.
  ///
  /// - Throws: an exit, after all errors were written: as text on stderr, as JSON on stdout.
  func load(_ format: OutputFormat) throws -> CheckedScenario {
    do {
      return try Scenarios.load(scenario, overrides)
    } catch {
      switch format {
      case .text: Console.say(error.rendered())
      case .json: try Console.write(error.json(scenario: scenario))
      }
      throw (error.isMissing ? ExitStatus.missingInput : .badData).thrown
    }
  }
}
