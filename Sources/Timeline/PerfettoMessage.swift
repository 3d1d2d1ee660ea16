/// Perfetto's messages for the kernel's tracepoints, as data.
///
/// Source: `protos/perfetto/trace/ftrace/ftrace_event.proto` and its neighbours, Perfetto 0.59.1
/// (`perfetto_trace_pb2` of the PyPI wheel). A tracepoint that is not here is written as a
/// `GenericFtraceEvent`. A field of an event that its message does not know (the node of a
/// `kmalloc`) is left out: Perfetto has no place for it.
struct PerfettoMessage {
  struct Field {
    enum Kind: Equatable {
      case number, string
      /// The name of the thread whose number the event's field `of` holds.
      case threadName(of: String)
    }
    let name: String
    let tag: Int
    let kind: Kind
    /// What is written if the event has no such field.
    let absent: UInt64?

    init(_ name: String, _ tag: Int, _ kind: Kind = .number, absent: UInt64? = nil) {
      (self.name, self.tag, self.kind, self.absent) = (name, tag, kind, absent)
    }
  }
  /// The tracepoint's name.
  let name: String
  /// The field's number in `FtraceEvent`.
  let tag: Int
  let fields: [Field]

  private init(_ name: String, _ tag: Int, _ fields: Field...) {
    (self.name, self.tag, self.fields) = (name, tag, fields)
  }

  /// The message of tracepoint `name`, if Perfetto has one.
  static func named(_ name: String) -> PerfettoMessage? { all.first { $0.name == name } }

  /// A thread of the kernel without a nice value has this priority.
  private static let defaultPriority: UInt64 = 120

  static let all: [PerfettoMessage] = [
    PerfettoMessage(
      "sched_switch", 4,
      .init("prev_comm", 1, .threadName(of: "prev_pid")), .init("prev_pid", 2),
      .init("prev_prio", 3, .number, absent: defaultPriority), .init("prev_state", 4),
      .init("next_comm", 5, .threadName(of: "next_pid")), .init("next_pid", 6),
      .init("next_prio", 7, .number, absent: defaultPriority)),
    PerfettoMessage(
      "sched_wakeup", 17,
      .init("comm", 1, .threadName(of: "pid")), .init("pid", 2),
      .init("prio", 3, .number, absent: defaultPriority), .init("success", 4),
      .init("target_cpu", 5)),
    PerfettoMessage(
      "sched_wakeup_new", 114,
      .init("comm", 1, .threadName(of: "pid")), .init("pid", 2),
      .init("prio", 3, .number, absent: defaultPriority), .init("success", 4),
      .init("target_cpu", 5)),
    PerfettoMessage(
      "sched_waking", 20,
      .init("comm", 1, .threadName(of: "pid")), .init("pid", 2),
      .init("prio", 3, .number, absent: defaultPriority), .init("success", 4),
      .init("target_cpu", 5)),
    PerfettoMessage(
      "sched_migrate_task", 491,
      .init("comm", 1, .threadName(of: "pid")), .init("pid", 2),
      .init("prio", 3, .number, absent: defaultPriority), .init("orig_cpu", 4),
      .init("dest_cpu", 5), .init("running", 6), .init("load", 7)),
    PerfettoMessage(
      "sched_process_exit", 238,
      .init("comm", 1, .threadName(of: "pid")), .init("pid", 2), .init("tgid", 3),
      .init("prio", 4, .number, absent: defaultPriority)),
    PerfettoMessage(
      "irq_handler_entry", 36,
      .init("irq", 1), .init("name", 2, .string), .init("handler", 3)),
    PerfettoMessage(
      "irq_handler_exit", 37,
      .init("irq", 1), .init("ret", 2)),
    PerfettoMessage(
      "softirq_entry", 24,
      .init("vec", 1)),
    PerfettoMessage(
      "softirq_exit", 25,
      .init("vec", 1)),
    PerfettoMessage(
      "softirq_raise", 26,
      .init("vec", 1)),
    PerfettoMessage(
      "ipi_entry", 21,
      .init("reason", 1, .string)),
    PerfettoMessage(
      "ipi_exit", 22,
      .init("reason", 1, .string)),
    PerfettoMessage(
      "ipi_raise", 23,
      .init("target_cpus", 1), .init("reason", 2, .string)),
    PerfettoMessage(
      "workqueue_queue_work", 59,
      .init("work", 1), .init("function", 2), .init("req_cpu", 4), .init("cpu", 5),
      .init("workqueue", 6, .string)),
    PerfettoMessage(
      "workqueue_activate_work", 56,
      .init("work", 1), .init("function", 2)),
    PerfettoMessage(
      "workqueue_execute_start", 58,
      .init("work", 1), .init("function", 2)),
    PerfettoMessage(
      "workqueue_execute_end", 57,
      .init("work", 1), .init("function", 2)),
    PerfettoMessage(
      "kmalloc", 299,
      .init("bytes_alloc", 1), .init("bytes_req", 2), .init("call_site", 3), .init("gfp_flags", 4),
      .init("ptr", 5)),
    PerfettoMessage(
      "kmalloc_node", 300,
      .init("bytes_alloc", 1), .init("bytes_req", 2), .init("call_site", 3), .init("gfp_flags", 4),
      .init("node", 5), .init("ptr", 6)),
    PerfettoMessage(
      "kfree", 298,
      .init("call_site", 1), .init("ptr", 2)),
    PerfettoMessage(
      "kmem_cache_alloc", 301,
      .init("bytes_alloc", 1), .init("bytes_req", 2), .init("call_site", 3), .init("gfp_flags", 4),
      .init("ptr", 5)),
    PerfettoMessage(
      "kmem_cache_alloc_node", 302,
      .init("bytes_alloc", 1), .init("bytes_req", 2), .init("call_site", 3), .init("gfp_flags", 4),
      .init("node", 5), .init("ptr", 6)),
    PerfettoMessage(
      "kmem_cache_free", 303,
      .init("call_site", 1), .init("ptr", 2)),
    PerfettoMessage(
      "mm_page_alloc", 307,
      .init("gfp_flags", 1), .init("migratetype", 2), .init("order", 3), .init("page", 4),
      .init("pfn", 5)),
    PerfettoMessage(
      "mm_page_alloc_extfrag", 308,
      .init("alloc_migratetype", 1), .init("alloc_order", 2), .init("fallback_migratetype", 3),
      .init("fallback_order", 4), .init("page", 5), .init("change_ownership", 6), .init("pfn", 7)),
    PerfettoMessage(
      "mm_page_alloc_zone_locked", 309,
      .init("migratetype", 1), .init("order", 2), .init("page", 3), .init("pfn", 4)),
    PerfettoMessage(
      "mm_page_free", 310,
      .init("order", 1), .init("page", 2), .init("pfn", 3)),
    PerfettoMessage(
      "mm_page_free_batched", 311,
      .init("cold", 1), .init("page", 2), .init("pfn", 3)),
    PerfettoMessage(
      "mm_page_pcpu_drain", 312,
      .init("migratetype", 1), .init("order", 2), .init("page", 3), .init("pfn", 4)),
    PerfettoMessage(
      "mm_vmscan_direct_reclaim_begin", 46,
      .init("order", 1), .init("may_writepage", 2), .init("gfp_flags", 3)),
    PerfettoMessage(
      "mm_vmscan_direct_reclaim_end", 47,
      .init("nr_reclaimed", 1)),
    PerfettoMessage(
      "mm_vmscan_kswapd_wake", 48,
      .init("nid", 1), .init("order", 2), .init("zid", 3)),
    PerfettoMessage(
      "mm_vmscan_kswapd_sleep", 49,
      .init("nid", 1)),
    PerfettoMessage(
      "mm_shrink_slab_start", 443,
      .init("cache_items", 1), .init("delta", 2), .init("gfp_flags", 3), .init("lru_pgs", 4),
      .init("nr_objects_to_shrink", 5), .init("pgs_scanned", 6), .init("shr", 7),
      .init("shrink", 8), .init("total_scan", 9), .init("nid", 10), .init("priority", 11)),
    PerfettoMessage(
      "mm_shrink_slab_end", 444,
      .init("new_scan", 1), .init("retval", 2), .init("shr", 3), .init("shrink", 4),
      .init("total_scan", 5), .init("unused_scan", 6), .init("nid", 7)),
    PerfettoMessage(
      "mm_compaction_begin", 99,
      .init("zone_start", 1), .init("migrate_pfn", 2), .init("free_pfn", 3), .init("zone_end", 4),
      .init("sync", 5)),
    PerfettoMessage(
      "mm_compaction_end", 103,
      .init("zone_start", 1), .init("migrate_pfn", 2), .init("free_pfn", 3), .init("zone_end", 4),
      .init("sync", 5), .init("status", 6)),
    PerfettoMessage(
      "mark_victim", 334,
      .init("pid", 1)),
  ]
}
