import Foundation

/// The files of the repository, as a tidy test reads them.
enum SourceTree {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  struct File {
    /// From the root: `Sources/Kernel/Core/Locks.swift`.
    let path: String
    let text: String
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var folders: [String] { path.split(separator: "/").map(String.init) }
    /// The module of a source file.
    var module: String { folders.count > 1 ? folders[1] : "" }
  }

  static func swiftFiles(under folder: String) throws -> [File] {
    try files(under: folder) { $0.hasSuffix(".swift") }
  }

  static func files(under folder: String, where isWanted: (String) -> Bool) throws -> [File] {
    let start = root.appending(path: folder)
    guard let walker = FileManager.default.enumerator(atPath: start.path) else { return [] }
    var found: [File] = []
    for case let name as String in walker where isWanted(name) {
      let url = start.appending(path: name)
      guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
      found.append(File(path: folder + "/" + name, text: text))
    }
    return found.sorted { $0.path < $1.path }
  }
}
