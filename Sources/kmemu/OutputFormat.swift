import ArgumentParser

/// `--format` of every command that reports.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}
