/// /proc/zoneinfo as text, as far as it tells parameters. Kernel: `zoneinfo_show_print()`
/// (mm/vmstat.c, 6.12).
package struct ZoneInfo: Sendable {
  package struct PageSet: Sendable {
    package var cpu: Int
    /// `batch`, `high`, `high_min`, `high_max` and so on, with their lines.
    package var values: [String: (value: Int, line: Int)] = [:]
  }
  package struct Zone: Sendable {
    package var line: Int
    package var node: Int
    package var name: String
    package var values: [String: (value: Int, line: Int)] = [:]
    package var pageSets: [PageSet] = []

    package subscript(key: String) -> Int { values[key]?.value ?? 0 }
    /// `Node 0, zone DMA32`, as the file has it.
    package var title: String { "Node \(node), zone \(name)" }
  }
  package var zones: [Zone] = []

  package init(parsing text: String, file: String) throws(RecordingError) {
    for (number, line) in TextLines(text: text) {
      let words = line.split { " \t".contains($0) }
      guard let first = words.first else { continue }
      if first == "Node" {
        zones.append(try ZoneInfo.zone(words, file, number))
        continue
      }
      guard let zone = zones.indices.last else {
        throw RecordingError(
          .badZoneInfo, file: file, line: number, "`\(line.prefix(40))` before the first zone",
          hint: "expected `Node 0, zone DMA`")
      }
      if first == "cpu:" {
        guard words.count == 2, let cpu = Int(words[1]), (0...4095).contains(cpu) else {
          throw RecordingError(
            .badZoneInfo, file: file, line: number, "`\(line.prefix(40))` names no CPU",
            hint: "expected `cpu: 0`")
        }
        zones[zone].pageSets.append(PageSet(cpu: cpu))
      } else if words.count >= 2, let value = Int(words[words.count - 1]) {
        let key = words.dropLast().joined(separator: " ").filter { $0 != ":" }
        if let set = zones[zone].pageSets.indices.last {
          zones[zone].pageSets[set].values[key] = (value, number)
        } else {
          // `pages free 3712`; a name twice (`high` of old page sets) keeps its first value.
          zones[zone].values[key] = zones[zone].values[key] ?? (value, number)
        }
      }
    }
    guard !zones.isEmpty else {
      throw RecordingError(
        .badZoneInfo, file: file, "no zone in the whole file", hint: "expected `Node 0, zone DMA`")
    }
  }

  private static func zone(
    _ words: [Substring], _ file: String, _ line: Int
  ) throws(RecordingError) -> Zone {
    guard words.count == 4, words[2] == "zone", words[1].last == ",",
      let node = Int(words[1].dropLast()), (0...255).contains(node)
    else {
      throw RecordingError(
        .badZoneInfo, file: file, line: line, "a line that begins like a zone and names none",
        hint: "expected `Node 0, zone DMA32`")
    }
    return Zone(line: line, node: node, name: String(words[3]))
  }
}
