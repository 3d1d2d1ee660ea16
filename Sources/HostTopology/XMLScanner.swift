/// A reader for the XML that hwloc writes: elements, attributes, character references, comments.
///
/// It refuses what such files never hold and what makes XML dangerous: entity declarations,
/// elements nested beyond `depthMax`. Errors carry the line.
struct XMLScanner {
  static let depthMax = 128

  enum Event {
    case start(name: String, attributes: [(name: String, value: String)])
    /// Character data between tags, when it is more than blanks.
    case text(String)
    case end(name: String)
  }

  struct Malformed: Error {
    var line: Int
    var reason: String
  }

  private let bytes: [UInt8]
  private var position = 0
  private var open: [String] = []
  /// The end of an element that closed itself, due at the next call.
  private var pendingEnd: String?
  private var hasRoot = false

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The next event, nil behind the end of the root element.
  mutating func next() throws(Malformed) -> Event? {
    if let name = pendingEnd {
      pendingEnd = nil
      return .end(name: name)
    }
    while position < bytes.count {
      if bytes[position] != UInt8(ascii: "<") {
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") { position += 1 }
        let text = bytes[start..<position]
        if text.allSatisfy(isBlank) { continue }
        guard !open.isEmpty else { throw malformed("text outside of the root element") }
        return .text(try unescaped(text))
      }
      if starts(with: "<?".utf8) {
        try skip(past: "?>".utf8)
      } else if starts(with: "<!--".utf8) {
        try skip(past: "-->".utf8)
      } else if starts(with: "<!".utf8) {
        try skipDoctype()
      } else if starts(with: "</".utf8) {
        return try endTag()
      } else {
        return try startTag()
      }
    }
    guard open.isEmpty, hasRoot else { throw malformed("the file ends early") }
    return nil
  }

  func malformed(_ reason: String) -> Malformed {
    let newline = UInt8(ascii: "\n")
    let line = bytes[..<min(position, bytes.count)].count { $0 == newline } + 1
    return Malformed(line: line, reason: reason)
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  private func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
      UInt8(ascii: "."), UInt8(ascii: ":"):
      true
    default: false
    }
  }

  private func starts(with text: String.UTF8View) -> Bool {
    bytes[position...].starts(with: text)
  }

  private mutating func skip(past end: String.UTF8View) throws(Malformed) {
    while position < bytes.count, !starts(with: end) { position += 1 }
    guard position < bytes.count else { throw malformed("the file ends early") }
    position += end.count
  }

  private mutating func skipDoctype() throws(Malformed) {
    guard starts(with: "<!DOCTYPE".utf8), !hasRoot else { throw malformed("a declaration inside") }
    while position < bytes.count, bytes[position] != UInt8(ascii: ">") {
      guard bytes[position] != UInt8(ascii: "[") else { throw malformed("entity declarations") }
      position += 1
    }
    position += 1
  }

  private mutating func skipBlanks() {
    while position < bytes.count, isBlank(bytes[position]) { position += 1 }
  }

  private mutating func name() throws(Malformed) -> String {
    let start = position
    while position < bytes.count, isName(bytes[position]) { position += 1 }
    guard position > start else { throw malformed("a name is missing") }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Malformed) {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else {
      throw malformed("\"\(character)\" is missing")
    }
    position += 1
  }

  private mutating func startTag() throws(Malformed) -> Event {
    guard !(open.isEmpty && hasRoot) else { throw malformed("a second root element") }
    position += 1
    let element = try name()
    hasRoot = true
    var attributes: [(name: String, value: String)] = []
    while true {
      skipBlanks()
      guard position < bytes.count else { throw malformed("the file ends early") }
      if bytes[position] == UInt8(ascii: "/") {
        position += 1
        try expect(">")
        pendingEnd = element
        return .start(name: element, attributes: attributes)
      }
      if bytes[position] == UInt8(ascii: ">") {
        position += 1
        open.append(element)
        guard open.count <= Self.depthMax else {
          throw malformed("elements nest deeper than \(Self.depthMax)")
        }
        return .start(name: element, attributes: attributes)
      }
      attributes.append(try attribute())
    }
  }

  private mutating func attribute() throws(Malformed) -> (name: String, value: String) {
    let key = try name()
    skipBlanks()
    try expect("=")
    skipBlanks()
    guard position < bytes.count, bytes[position] == 0x22 || bytes[position] == 0x27 else {
      throw malformed("the value of \(key) has no quotes")
    }
    let quote = bytes[position]
    position += 1
    let start = position
    while position < bytes.count, bytes[position] != quote, bytes[position] != UInt8(ascii: "<") {
      position += 1
    }
    guard position < bytes.count, bytes[position] == quote else {
      throw malformed("the value of \(key) does not end")
    }
    let value = try unescaped(bytes[start..<position])
    position += 1
    return (key, value)
  }

  private mutating func endTag() throws(Malformed) -> Event {
    position += 2
    let element = try name()
    skipBlanks()
    try expect(">")
    guard open.popLast() == element else {
      throw malformed("</\(element)> closes another element")
    }
    return .end(name: element)
  }

  /// The five entities of XML; character references stand for a blank, as nothing that is read
  /// from a topology file needs one.
  private func unescaped(_ raw: ArraySlice<UInt8>) throws(Malformed) -> String {
    let text = String(decoding: raw, as: UTF8.self)
    guard raw.contains(UInt8(ascii: "&")) else { return text }
    var result = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: "&") {
      result += rest[..<start]
      guard let end = rest[start...].firstIndex(of: ";") else { throw malformed("a lone &") }
      switch rest[rest.index(after: start)..<end] {
      case "lt": result += "<"
      case "gt": result += ">"
      case "amp": result += "&"
      case "quot": result += "\""
      case "apos": result += "'"
      case let reference where reference.hasPrefix("#"): result += " "
      default: throw malformed("an unknown entity")
      }
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }
}
