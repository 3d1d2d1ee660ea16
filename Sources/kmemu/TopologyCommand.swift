import ArgumentParser
import HostTopology
import Report
import Topology

/// `kmemu topology`: draws and lists a machine, like lstopo.
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "Draw and list a machine: this host, an hwloc XML file, a synthetic string.",
    discussion: """
      A synthetic string lists levels from the outside in: \
      "package:8 numa:2 l3:8 core:16 pu:2" has 4,096 CPUs. What the source does not say and was \
      assumed is told at the end.
      """)

  @Argument(help: "host, an hwloc XML file (lstopo machine.xml), or a synthetic string.")
  var machine = "host"

  @Option(help: ArgumentHelp("Keep the first N allowed CPUs by OS number.", valueName: "n"))
  var cpus: Int?

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func run() throws {
    let description = try MachineOptions.describe(machine, cpus: cpus)
    switch format {
    case .text: try Console.write(TopologyText.render(description))
    case .json: try Console.write(TopologyJSON.render(description))
    }
  }
}
