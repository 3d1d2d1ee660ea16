import Hardware
import Kernel

/// Compares zoneinfo: watermarks and list sizes of a page allocator built with the zones
/// that the file has.
///
/// In go the managed pages of each zone and the sysctls; everything else is the answer. The marks
/// of a boot are set before its init memory is given back, so only a file written after the marks
/// were set anew follows the formulas: recordings call it zoneinfo_refreshed. The reserves
/// (`protection:`) are not set anew, so they are not compared.
package enum ZoneParameters {
  /// The sysctls that change the figures; nil: as the kernel computes it.
  package struct Settings: Sendable, Equatable {
    package var freeMinKiB: Int?
    package var markScale = 10
    package var listFraction = 0
    package init() {}

    /// Reads `min_free_kbytes = 6887` lines; others are passed over.
    package init(parsing text: String) {
      for (_, line) in TextLines(text: text) {
        let words = line.split { " =\t".contains($0) }
        guard words.count >= 2, let value = Int(words[1]), (0...1 << 30).contains(value) else {
          continue
        }
        switch words[0].split(separator: ".").last {
        case "min_free_kbytes": freeMinKiB = value
        case "watermark_scale_factor": markScale = value
        case "percpu_pagelist_high_fraction": listFraction = value
        default: break
        }
      }
    }
  }

  package static func compare(
    _ text: String, file: String, machine: RecordedMachine, settings: Settings,
    version: KernelVersion
  ) throws(RecordingError) -> FileAgreement {
    let info = try ZoneInfo(parsing: text, file: file)
    var agreement = FileAgreement(
      file: file, kind: .zones, kernel: version.name, machine: machine.text)
    let zones = info.zones.filter { $0["managed"] > 0 }
    let pages = try allocator(zones, file, machine, settings, version)
    for (number, zone) in zones.enumerated() {
      compareMarks(zone, pages.zones[number], &agreement)
      compareLists(zone, pages.zones[number], &agreement)
    }
    if !agreement.differences.isEmpty {
      agreement.notes.append(
        "marks are set at boot, before init memory is given back; write "
          + "/proc/sys/vm/min_free_kbytes back to itself to have them set anew, then record")
    }
    return agreement
  }

  /// The page allocator of a machine with these zones.
  private static func allocator(
    _ zones: [ZoneInfo.Zone], _ file: String, _ machine: RecordedMachine, _ settings: Settings,
    _ version: KernelVersion
  ) throws(RecordingError) -> PageAllocator {
    var known: [(node: NodeID, kind: ZoneKind, pages: Int)] = []
    for zone in zones {
      guard let kind = ZoneKind.allCases.first(where: { $0.name == zone.name }),
        zone.node < machine.nodes.count, zone["managed"] <= 1 << 28
      else {
        throw RecordingError(
          .badZoneInfo, file: file, line: zone.line, "\(zone.title) cannot be on this machine",
          hint: "the machine has \(machine.text); zones are DMA, DMA32, Normal and Movable")
      }
      known.append((NodeID(zone.node), kind, zone["managed"]))
    }
    guard !known.isEmpty, known.reduce(0, { $0 + $1.pages }) <= 1 << 30 else {
      throw RecordingError(
        .badZoneInfo, file: file, "no zone has managed pages, or all have too many",
        hint: "is it a whole zoneinfo?")
    }
    var page = PageSettings.standard
    page.rules = version.pages
    page.freeMinKiB = settings.freeMinKiB
    page.hugePages = false
    page.markScale = settings.markScale
    page.listFraction = settings.listFraction
    return PageAllocator(
      ZoneLayout(managed: known), cpuCounts: machine.nodes.map(\.count), settings: page,
      distance: { machine.distances[$0.index][$1.index] })
  }

  private static func compareMarks(
    _ recorded: ZoneInfo.Zone, _ zone: Zone, _ agreement: inout FileAgreement
  ) {
    let boost = recorded["boost"]
    let marks = [
      ("min", zone.marks.min), ("low", zone.marks.low), ("high", zone.marks.high),
      ("promo", zone.marks.promo),
    ]
    for (key, mark) in marks {
      guard let (value, line) = recorded.values[key] else { continue }
      // The mark of promotion is the one that a boost does not raise.
      let emulated = key == "promo" ? mark : mark + boost
      agreement.compare(
        FigureDifference(
          line: line, subject: recorded.title, key: key, recorded: "\(value)",
          emulated: "\(emulated)"), group: "watermarks")
    }
  }

  private static func compareLists(
    _ recorded: ZoneInfo.Zone, _ zone: Zone, _ agreement: inout FileAgreement
  ) {
    let sizing = zone.sizing
    let (least, most) = (Int(sizing.highMin), Int(sizing.highMax))
    for set in recorded.pageSets {
      let subject = "\(recorded.title), cpu \(set.cpu)"
      for (key, emulated) in [
        ("batch", Int(sizing.batch)), ("high_min", least), ("high_max", most),
      ] {
        guard let (value, line) = set.values[key] else { continue }
        agreement.compare(
          FigureDifference(
            line: line, subject: subject, key: key, recorded: "\(value)",
            emulated: "\(emulated)"), group: key)
      }
      // `high` tunes itself between the two. It is 0 as long as the CPU has used no list of the
      // zone, and may still be below the least where that was raised after its last use.
      guard let (value, line) = set.values["high"] else { continue }
      // Up to 6.6 it is one number that nothing tunes.
      if zone.sizing.tuning == .freeFactor {
        agreement.compare(
          FigureDifference(
            line: line, subject: subject, key: "high", recorded: "\(value)", emulated: "\(least)"),
          group: "high")
        continue
      }
      agreement.compareVarying(
        FigureDifference(
          line: line, subject: subject, key: "high", recorded: "\(value)",
          emulated: "\(least) to \(most)"),
        isInRange: (0...most).contains(value))
    }
  }
}
