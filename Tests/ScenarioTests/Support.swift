import Foundation
import HostTopology
import Topology

@testable import Scenario

/// A scenario around some steps of one thread.
func steps(_ steps: String, more: String = "") -> String {
  """
  scenario: 1
  \(more)
  threads:
    - name: t
      on: all
      steps: \(steps)
  """
}

/// Checks a text on a machine with two nodes of two CPUs, whatever it asks for.
func check(
  _ text: String, file: String = "test.yaml", folder: String = "",
  _ overrides: Overrides = Overrides(), machine: String = "package:2 numa:1 core:2 pu:1"
) -> Result<CheckedScenario, ScenarioError> {
  check(Array(text.utf8), file: file, folder: folder, overrides, machine: machine)
}

func check(
  _ bytes: [UInt8], file: String = "test.yaml", folder: String = "",
  _ overrides: Overrides = Overrides(), machine: String = "package:2 numa:1 core:2 pu:1"
) -> Result<CheckedScenario, ScenarioError> {
  do {
    return .success(
      try Scenarios.check(bytes, file: file, folder: folder, overrides: overrides) {
        (source) throws(TopologyError) in
        try HostTopology.describe(source == .host ? .synthetic(machine) : source)
      })
  } catch {
    return .failure(error)
  }
}

/// The codes of all errors, in order.
func codes(_ text: String) -> [String] {
  switch check(text) {
  case .success: []
  case .failure(let error): error.diagnostics.map(\.code)
  }
}

/// The first error as the user sees it.
func firstError(_ text: String) -> String {
  switch check(text) {
  case .success: "none"
  case .failure(let error): error.diagnostics[0].rendered()
  }
}

let repository = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()
