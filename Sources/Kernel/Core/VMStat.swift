import Simulation

/// What the kernel counts, by /proc/vmstat's own names where it has one.
package enum VMStat: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  // Interrupts and calls; not in vmstat, shown by /proc/interrupts and /proc/softirqs.
  case ipisSent, ipisReceived, ipiWrites, deviceInterrupts, softirqs, ksoftirqdWakeups
  case contextSwitches, workItems
  // Page allocator, as /proc/vmstat spells them; by kind of zone, in the order of `ZoneKind`.
  case pgalloc_dma, pgalloc_dma32, pgalloc_normal, pgalloc_high, pgalloc_movable,
    pgfree
  case numa_hit, numa_miss, numa_foreign, numa_local, numa_other
  // Not in vmstat: wake-ups of kswapd, failed allocations, and those for which Linux would have
  // reclaimed memory or killed a task first.
  case kswapd_wakeups, page_alloc_failures, would_reclaim
  // TLB flushes, as CONFIG_DEBUG_TLBFLUSH counts them.
  case nr_tlb_remote_flush_received, nr_tlb_local_flush_one

  /// The name in results and expectations: the kernel's as it is, ours spelled as the kernel would.
  package var text: String {
    "\(self)".reduce(into: "") { text, letter in
      if letter.isUppercase { text += "_" }
      text += letter.lowercased()
    }
  }

  /// What one unit of it is.
  package var title: String {
    switch self {
    case .ipisSent: "interrupts sent to run a function on another CPU"
    case .ipisReceived: "interrupts taken to run functions that other CPUs sent"
    case .ipiWrites: "writes of an interrupt register, or hypercalls, that sent those"
    case .deviceInterrupts: "interrupts of the workload's devices"
    case .softirqs: "runs of a softirq's action"
    case .ksoftirqdWakeups: "wake-ups of ksoftirqd"
    case .contextSwitches: "switches from one task to another"
    case .workItems: "work items run by kworkers"
    case .pgalloc_dma: "pages allocated from ZONE_DMA"
    case .pgalloc_dma32: "pages allocated from ZONE_DMA32"
    case .pgalloc_normal: "pages allocated from ZONE_NORMAL"
    case .pgalloc_high: "pages allocated from ZONE_HIGHMEM"
    case .pgalloc_movable: "pages allocated from ZONE_MOVABLE"
    case .pgfree: "pages freed"
    case .numa_hit: "blocks allocated on the node that was preferred"
    case .numa_miss: "blocks allocated on a node although another was preferred"
    case .numa_foreign: "blocks preferred on a node and allocated on another"
    case .numa_local: "blocks allocated on the node of the CPU"
    case .numa_other: "blocks allocated on another node than the CPU's"
    case .kswapd_wakeups: "times that kswapd would have been woken"
    case .page_alloc_failures: "page allocations that failed"
    case .would_reclaim: "failed requests that Linux would have reclaimed or killed for"
    case .nr_tlb_remote_flush_received: "TLB flushes run for another CPU"
    case .nr_tlb_local_flush_one: "pages flushed from a TLB one by one"
    }
  }
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
