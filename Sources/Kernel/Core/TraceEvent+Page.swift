import Simulation

/// The page allocator's tracepoints, with the fields of include/trace/events/kmem.h and vmscan.h
/// (6.12). All but kswapd's: word 0 is the frame's number, word 1 holds small numbers.
extension TraceEvent {
  static var mmPageAllocFormat: EventFormat {
    page(
      "mm_page_alloc",
      [
        .init("order", word: 1, width: 8), .init("gfp_flags", word: 2, .gfp),
        .init("migratetype", word: 1, shift: 8, width: 8),
      ])
  }
  static var mmPageFreeFormat: EventFormat {
    page("mm_page_free", [.init("order", word: 1, width: 8)])
  }
  static var mmPageAllocZoneLockedFormat: EventFormat {
    page(
      "mm_page_alloc_zone_locked",
      [
        .init("order", word: 1, width: 8), .init("migratetype", word: 1, shift: 8, width: 8),
        .init("percpu_refill", word: 1, shift: 16, width: 8),
      ])
  }
  static var mmPagePcpuDrainFormat: EventFormat {
    page(
      "mm_page_pcpu_drain",
      [.init("order", word: 1, width: 8), .init("migratetype", word: 1, shift: 8, width: 8)])
  }
  static var mmPageAllocExtfragFormat: EventFormat {
    page(
      "mm_page_alloc_extfrag",
      [
        .init("alloc_order", word: 1, width: 8),
        .init("fallback_order", word: 1, shift: 16, width: 8),
        .init("alloc_migratetype", word: 1, shift: 8, width: 8),
        .init("fallback_migratetype", word: 1, shift: 24, width: 8),
        .init("change_ownership", word: 1, shift: 32, width: 8),
      ])
  }
  static var mmVmscanWakeupKswapdFormat: EventFormat {
    EventFormat(
      "mm_vmscan_wakeup_kswapd", system: "vmscan", track: .tracepoint,
      fields: [
        .init("nid", word: 0, width: 32), .init("zid", word: 0, shift: 32, width: 32),
        .init("order", word: 1, width: 8), .init("gfp_flags", word: 2, .gfp),
      ])
  }

  private static func page(_ name: String, _ fields: [EventFormat.Field]) -> EventFormat {
    EventFormat(
      name, system: "kmem", track: .tracepoint, fields: [.init("pfn", word: 0)] + fields)
  }
}
