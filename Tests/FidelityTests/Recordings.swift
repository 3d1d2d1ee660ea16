import Foundation

/// Where the recorded answers of real kernels are, beside the package or copied into it.
enum Recordings {
  /// The folder of all recordings; only some machines have it.
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("../shared/groundtruth").standardizedFileURL

  /// The recorded boots whose folder name begins so; empty, with a message, where there are none.
  static func boots(_ prefix: String) -> [URL] {
    let boot = folder.appendingPathComponent("boot")
    let all = try? FileManager.default.contentsOfDirectory(
      at: boot, includingPropertiesForKeys: nil)
    guard let all else {
      print("skipped: no recordings at \(folder.path); only the copied ones are compared")
      return []
    }
    return all.filter { $0.lastPathComponent.hasPrefix(prefix) }
      .sorted { $0.lastPathComponent < $1.lastPathComponent }
  }

  /// The rows of a CSV text as dictionaries; lines that begin with # are remarks.
  static func rows(_ text: String) -> [[String: String]] {
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    guard let header = lines.first?.split(separator: ",") else { return [] }
    return lines.dropFirst().map { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      return Dictionary(
        uniqueKeysWithValues: zip(header, cells).map { (String($0), String($1)) })
    }
  }

  /// A gzip file's text, unpacked by the system's own tool.
  static func unpacked(_ file: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", file.path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }
}
