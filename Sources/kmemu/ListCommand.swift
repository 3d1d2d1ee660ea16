import ArgumentParser
import Hardware
import Kernel
import Report
import Scenario

/// `kmemu list`: what can be named elsewhere.
struct ListCommand: ParsableCommand {
  enum What: String, ExpressibleByArgument, CaseIterable {
    case scenarios, kernels, costs, cpus, counters, events
  }

  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List bundled scenarios, kernels, cost files, cores, counters or trace events.")

  @Argument(help: "scenarios, kernels, costs, cpus, counters or events.")
  var what: What

  @Option(help: "text or json.")
  var format = OutputFormat.text

  func run() throws {
    let entries = Self.entries(what)
    switch format {
    case .text:
      let width = entries.map(\.name.count).max() ?? 0
      let lines = entries.map { entry in
        let space = String(repeating: " ", count: width - entry.name.count + 2)
        return entry.title.isEmpty ? entry.name : entry.name + space + entry.title
      }
      try Console.write(lines.map { $0 + "\n" }.joined())
    case .json:
      let list = entries.map { entry in
        JSONValue.object([("name", .string(entry.name)), ("title", .string(entry.title))])
      }
      let document = JSONValue.object([
        ("schema", .string("kmemu.list/1")), (what.rawValue, .array(list)),
      ])
      try Console.write(document.text())
    }
  }

  private struct Entry {
    var name: String
    var title: String
  }

  private static func entries(_ what: What) -> [Entry] {
    switch what {
    case .scenarios: Scenarios.bundled.map { Entry(name: $0.name, title: $0.title) }
    case .kernels:
      KernelVersion.all.map {
        Entry(name: $0.name, title: $0.slab.kinds.names.joined(separator: ", "))
      }
    case .costs: CostFile.bundled.map { Entry(name: $0.name, title: heading(of: $0.text)) }
    case .cpus: CPUFile.bundled.map { Entry(name: $0.name, title: heading(of: $0.text)) }
    case .counters: VMStat.allCases.map { Entry(name: $0.text, title: $0.title) }
    case .events:
      TraceEvent.allCases.map { event in
        let format = event.format
        let fields = format.fields.map(\.name).joined(separator: ", ")
        return Entry(name: "\(format.system):\(format.name)", title: fields)
      }
    }
  }

  /// The comment that a cost file or a core's file begins with.
  private static func heading(of text: String) -> String {
    guard let line = text.split(separator: "\n").first, line.hasPrefix("#") else { return "" }
    return String(line.drop { $0 == "#" || $0 == " " })
  }
}
