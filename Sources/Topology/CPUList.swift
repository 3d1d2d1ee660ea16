/// A set of CPU numbers in the kernel's list form: `0-3,8`.
///
/// Printing gives what `/sys/devices/system/node/node0/cpulist` gives. Reading takes all of that
/// file's grammar, with steps: `0-15:2/4` is the first two of every four.
///
/// Kernel: `bitmap_print_to_pagebuf()`, `bitmap_parselist()` (lib/bitmap.c, lib/bitmap-str.c, 6.12).
/// Not modelled: `all`, and `N` for the last CPU.
public struct CPUList: Sendable, Equatable {
  /// Ascending, each once.
  public let cpus: [Int]

  public init(_ cpus: some Sequence<Int>) {
    var sorted = cpus.sorted()
    var kept = 0
    for index in sorted.indices where index == 0 || sorted[index] != sorted[kept - 1] {
      sorted[kept] = sorted[index]
      kept += 1
    }
    sorted.removeSubrange(kept...)
    self.cpus = sorted
  }

  /// Reads a list. The numbers must be below `limit`.
  ///
  /// - Throws: `badCPUList` with the part that is wrong.
  public init(parsing text: String, below limit: Int = Limits.cpusMax) throws(TopologyError) {
    var cpus: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let trimmed = part.filter { $0 != " " && $0 != "\n" }
      guard let range = Self.numbers(trimmed, below: limit) else {
        throw TopologyError(
          .badCPUList, "\"\(part)\" in the CPU list \"\(text)\" is no range of CPUs",
          hint: "write numbers and ranges below \(limit), as in 0-3,8 or 0-15:2/4")
      }
      cpus += range
    }
    self.init(cpus)
  }

  /// One part: `5`, `0-7`, `0-7:1/2`. Nil when it is none, or ends below its start.
  private static func numbers(_ part: String, below limit: Int) -> [Int]? {
    let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(pieces.count) else { return nil }
    let ends = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
    guard (1...2).contains(ends.count), let first = number(ends[0]),
      let last = number(ends[ends.count - 1]), first <= last, last < limit
    else { return nil }
    if pieces.count == 1 { return Array(first...last) }
    let step = pieces[1].split(separator: "/", omittingEmptySubsequences: false)
    guard ends.count == 2, step.count == 2, let used = number(step[0]), let group = number(step[1]),
      0 < used, used <= group
    else { return nil }
    return (first...last).filter { ($0 - first) % group < used }
  }

  /// Digits only: `Int` by itself would take a sign.
  private static func number(_ digits: Substring) -> Int? {
    digits.allSatisfy(\.isASCII) && digits.allSatisfy(\.isNumber) ? Int(digits) : nil
  }

  /// The list with steps where they make it shorter: `0-15:1/4` for 0, 4, 8 and 12.
  public var compact: String {
    let plain = description
    guard cpus.count >= 3 else { return plain }
    let step = cpus[1] - cpus[0]
    guard step > 1, zip(cpus, cpus.dropFirst()).allSatisfy({ $1 - $0 == step }) else {
      return plain
    }
    return "\(cpus[0])-\(cpus[cpus.count - 1]):1/\(step)"
  }
}

extension CPUList: CustomStringConvertible {
  public var description: String {
    var parts: [String] = []
    var index = 0
    while index < cpus.count {
      var end = index
      while end + 1 < cpus.count, cpus[end + 1] == cpus[end] + 1 { end += 1 }
      parts.append(end == index ? "\(cpus[index])" : "\(cpus[index])-\(cpus[end])")
      index = end + 1
    }
    return parts.joined(separator: ",")
  }
}
