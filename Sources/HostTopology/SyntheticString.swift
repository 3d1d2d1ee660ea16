import Topology

/// hwloc synthetic strings, looked at before hwloc builds millions of objects from one, and after
/// it refused one without saying why.
///
/// Grammar: levels from the outside in, `type:count` or a bare count, each with attributes in
/// parentheses behind it; memory attached to a level in brackets.
enum SyntheticString {
  /// Longest string taken. Unit: bytes.
  private static let bytesMax = 1 << 16

  private struct Level {
    var type: Substring
    var count: Substring
  }

  private static let types = [
    "machine", "package", "socket", "die", "group", "tile", "module", "numa", "node", "l5", "l4",
    "l3", "l2", "l1", "l1d", "l1i", "l2i", "l3i", "core", "pu", "cache", "memcache",
  ]

  /// Refuses what would build a machine beyond the limits.
  static func check(_ string: String) throws(TopologyError) {
    guard string.utf8.count <= bytesMax else {
      throw refusal("it is longer than \(bytesMax) bytes")
    }
    guard string.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
      throw refusal("it holds characters beyond ASCII")
    }
    let levels = try levels(string)
    guard !levels.isEmpty else { throw refusal("it is empty") }
    var product = 1
    for level in levels {
      guard let count = number(level.count), count > 0 else {
        throw refusal("\"\(level.count)\" in it is no count")
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: count)
      product = overflow ? .max : next
    }
    guard product <= Limits.cpusMax else {
      throw MachineDescription.tooManyCPUs(product)
    }
    try checkIndexes(string)
  }

  /// Whether it says how much memory a node has; hwloc invents 1 GiB if not.
  static func saysMemory(_ string: String) -> Bool {
    string.lowercased().split(separator: "(").dropFirst().contains { $0.contains("memory=") }
  }

  /// Whether it has caches without a size; hwloc takes 32 KiB, 4 MiB and 16 MiB by level.
  static func leavesCacheSizes(_ string: String) -> Bool {
    let caches = ((try? levels(string)) ?? []).count { level in
      let name = level.type.lowercased()
      return name.hasPrefix("cache") || (name.hasPrefix("l") && name.dropFirst().first == "1")
        || ["l2", "l3", "l4", "l5"].contains { name.hasPrefix($0) }
    }
    return string.lowercased().split(separator: "size=", omittingEmptySubsequences: false).count
      - 1 < caches
  }

  /// Why hwloc may have refused it: its interface gives no reason.
  static func diagnosis(_ string: String) -> TopologyError {
    guard let levels = try? levels(string) else {
      return refusal("hwloc does not understand it")
    }
    for level in levels where !level.type.isEmpty {
      let name = level.type.lowercased()
      let isKnown = types.contains { known in
        name.hasPrefix(known) || (name.count >= 2 && known.hasPrefix(name))
      }
      if !isKnown { return refusal("\"\(level.type)\" is no kind of level") }
    }
    if let last = levels.last?.type.lowercased(), !last.isEmpty, !"pu".hasPrefix(last) {
      return refusal("its last level is \"\(last)\" instead of pu")
    }
    return refusal("hwloc does not understand it")
  }

  private static func refusal(_ reason: String) -> TopologyError {
    TopologyError(
      .badSynthetic, "not a synthetic machine: \(reason)",
      hint: "list levels from the outside in and end with pu, as in "
        + "\"package:2 numa:2 l3:4 core:8 pu:2\"; or name a file, or host")
  }

  /// The levels, without attributes and attached memory.
  private static func levels(_ string: String) throws(TopologyError) -> [Level] {
    var levels: [Level] = []
    var depth = 0
    var word = ""
    for character in string + " " {
      switch character {
      case "(", "[": depth += 1
      case ")", "]": depth -= 1
      default: break
      }
      guard depth >= 0 else { throw refusal("a \(character) in it closes nothing") }
      if depth > 0 || character == ")" || character == "]" { continue }
      if character != " " {
        word.append(character)
        continue
      }
      if !word.isEmpty { levels.append(try level(word)) }
      word = ""
    }
    guard depth == 0 else { throw refusal("a parenthesis or bracket in it stays open") }
    return levels
  }

  private static func level(_ word: String) throws(TopologyError) -> Level {
    let pieces = word.split(separator: ":", omittingEmptySubsequences: false)
    if pieces.count == 1, number(pieces[0]) != nil { return Level(type: "", count: pieces[0]) }
    guard pieces.count == 2 else {
      throw refusal("\"\(word)\" is not of the form level:count")
    }
    return Level(type: pieces[0], count: pieces[1])
  }

  /// As strtoul reads it with base 0.
  private static func number(_ digits: Substring) -> Int? {
    guard digits.first?.isNumber == true else { return nil }
    if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
      return Int(digits.dropFirst(2), radix: 16)
    }
    return digits.hasPrefix("0") && digits.count > 1 ? Int(digits, radix: 8) : Int(digits)
  }

  /// OS numbers given by hand are bits of hwloc's sets: a large one is a large set for each CPU.
  private static func checkIndexes(_ string: String) throws(TopologyError) {
    for piece in string.split(separator: "indexes=").dropFirst() {
      let value = piece.prefix { $0 != " " && $0 != ")" }
      for digits in value.split(whereSeparator: { !$0.isNumber }) {
        guard let number = Int(digits), number <= Limits.osNumberMax else {
          throw refusal("the index \(digits) is above the limit of \(Limits.osNumberMax)")
        }
      }
    }
  }
}
