/// Readers of the kernel's files as scripts have them: one expression a line, nothing of ours.
enum ProcReader {
  struct Unreadable: Error, CustomStringConvertible {
    let line: Substring
    var description: String { "cannot read: \(line)" }
  }

  private static func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }
  private static func numbers(_ text: some StringProtocol) -> [Int] {
    text.split(separator: " ").compactMap { Int($0) }
  }

  static func slabinfo(_ text: String) throws -> [(name: String, numbers: [Int])] {
    let all = lines(text)
    guard all.first == "slabinfo - version: 2.1", all[1].hasPrefix("# name ") else {
      throw Unreadable(line: all.first ?? "")
    }
    let row = /^(\S+) +([\d ]+) : tunables +([\d ]+) : slabdata +([\d ]+)$/
    return try all.dropFirst(2).map { line in
      guard let match = line.wholeMatch(of: row) else { throw Unreadable(line: line) }
      return (String(match.1), numbers(match.2) + numbers(match.3) + numbers(match.4))
    }
  }

  static func buddyinfo(_ text: String) throws -> [(node: Int, zone: String, counts: [Int])] {
    try lines(text).map { line in
      guard let match = line.wholeMatch(of: /Node (\d+), zone +(\w+) +([\d ]+)/),
        let node = Int(match.1)
      else { throw Unreadable(line: line) }
      return (node, String(match.2), numbers(match.3))
    }
  }

  struct Zone {
    var node: Int
    var zone: String
    var figures: [String: Int] = [:]
    var protection: [Int] = []
    var pagesets: [[String: Int]] = []
  }

  static func zoneinfo(_ text: String) throws -> [Zone] {
    var zones: [Zone] = []
    for line in lines(text) {
      if let match = line.wholeMatch(of: /Node (\d+), zone +(\w+)/) {
        zones.append(Zone(node: Int(match.1) ?? -1, zone: String(match.2)))
        continue
      }
      guard !zones.isEmpty else { throw Unreadable(line: line) }
      let last = zones.count - 1
      if line.contains(/^ +cpu: \d+$/) {
        zones[last].pagesets.append([:])
      } else if let match = line.wholeMatch(of: /\ +(count|high|batch): +(\d+)/) {
        zones[last].pagesets[zones[last].pagesets.count - 1][String(match.1)] = Int(match.2)
      } else if let match = line.wholeMatch(of: /\ +protection: \(([\d, ]+)\)/) {
        zones[last].protection = numbers(match.1.replacing(",", with: ""))
      } else if let match = line.wholeMatch(of: /\ +(pages free|\w+):? +(\d+)/) {
        zones[last].figures[String(match.1)] = Int(match.2)
      } else if !line.contains("stats") && !line.contains("pagesets") {
        throw Unreadable(line: line)
      }
    }
    return zones
  }

  struct Area {
    var start: UInt64
    var bytes: UInt64
    var pages = 0
    var words: [String] = []
    var nodes: [Int: Int] = [:]
  }

  static func vmallocinfo(_ text: String) throws -> [Area] {
    try lines(text).map { line in
      guard let match = line.wholeMatch(of: /0x([0-9a-f]{16})-0x([0-9a-f]{16}) +(\d+) (.*)/),
        let start = UInt64(match.1, radix: 16), let bytes = UInt64(match.3)
      else { throw Unreadable(line: line) }
      var area = Area(start: start, bytes: bytes)
      for word in match.4.split(separator: " ") {
        if let pages = word.wholeMatch(of: /pages=(\d+)/) {
          area.pages = Int(pages.1) ?? -1
        } else if let node = word.wholeMatch(of: /N(\d+)=(\d+)/), let number = Int(node.1) {
          area.nodes[number] = Int(node.2)
        } else {
          area.words.append(String(word))
        }
      }
      return area
    }
  }

  static func vmstat(_ text: String) throws -> [(name: String, value: Int)] {
    try lines(text).map { line in
      guard let match = line.wholeMatch(of: /(\w+) (\d+)/), let value = Int(match.2) else {
        throw Unreadable(line: line)
      }
      return (String(match.1), value)
    }
  }

  struct Interrupt {
    var name: String
    var counts: [Int]
    var title: String
  }

  static func interrupts(_ text: String) throws -> (cpus: [Int], rows: [Interrupt]) {
    let all = lines(text)
    guard let head = all.first else { throw Unreadable(line: "") }
    let cpus = head.split(separator: " ").compactMap { Int($0.dropFirst(3)) }
    let rows = try all.dropFirst().map { line in
      guard let match = line.wholeMatch(of: /\ *(\w+): +([\d ]+)(?:  +([^\d ].*))?/) else {
        throw Unreadable(line: line)
      }
      return Interrupt(
        name: String(match.1), counts: numbers(match.2), title: String(match.3 ?? ""))
    }
    return (cpus, rows)
  }
}
