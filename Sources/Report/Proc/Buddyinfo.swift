import Run

extension ProcFiles {
  /// `/proc/buddyinfo`. Kernel: `frag_show_print()`, mm/vmstat.c (6.12).
  package static func buddyinfo(_ zones: [RunResult.Zone]) -> String {
    var text = ""
    for zone in zones where zone.presentPages > 0 {
      text += "Node \(zone.node), zone \(right(zone.zone, 8)) "
      for count in zone.freeByOrder { text += right(count, 6) + " " }
      text += "\n"
    }
    return text
  }
}
