import Hardware

/// Where a CPU's time goes. The categories of `cpu_time` in a result; they add up exactly.
package enum TimeCategory: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case idle, workload, slab, pageAllocator, vmalloc, cacheLines, lockWait, crossCPUWait, tlb
  case interrupt, softirq, scheduler

  /// The key in a result's `cpu_time`.
  package var key: String {
    switch self {
    case .idle: "idle_ns"
    case .workload: "workload_ns"
    case .slab: "slab_ns"
    case .pageAllocator: "page_allocator_ns"
    case .vmalloc: "vmalloc_ns"
    case .cacheLines: "cache_lines_ns"
    case .lockWait: "lock_wait_ns"
    case .crossCPUWait: "cross_cpu_wait_ns"
    case .tlb: "tlb_ns"
    case .interrupt: "interrupt_ns"
    case .softirq: "softirq_ns"
    case .scheduler: "scheduler_ns"
    }
  }

  /// As a report says it.
  package var title: String {
    switch self {
    case .idle: "idle"
    case .workload: "workload's own work"
    case .slab: "slab allocator"
    case .pageAllocator: "page allocator"
    case .vmalloc: "vmalloc and page tables"
    case .cacheLines: "cache lines from elsewhere"
    case .lockWait: "waiting for locks"
    case .crossCPUWait: "waiting for other CPUs"
    case .tlb: "TLB flushes and misses"
    case .interrupt: "interrupts"
    case .softirq: "softirqs"
    case .scheduler: "scheduler"
    }
  }
}

extension Work {
  /// Where the time of this work is booked.
  var category: TimeCategory {
    switch self {
    case .slubAllocFast, .slubFreeFast, .slubSlowStep, .slubFreeSlow, .slubListEdit,
      .slubInitObject, .kmallocLookup, .slabAllocFast, .slabFreeFast, .slabMoveObject,
      .slabSlabObject, .slabInitObject, .slabReapCache, .rcuCall, .slubAllocMasked,
      .slubFreeMasked, .slubBulkObject, .irqDisableEnable, .irqSaveRestore, .slubDebugLine,
      .slubDebugTrack, .slobWalkStep:
      .slab
    case .pcpListOp, .buddyStep, .watermarkCheck, .clearPage, .zeroLine: .pageAllocator
    case .treeStep, .listEdit, .pteWrite, .pteClear, .tablePage, .vmapLine,
      .pteWriteBarrier:
      .vmalloc
    case .invlpg, .tlbFlushAll, .tlbMissWalkStep, .invpcidOne, .cr4Toggle, .invlpgb, .tlbsync,
      .tlbi, .tlbiSync, .tlbiSyncCpu:
      .tlb
    case .tlbHit, .memoryAccess: .workload
    case .callQueued, .callFunctionEntry, .timerTick: .interrupt
    case .softirqEntry, .rcuCore: .softirq
    case .workQueueOp, .wakeUp: .scheduler
    }
  }
}
