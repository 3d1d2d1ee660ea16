import Simulation

/// The slab allocator's tracepoints, with the fields of include/trace/events/kmem.h (6.12).
///
/// Not modelled: `call_site`: programs have no addresses.
extension TraceEvent {
  static var kmallocFormat: EventFormat { allocation("kmalloc") }
  static var kmemCacheAllocFormat: EventFormat { allocation("kmem_cache_alloc") }
  static var kfreeFormat: EventFormat { free("kfree") }
  static var kmemCacheFreeFormat: EventFormat {
    free("kmem_cache_free", [.init("name", word: 1, .name)])
  }

  private static func allocation(_ name: String) -> EventFormat {
    EventFormat(
      name, system: "kmem", track: .tracepoint,
      fields: [
        .init("ptr", word: 0, .pointer), .init("bytes_req", word: 1, width: 32),
        .init("bytes_alloc", word: 1, shift: 32, width: 32),
        .init("gfp_flags", word: 2, width: 32, .gfp),
        .init("node", word: 2, shift: 32, width: 16, .signed),
        .init("accounted", word: 2, shift: 48, width: 8),
      ])
  }

  private static func free(_ name: String, _ more: [EventFormat.Field] = []) -> EventFormat {
    EventFormat(
      name, system: "kmem", track: .tracepoint,
      fields: [.init("ptr", word: 0, .pointer)] + more)
  }
}
