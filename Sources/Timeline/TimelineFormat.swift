/// The file formats of timelines, chosen by the suffix of the file's name.
public enum TimelineFormat: String, CaseIterable, Sendable {
  /// Perfetto's protobuf.
  case perfetto = ".pftrace"
  /// Chrome's trace event JSON.
  case chrome = ".json"

  public var suffix: String { rawValue }

  /// - Throws: `UnknownTimelineSuffix`, which names the suffixes that are known.
  public init(path: String) throws(UnknownTimelineSuffix) {
    guard let format = Self.allCases.first(where: { path.hasSuffix($0.suffix) }) else {
      throw UnknownTimelineSuffix(path: path)
    }
    self = format
  }
}

public struct UnknownTimelineSuffix: Error, Equatable, CustomStringConvertible {
  public let path: String
  public var description: String {
    let known = TimelineFormat.allCases.map(\.suffix).joined(separator: ", ")
    return "the suffix of '\(path)' names no timeline format; known suffixes: \(known)"
  }
}
