import Foundation
import Testing

/// The style guide as far as a machine can read it.
@Suite struct StyleTests {
  /// A file is a room. Past 300 lines ask what it wants to become; past 600 it is refused.
  @Test func filesAreShort() throws {
    for file in try SourceTree.swiftFiles(under: "Sources") {
      #expect(file.lines.count <= 600, "\(file.path) has \(file.lines.count) lines")
    }
  }

  /// But for the switch over all paths, which is as long as there are paths.
  @Test func functionsAreShort() throws {
    for file in try SourceTree.swiftFiles(under: "Sources")
    where !file.path.hasSuffix("Kernel/Engine/Frame+Run.swift") {
      for (name, length) in functions(in: file) {
        #expect(length <= 70, "\(file.path): `\(name)` has \(length) lines")
      }
    }
  }

  /// A function runs from its `func` or `init` line to the closing brace of the same indent.
  private func functions(in file: SourceTree.File) -> [(String, Int)] {
    var found: [(String, Int)] = []
    var open: (name: String, indent: Int, line: Int)?
    for (number, line) in file.lines.enumerated() {
      let indent = line.prefix { $0 == " " }.count
      let body = line.dropFirst(indent)
      if let start = open {
        guard indent == start.indent, body.hasPrefix("}") else { continue }
        found.append((start.name, number - start.line + 1))
        open = nil
      } else if body.contains("func ") || body.contains(" init(") || body.hasPrefix("init(") {
        guard !body.hasPrefix("//"), !body.hasSuffix("}") else { continue }
        open = (String(body.prefix(60)), indent, number)
      }
    }
    return found
  }

  @Test func nothingIsLeftOver() throws {
    let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "fatal" + "Error(", "not " + "implemented"]
    for folder in ["Sources", "Tests"] {
      for file in try SourceTree.swiftFiles(under: folder) {
        for word in words {
          #expect(!file.text.contains(word), "\(file.path) says \(word)")
        }
      }
    }
  }

  /// Unsafe code is in the files listed here, and nowhere else.
  @Test func unsafeCodeHasItsPlaces() throws {
    let places = [
      "Sources/Simulation/Buffer.swift", "Sources/HostTopology/", "Sources/kmemu/Gunzip.swift",
      // Signals, descriptors, processes: calls of the C library.
      "Sources/kmemu/OutputFile.swift", "Sources/kmemu/Interruption.swift",
      "Sources/kmemu/Replay.swift", "Sources/kmemu/UnfinishedFiles.swift",
      "Sources/Study/StudyStore.swift",
    ]
    for file in try SourceTree.swiftFiles(under: "Sources") {
      guard !places.contains(where: { file.path.hasPrefix($0) }) else { continue }
      let isUnsafe = file.lines.contains {
        !$0.trimmingCharacters(in: .whitespaces).hasPrefix("//") && $0.contains("unsafe ")
      }
      #expect(
        !isUnsafe || ["bench"].contains(file.module),
        "\(file.path) has unsafe code")
    }
  }

  /// A generic member that crosses a module without being inlined is never specialised.
  @Test func nothingIsInlinableAndPackage() throws {
    for file in try SourceTree.swiftFiles(under: "Sources") {
      #expect(!file.text.contains("@inlinable package"), "\(file.path)")
    }
  }

  /// The model is deterministic: no clock, no system randomness, no hash order, no task.
  @Test func theModelIsDeterministic() throws {
    let banned = [
      "Date()", "SystemRandomNumberGenerator", ".random(in", ".shuffled()", "ContinuousClock",
      "clock_gettime", "Hasher()", "Task {", "async ",
    ]
    for module in ["Simulation", "Topology", "Hardware", "Kernel", "Run"] {
      for file in try SourceTree.swiftFiles(under: "Sources/\(module)") {
        for word in banned { #expect(!file.text.contains(word), "\(file.path) says \(word)") }
      }
    }
  }

  /// Nanoseconds have their home in cost files; a kernel constant of time is cited where it stands.
  @Test func nanosecondsLiveInCostFiles() throws {
    let kernelConstants = [
      "Sources/Kernel/Core/SoftIRQ.swift", "Sources/Kernel/Core/Ticks.swift",
      "Sources/Kernel/Engine/Machine+Tasks.swift",
      "Sources/Kernel/Engine/Machine+SharedLocks.swift",
      "Sources/Kernel/Memory/Page/AllocPagesSlowpath.swift",
    ]
    for module in ["Kernel", "Run", "Hardware"] {
      for file in try SourceTree.swiftFiles(under: "Sources/\(module)") {
        guard !kernelConstants.contains(file.path) else { continue }
        for (number, line) in file.lines.enumerated()
        where line.contains(/nanoseconds\(\d/) || line.contains(/picoseconds: [1-9]\d/) {
          Issue.record("\(file.path):\(number + 1) has a time of its own: \(line)")
        }
      }
    }
  }

  /// What depends on the release says which function of which file shows it.
  @Test func rulesOfReleasesAreCited() throws {
    var fields = 0
    for file in try SourceTree.swiftFiles(under: "Sources/Kernel/Version")
    where file.path.hasSuffix("Rules.swift") {
      for (number, line) in file.lines.enumerated() where line.hasPrefix("  package var ") {
        fields += 1
        let comment = file.lines[..<number].reversed().prefix { $0.hasPrefix("  ///") }
        let text = comment.reversed().map { $0.dropFirst(6) }.joined(separator: " ")
        #expect(
          text.contains(/`.+`.*\((mm|include|arch|kernel)\/[^ ]+\.[ch][;,] (from )?\d/),
          "\(file.path):\(number + 1) cites no file: \(line)")
      }
    }
    #expect(fields >= 10)
  }

  /// Every markdown file has one title, and its links to files of the repository lead somewhere.
  @Test func documentsAreWhole() throws {
    var documents = try SourceTree.files(under: "docs") { $0.hasSuffix(".md") }
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
      let url = SourceTree.root.appending(path: name)
      guard let text = try? String(contentsOf: url, encoding: .utf8) else {
        Issue.record("\(name) is missing")
        continue
      }
      documents.append(SourceTree.File(path: name, text: text))
    }
    for document in documents {
      var isCode = false
      var titles = 0
      for line in document.lines {
        if line.hasPrefix("```") { isCode.toggle() }
        if !isCode, line.hasPrefix("# ") { titles += 1 }
      }
      #expect(titles == 1, "\(document.path) has \(titles) titles")
      for match in document.text.matches(of: /\]\(([^)#\s]+)[^)]*\)/) {
        let target = String(match.1)
        guard !target.contains("://"), !target.hasPrefix("mailto:") else { continue }
        let folder = SourceTree.root.appending(path: document.path).deletingLastPathComponent()
        let exists = FileManager.default.fileExists(atPath: folder.appending(path: target).path)
        #expect(exists, "\(document.path) links to \(target)")
      }
    }
  }

  /// Nothing at the top but what belongs there.
  @Test func theTopIsTidy() throws {
    let known: Set<String> = [
      "Package.swift", "Package.resolved", "Sources", "Scenarios", "Tests", "tools", "docs",
      "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore", ".swift-format",
      ".spi.yml", ".ci", ".git", ".build", ".swiftpm",
    ]
    for name in try FileManager.default.contentsOfDirectory(atPath: SourceTree.root.path) {
      #expect(known.contains(name) || name.hasPrefix(".build"), "\(name) is at the top")
    }
  }
}
