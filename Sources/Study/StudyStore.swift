import Foundation

/// The folder of a study: `results/KEY.json` for each finished run, and what is made of them.
///
/// Invariant: a file in it is whole. It is written beside its place under a name of this process
/// and renamed, so that an interrupted study leaves finished results and nothing else.
package struct StudyStore: Sendable {
  package let folder: String

  /// Makes the folder where it is not there yet, and takes away what a killed study left.
  package init(_ folder: String) throws {
    self.folder = folder
    let results = folder + "/results"
    try FileManager.default.createDirectory(atPath: results, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: results)
    where name.hasSuffix(".part") && !Self.isAlive(writerOf: name) {
      try? FileManager.default.removeItem(atPath: "\(results)/\(name)")
    }
  }

  /// Whether the process in `KEY.json.1234.part` still runs.
  private static func isAlive(writerOf name: String) -> Bool {
    let parts = name.split(separator: ".")
    guard parts.count > 1, let process = pid_t(parts[parts.count - 2]) else { return false }
    return kill(process, 0) == 0
  }

  package func path(of key: StudyKey) -> String { "\(folder)/results/\(key.text).json" }

  /// What a finished run found; nil where there is none, or no readable one.
  package func figures(of key: StudyKey) -> StudyFigures? {
    FileManager.default.contents(atPath: path(of: key)).flatMap(StudyFigures.read)
  }

  package func save(_ result: Data, of key: StudyKey) throws {
    try Self.write(result, to: path(of: key))
  }

  package func write(_ text: String, as name: String) throws {
    try Self.write(Data(text.utf8), to: "\(folder)/\(name)")
  }

  private static func write(_ data: Data, to path: String) throws {
    let temporary = "\(path).\(ProcessInfo.processInfo.processIdentifier).part"
    do {
      try data.write(to: URL(filePath: temporary))
      guard unsafe rename(temporary, path) == 0 else {
        throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path])
      }
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }
}

extension StudyRuns {
  /// Takes what earlier runs of the study have finished.
  package mutating func reuse(_ store: StudyStore) {
    for index in runs.indices where runs[index].outcome == .pending {
      guard let key = runs[index].key, let figures = store.figures(of: key) else { continue }
      runs[index].outcome = .finished(figures)
    }
  }
}
