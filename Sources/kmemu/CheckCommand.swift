import ArgumentParser
import Report
import Run
import Scenario

/// `kmemu check`: everything about a scenario that can be said without running it.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check a scenario and show all its errors at once, without running it.",
    discussion: """
      Prints one line for a good scenario. A bad one ends with status 65 and every error with its \
      place, a suggestion and a code that `kmemu explain` knows.
      """)

  @OptionGroup var options: ScenarioOptions

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func run() throws {
    let plan = try options.load(format).plan
    switch format {
    case .text: try Console.write(Self.text(plan))
    case .json: try Console.write(Self.json(plan, scenario: options.scenario).text())
    }
  }

  private static func text(_ plan: RunPlan) -> String {
    let machine = plan.boot.machine
    func count(_ count: Int, _ noun: String) -> String {
      "\(count) \(noun)\(count == 1 ? "" : "s")"
    }
    let parts = [
      count(plan.program.threads.count, "thread"),
      count(plan.program.sources.count, "interrupt source"),
      count(plan.program.code.count, "step"),
      "Linux \(plan.boot.version.name)",
      "\(count(machine.cpus.count, "CPU")) of \(machine.source)",
    ]
    return "\(plan.name): good (\(parts.joined(separator: ", ")))\n"
      + plan.notes.map { "note: \($0)\n" }.joined()
  }

  private static func json(_ plan: RunPlan, scenario: String) -> JSONValue {
    let machine = plan.boot.machine
    return .object([
      ("schema", .string("kmemu.check/1")), ("scenario", .string(scenario)),
      ("valid", .bool(true)), ("name", .string(plan.name)), ("title", .string(plan.title)),
      ("kernel", .string(plan.boot.version.name)), ("costs", .string(plan.boot.costs.name)),
      ("cpus", .integer(machine.cpus.count)), ("nodes", .integer(machine.nodes.count)),
      ("threads", .integer(plan.program.threads.count)),
      ("interrupts", .integer(plan.program.sources.count)),
      ("operations", .array(plan.program.operations.map { .string($0) })),
      ("notes", .array(plan.notes.map { .string($0) })), ("errors", .array([])),
    ])
  }
}
