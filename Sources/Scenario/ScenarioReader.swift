import HostTopology
import Kernel
import Run
import Simulation
import Topology

/// A scenario without an error in it, ready to run on its machine.
package struct CheckedScenario: Sendable {
  package var plan: RunPlan
  package var description: String
  package var expectations: [Expectation]
  /// Result names that the report is to show first.
  package var measure: [String]
}

/// Reads a whole scenario; every error in it is found in one go.
struct ScenarioReader {
  let name: String
  /// Where paths in the scenario begin.
  let folder: String
  let overrides: Overrides
  let describe: (MachineSource) throws(TopologyError) -> MachineDescription
  let readFile: (String) -> Result<[UInt8], FileFailure>

  func check(_ bytes: [UInt8], file: String) throws(ScenarioError) -> CheckedScenario {
    let findings = Findings()
    let assembler = Assembler(findings: findings, read: readFile)
    guard let tree = assembler.merged(bytes, name: file, folder: folder) else {
      throw ScenarioError(findings.sorted())
    }
    let set = assembler.apply(overrides, to: tree)
    var parameters = Parameters(set, findings)
    let whole = parameters.substituted(set)
    let reading = Reading(findings)
    let checked = read(whole, reading, unused: parameters.unused)
    guard findings.isEmpty, let checked else { throw ScenarioError(findings.sorted()) }
    return checked
  }

  private func read(_ tree: Tree, _ reading: Reading, unused: [String]) -> CheckedScenario? {
    let findings = reading.findings
    guard checkVersion(tree, findings) else { return nil }
    _ = reading.fields(tree, "a scenario", known: Words.top)
    let machines = MachineReader(
      reading: reading, folder: folder, describe: describe, readFile: readFile)
    let machine = machines.machine(tree["machine"], isOverridden: overrides.machine != nil)
    let cpu = machines.cpu(tree["machine"])
    let kernel = machines.kernel(tree["kernel"], for: cpu)
    let costs = machines.costs(
      tree["costs"], isOverridden: overrides.costs != nil,
      standard: kernel?.1.architecture.isARM == true ? "generic-arm" : "generic-x86")
    if let machine, let kernel { machines.checkMemory(machine, kernel.1, tree["machine"]) }
    let platform = machines.platform(tree["machine"], machine, kernel?.1)
    let title = tree["title"].flatMap { reading.text($0, "title") } ?? name
    let description = tree["description"].flatMap { reading.text($0, "description") } ?? ""
    let builder = ProgramBuilder(reading, machine)
    builder.version = kernel?.0
    var workload = WorkloadReader(builder)
    let before = findings.count
    workload.read(tree)
    let isComplete = findings.count == before
    let settings = self.settings(tree["run"], reading, isEndless: workload.isEndless)
    let names = ResultNames(builder.program, isComplete: isComplete, kernel: kernel)
    let expectations = self.expectations(tree["expect"], reading, names)
    let measure = self.measure(tree["measure"], reading, names)
    guard let machine, let kernel, let costs, let settings, findings.isEmpty else { return nil }
    builder.program.title = title
    let boot = Boot(
      machine: machine, version: kernel.0, cpu: cpu, costs: costs, config: kernel.1,
      platform: platform, seed: settings.seed)
    let notes =
      machine.defaultsUsed + unused.map { "The parameter `\($0)` is not used." }
    let plan = RunPlan(
      name: name, title: title, boot: boot, program: builder.program, settings: settings,
      notes: notes)
    return CheckedScenario(
      plan: plan, description: description, expectations: expectations, measure: measure)
  }

  private func checkVersion(_ tree: Tree, _ findings: Findings) -> Bool {
    guard let version = tree["scenario"] else {
      findings.add(
        .version, "`scenario: 1` is missing", at: tree.span,
        notes: ["it says which version of the language the file is in"])
      return tree["threads"] != nil || tree["interrupts"] != nil
    }
    guard version.text == "1" else {
      findings.add(
        .version, "this is version \(Spelling.shown(version.text ?? "")) of the language",
        at: version.span, label: "this kmemu reads version 1")
      return false
    }
    return true
  }

  // MARK: run

  private func settings(_ tree: Tree?, _ reading: Reading, isEndless: Bool) -> RunSettings? {
    var settings = RunSettings()
    let before = reading.findings.count
    if let tree, !tree.isNothing {
      guard let map = reading.fields(tree, "`run:`", known: Words.run) else { return nil }
      if let tree = map["warmup"] {
        settings.warmup = Duration(picoseconds: reading.time(tree, "warmup") ?? 0)
      }
      if let tree = map["duration"] {
        settings.duration = reading.time(tree, "duration", atLeast: 1).map {
          Duration(picoseconds: $0)
        }
      }
      if let tree = map["operations"] {
        settings.operations = reading.integer(tree, "operations", 1...1_000_000_000_000)
      }
      if let tree = map["seed"] { settings.seed = reading.unsigned(tree, "seed") ?? 0 }
    }
    let length = settings.warmup.picoseconds + (settings.duration?.picoseconds ?? 0)
    if length >= Instant.never.picoseconds {
      reading.findings.add(
        .range, "warm-up and duration together are longer than a run can be", at: tree?.span,
        notes: ["emulated time ends after 37 minutes (2^51 picoseconds)"])
    }
    if isEndless, settings.duration == nil, settings.operations == nil,
      reading.findings.count == before
    {
      reading.findings.add(
        .endless, "the run would never end", at: tree?.span,
        label: "add `duration: 10ms` or `operations: 1000`",
        notes: ["threads with `loop:` and interrupts go on for ever"])
    }
    return settings
  }

  // MARK: expect and measure

  private func expectations(
    _ tree: Tree?, _ reading: Reading, _ names: ResultNames
  ) -> [Expectation] {
    guard let tree, !tree.isNothing else { return [] }
    let items = reading.list(tree, "`expect:`", orText: true)
    if items.count > ScenarioLimits.expectationsMax {
      reading.findings.add(
        .limit, "more than \(ScenarioLimits.expectationsMax) expectations", at: tree.span)
    }
    return items.prefix(ScenarioLimits.expectationsMax).compactMap { item in
      guard let text = reading.text(item, "an expectation") else { return nil }
      var parser = ExpectationParser(text, item, reading, names)
      return parser.parse()
    }
  }

  private func measure(_ tree: Tree?, _ reading: Reading, _ names: ResultNames) -> [String] {
    guard let tree, !tree.isNothing else { return [] }
    let items = reading.list(tree, "`measure:`", orText: true)
    return items.prefix(ScenarioLimits.expectationsMax).compactMap { item in
      guard let text = reading.text(item, "a result's name") else { return nil }
      if names.isGroup(text) || names.find(text) != nil { return text }
      reading.findings.unknown(
        .unknownResult, "result", text, among: names.groups + names.examples, at: item.span)
      return nil
    }
  }
}
