import Simulation

/// What the kernel counts, by /proc/vmstat's own names where it has one.
package enum VMStat: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  // Interrupts and calls; not in vmstat, shown by /proc/interrupts and /proc/softirqs.
  case ipisSent, ipisReceived, deviceInterrupts, softirqs, ksoftirqdWakeups
  case contextSwitches, workItems
  // Page allocator, as /proc/vmstat spells them; by kind of zone, in the order of `ZoneKind`.
  case pgalloc_dma, pgalloc_dma32, pgalloc_normal, pgalloc_movable, pgfree
  case numa_hit, numa_miss, numa_foreign, numa_local, numa_other
  // Not in vmstat: wake-ups of kswapd, failed allocations, and those for which Linux would have
  // reclaimed memory or killed a task first.
  case kswapd_wakeups, page_alloc_failures, would_reclaim
  // TLB flushes, as CONFIG_DEBUG_TLBFLUSH counts them.
  case nr_tlb_remote_flush_received, nr_tlb_local_flush_one

  /// The name in results.
  package var text: String { "\(self)" }
}

/// One number for each `VMStat`, over all CPUs. Not modelled: per-CPU batching of vmstat.
package struct Counters: ~Copyable {
  private var values: Buffer<UInt64>
  init() { values = Buffer(256, 0) }
  private init(values: consuming Buffer<UInt64>) { self.values = values }
  func clone() -> Counters { Counters(values: values.clone()) }

  @inline(__always)
  package mutating func add(_ counter: VMStat, _ count: UInt64 = 1) {
    values[Int(counter.rawValue)] &+= count
  }
  package subscript(counter: VMStat) -> UInt64 { values[Int(counter.rawValue)] }
  /// Forgets everything, as at the end of a warm-up.
  mutating func reset() { values = Buffer(256, 0) }
}
