import Topology

/// A set of OS numbers as hwloc writes it: `0x0000ffff,,0xffffffff`, the highest word first.
struct BitSet: Equatable {
  /// 32 numbers each, the lowest first, without zeros at the top.
  private(set) var words: [UInt32]

  /// Nil where the text is no finite set below `Limits.osNumberMax`.
  init?(_ text: String) {
    var words: [UInt32] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false).reversed() {
      let digits = part.hasPrefix("0x") ? part.dropFirst(2) : part
      guard let word = digits.isEmpty && !part.hasPrefix("0x") ? 0 : UInt32(digits, radix: 16),
        !digits.hasPrefix("+"), words.count * 32 <= Limits.osNumberMax
      else { return nil }
      words.append(word)
    }
    self.init(words: words)
  }

  init(words: [UInt32] = []) {
    self.words = words
    while self.words.last == 0 { self.words.removeLast() }
  }

  init(only number: Int) {
    words = Array(repeating: 0, count: number / 32 + 1)
    words[number / 32] = 1 << (number % 32)
  }

  var isEmpty: Bool { words.isEmpty }

  func isSubset(of other: BitSet) -> Bool {
    words.count <= other.words.count && zip(words, other.words).allSatisfy { $0 & ~$1 == 0 }
  }

  func isDisjoint(with other: BitSet) -> Bool {
    zip(words, other.words).allSatisfy { $0 & $1 == 0 }
  }

  mutating func formUnion(_ other: BitSet) {
    while words.count < other.words.count { words.append(0) }
    for index in other.words.indices { words[index] |= other.words[index] }
  }
}

extension BitSet: CustomStringConvertible {
  var description: String {
    if words.isEmpty { return "0x0" }
    return words.reversed().map { "0x" + String($0, radix: 16) }.joined(separator: ",")
  }
}
