import Foundation
import Testing

/// The module map of docs/ARCHITECTURE.md, and the folders inside Kernel: an arrow points down.
@Suite struct ModuleMapTests {
  static let own = [
    "Simulation", "Topology", "HostTopology", "Timeline", "Hardware", "Kernel", "Run", "Scenario",
    "Report", "Study", "kmemu",
  ]
  /// What each module may import of ours.
  static let mayUse: [String: Set<String>] = [
    "Simulation": [], "Topology": [], "HostTopology": ["Topology"], "Timeline": ["Simulation"],
    "Hardware": ["Simulation", "Topology"], "Kernel": ["Hardware", "Simulation", "Topology"],
    "Run": ["Kernel", "Hardware", "Simulation", "Topology"],
    "Scenario": [
      "Run", "Kernel", "Hardware", "Simulation", "HostTopology", "Topology", "BundledScenarios",
    ],
    "Report": ["Run", "Kernel", "Hardware", "Timeline", "Simulation", "Topology"],
    "Study": [
      "Scenario", "Run", "Report", "Kernel", "Hardware", "Simulation", "HostTopology", "Topology",
    ],
  ]
  static let withoutFoundation = [
    "Simulation", "Topology", "Hardware", "Kernel", "Run", "Timeline",
  ]

  static func imports(of file: SourceTree.File) -> [String] {
    file.lines.compactMap { line in
      let words = line.split(separator: " ")
      guard let place = words.firstIndex(of: "import"), place < 2, words.count > place + 1 else {
        return nil
      }
      return String(words[place + 1])
    }
  }

  @Test func importsPointDown() throws {
    for file in try SourceTree.swiftFiles(under: "Sources") {
      guard let allowed = Self.mayUse[file.module] else { continue }
      for module in Self.imports(of: file) where Self.own.contains(module) {
        #expect(allowed.contains(module), "\(file.path) imports \(module)")
      }
    }
  }

  @Test func theModelKnowsNoFoundation() throws {
    for file in try SourceTree.swiftFiles(under: "Sources")
    where Self.withoutFoundation.contains(file.module) {
      let imports = Self.imports(of: file)
      #expect(!imports.contains("Foundation"), "\(file.path) imports Foundation")
      let libraryIsAllowed = file.path == "Sources/Simulation/Buffer.swift"
      #expect(!imports.contains("Glibc") || libraryIsAllowed, "\(file.path) imports Glibc")
    }
  }

  /// What the folders of Kernel may not name: mechanisms and core know nothing above them.
  @Test func kernelFoldersPointDown() throws {
    for file in try SourceTree.swiftFiles(under: "Sources/Kernel") {
      guard file.folders.count > 3 else { continue }
      let folder = file.folders[2]
      if folder == "Memory" || folder == "Core" || folder == "Engine" {
        let isList = [
          "Engine/Frame.swift", "Engine/Frame+Run.swift", "Engine/Frame+Name.swift",
          "Engine/World.swift", "Core/SoftIRQ.swift", "Engine/Machine.swift",
          "Engine/Machine+Invariants.swift",
        ].contains { file.path.hasSuffix($0) }
        #expect(
          isList || !file.text.contains("ProgramPath") && !file.text.contains("world.program."),
          "\(file.path) names the workload")
      }
      if folder == "Memory" {
        #expect(
          !file.text.contains("extension Machine") && !file.text.contains("inout Machine"),
          "\(file.path) reaches into the engine")
      }
    }
  }
}
