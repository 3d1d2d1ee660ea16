import Run

extension ProcFiles {
  /// `/proc/vmallocinfo`: areas, then those freed but not yet purged.
  ///
  /// Who called is left out, as the kernel does where it does not know.
  /// Kernel: `vmalloc_info_show()`, `show_numa_info()`, `show_purge_info()`, mm/vmalloc.c (6.12).
  package static func vmallocinfo(_ vmalloc: RunResult.Vmalloc) -> String {
    var text = ""
    for area in vmalloc.list {
      text += pointer(area.start) + "-" + pointer(area.end)
      text += " " + right(area.end - area.start, 7)
      guard !area.isUnpurged else {
        text += " unpurged vm_area\n"
        continue
      }
      guard !area.isMapRAM else {
        text += " vm_map_ram\n"
        continue
      }
      if area.pages > 0 { text += " pages=\(area.pages)" }
      if area.isVmap { text += " vmap" } else { text += " vmalloc" }
      if area.hasVmallocedArray { text += " vpages" }
      for (node, pages) in area.nodes.enumerated() where pages > 0 { text += " N\(node)=\(pages)" }
      text += "\n"
    }
    return text
  }
}
