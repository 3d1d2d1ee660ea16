import Foundation

/// Where a machine's description comes from, as a user names it.
public enum MachineSource: Sendable, Equatable {
  /// The machine kmemu runs on.
  case host
  /// An hwloc XML file, as `lstopo machine.xml` writes it.
  case file(String)
  /// An hwloc synthetic string: `package:2 numa:2 l3:4 core:8 pu:2`.
  case synthetic(String)

  /// `host`; or a file, when it ends in `.xml`, holds a slash or names something that exists; or
  /// else a synthetic string. Never fails: what is wrong shows when it is described.
  public static func parse(_ text: String) -> MachineSource {
    if text == "host" { return .host }
    let isFile =
      text.hasSuffix(".xml") || text.contains("/") || FileManager.default.fileExists(atPath: text)
    return isFile ? .file(text) : .synthetic(text)
  }

  /// How reports name it.
  public var name: String {
    switch self {
    case .host: "host"
    case .file(let path):
      String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
    case .synthetic(let string): string
    }
  }
}
