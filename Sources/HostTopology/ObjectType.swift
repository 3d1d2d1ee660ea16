/// The types of object that are passed on to hwloc, by the names that XML 2.x gives them.
enum ObjectType: Equatable {
  case machine, package, die, group, core, cpu, node, memorySideCache
  case cache(level: Int, isInstruction: Bool)

  init?(_ name: String) {
    switch name {
    case "Machine": self = .machine
    case "Package": self = .package
    case "Die": self = .die
    case "Group", "Tile", "Module": self = .group
    case "Core": self = .core
    case "PU": self = .cpu
    case "NUMANode": self = .node
    case "MemCache": self = .memorySideCache
    case "L1Cache", "L2Cache", "L3Cache", "L4Cache", "L5Cache":
      self = .cache(level: Int(name.dropFirst().prefix(1)) ?? 0, isInstruction: false)
    case "L1iCache", "L2iCache", "L3iCache":
      self = .cache(level: Int(name.dropFirst().prefix(1)) ?? 0, isInstruction: true)
    default: return nil
    }
  }

  var name: String {
    switch self {
    case .machine: "Machine"
    case .package: "Package"
    case .die: "Die"
    case .group: "Group"
    case .core: "Core"
    case .cpu: "PU"
    case .node: "NUMANode"
    case .memorySideCache: "MemCache"
    case .cache(let level, let isInstruction): "L\(level)\(isInstruction ? "i" : "")Cache"
    }
  }

  var isMemory: Bool { self == .node || self == .memorySideCache }

  /// The attributes with numbers that it takes along.
  var numbers: [String] {
    switch self {
    case .cache, .memorySideCache: ["cache_size", "depth", "cache_linesize", "cache_type"]
    case .node: ["local_memory"]
    case .group: ["kind", "subkind", "dont_merge"]
    case .machine, .package, .die, .core, .cpu: []
    }
  }

  /// A cache carries its level and kind twice: in its type and as attributes.
  func checkCache<Failure: Error>(
    _ attributes: [String: String], orElse failure: @autoclosure () -> Failure
  ) throws(Failure) {
    guard case .cache(let level, let isInstruction) = self else { return }
    let kinds = isInstruction ? ["2"] : ["0", "1"]
    guard attributes["depth"] == "\(level)", let kind = attributes["cache_type"],
      kinds.contains(kind)
    else { throw failure() }
  }
}
