import ArgumentParser

/// The root of the command line. Each subcommand is one file beside this one.
@main
struct Kmemu: ParsableCommand {
  /// The one place that says which kmemu this is.
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "kmemu",
    abstract: "Emulates how the Linux kernel allocates memory on machines you do not have.",
    discussion: """
      Results go to stdout, everything else to stderr. Exit status: 0 good, 1 an expectation \
      failed, 2 a kernel rule was broken, 64 usage, 65 bad scenario or other input, 66 missing \
      input, 70 an error of kmemu itself, 74 I/O, 130 interrupted.
      """,
    version: version,
    subcommands: subcommands)

  private static let subcommands: [any ParsableCommand.Type] = [
    RunCommand.self, CheckCommand.self, StudyCommand.self, ListCommand.self, TopologyCommand.self,
    VerifyCommand.self, ExplainCommand.self,
  ]

  static func main() {
    Console.ignoreBrokenPipes()
    Replay.arm()
    self.main(nil)
  }
}
