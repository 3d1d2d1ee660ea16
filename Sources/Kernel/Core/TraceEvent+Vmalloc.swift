import Simulation

/// How vmalloc's tracepoints look. Kernel: include/trace/events/vmalloc.h (6.12).
///
/// Not modelled: `vstart` and `vend` of `alloc_vmap_area`, which are the same in every record here.
extension TraceEvent {
  static var allocVmapAreaFormat: EventFormat {
    EventFormat(
      "alloc_vmap_area", system: "vmalloc", track: .tracepoint,
      fields: [
        .init("addr", word: 0, .pointer), .init("size", word: 1),
        .init("align", word: 2, width: 32), .init("failed", word: 2, shift: 63, width: 1),
      ])
  }
  static var freeVmapAreaNoflushFormat: EventFormat {
    EventFormat(
      "free_vmap_area_noflush", system: "vmalloc", track: .tracepoint,
      fields: [
        .init("va_start", word: 0, .pointer), .init("nr_lazy", word: 1),
        .init("nr_lazy_max", word: 2),
      ])
  }
  static var purgeVmapAreaLazyFormat: EventFormat {
    EventFormat(
      "purge_vmap_area_lazy", system: "vmalloc", track: .tracepoint,
      fields: [
        .init("start", word: 0, .pointer), .init("end", word: 1, .pointer),
        .init("npurged", word: 2),
      ])
  }
}
