import Simulation

/// Every traceable event, declared once: its number is its place here, its look is its `format`.
///
/// To add one: a case and its format. Tracepoints have the kernel's names and field names.
package enum TraceEvent: UInt16, CaseIterable, BitwiseCopyable, Sendable {
  case schedSwitch, schedWaking, schedWakeup
  case irqHandlerEntry, irqHandlerExit, softirqRaise, softirqEntry, softirqExit
  case callFunctionEntry, callFunctionExit, rescheduleEntry, rescheduleExit
  case localTimerEntry, localTimerExit
  case shootdownBegin, shootdownBeginRange, shootdownEnd, callQueued, callWaitBegin, callWaitEnd,
    callEntered, callDone
  case irqsOffBegin, irqsOffEnd
  case lockWaitBegin, lockWaitEnd, lockHoldBegin, lockHoldEnd
  case pathBegin, pathBeginOrder, pathBeginSize, pathBeginAddress, pathBeginRange
  case pathEnd, pathEndNumber, pathEndAddress, pathEndPage
  case mmPageAlloc, mmPageFree, mmPageAllocZoneLocked, mmPagePcpuDrain, mmPageAllocExtfrag
  case mmVmscanWakeupKswapd
  case kmalloc, kfree, kmemCacheAlloc, kmemCacheFree
  case allocVmapArea, freeVmapAreaNoflush, purgeVmapAreaLazy
  case nrFreePages, nrSlabs, nrSlabsOfCache, vmapLazyNr, lazyMaxPages
  case vmapUsedPages, vmapHighestPage

  package var format: EventFormat {
    switch self {
    case .schedSwitch:
      EventFormat(
        "sched_switch", system: "sched", track: .threadSwitch,
        fields: [
          .init("prev_pid", word: 0, width: 32, .signed), .init("prev_state", word: 1),
          .init("next_pid", word: 0, shift: 32, width: 32, .signed),
        ])
    case .schedWaking: wakeup("sched_waking")
    case .schedWakeup: wakeup("sched_wakeup")
    case .irqHandlerEntry:
      EventFormat(
        "irq_handler_entry", system: "irq", track: .entry(lane: "irq"),
        fields: [.init("irq", word: 0, .signed), .init("name", word: 1, .name)])
    case .irqHandlerExit:
      EventFormat(
        "irq_handler_exit", system: "irq", track: .exit(lane: "irq"),
        fields: [.init("irq", word: 0, .signed), .init("ret", word: 1, .signed)])
    case .softirqRaise: softirq("softirq_raise", .tracepoint)
    case .softirqEntry: softirq("softirq_entry", .entry(lane: "softirq"))
    case .softirqExit: softirq("softirq_exit", .exit(lane: "softirq"))
    case .callFunctionEntry: vector("call_function_entry", .entry(lane: "call_function"))
    case .callFunctionExit: vector("call_function_exit", .exit(lane: "call_function"))
    case .rescheduleEntry: vector("reschedule_entry", .entry(lane: "reschedule"))
    case .rescheduleExit: vector("reschedule_exit", .exit(lane: "reschedule"))
    case .localTimerEntry: vector("local_timer_entry", .entry(lane: "local_timer"))
    case .localTimerExit: vector("local_timer_exit", .exit(lane: "local_timer"))
    case .shootdownBegin: Self.shootdown([])
    case .shootdownBeginRange:
      Self.shootdown([.init("start", word: 1, .pointer), .init("pages", word: 2)])
    case .shootdownEnd: Self.shootdownEndFormat
    case .callQueued: Self.callQueuedFormat
    case .callWaitBegin: own("csd_lock_wait", .begin(lane: "cross-CPU calls"))
    case .callWaitEnd: own("csd_lock_wait", .end(lane: "cross-CPU calls"))
    case .callEntered: Self.callEnteredFormat
    case .callDone: own("call done", .end(lane: "remote calls"))
    case .irqsOffBegin: own("irqs off", .begin(lane: "irqs off"), Self.label)
    case .irqsOffEnd: own("irqs off", .end(lane: "irqs off"))
    case .lockWaitBegin: Self.lockWaitBeginFormat
    case .lockWaitEnd: own("lock wait", .end(lane: "lock wait"), Self.lockFields)
    case .lockHoldBegin: own("lock hold", .begin(lane: "lock hold"), Self.lockFields)
    case .lockHoldEnd: own("lock hold", .end(lane: "lock hold"), Self.lockFields)
    case .pathBegin: Self.path([])
    case .pathBeginOrder: Self.pathBeginOrderFormat
    case .pathBeginSize: Self.path([.init("size", word: 1)])
    case .pathBeginAddress: Self.path([.init("addr", word: 1, .pointer)])
    case .pathBeginRange:
      Self.path([.init("start", word: 1, .pointer), .init("pages", word: 2)])
    case .pathEnd: Self.pathEnd([])
    case .pathEndNumber: Self.pathEnd([.init("ret", word: 1, .signed)])
    case .pathEndAddress: Self.pathEnd([.init("ret", word: 1, .pointer)])
    case .pathEndPage: Self.pathEnd([.init("ret_pfn", word: 1, .signed)])
    case .mmPageAlloc: Self.mmPageAllocFormat
    case .mmPageFree: Self.mmPageFreeFormat
    case .mmPageAllocZoneLocked: Self.mmPageAllocZoneLockedFormat
    case .mmPagePcpuDrain: Self.mmPagePcpuDrainFormat
    case .mmPageAllocExtfrag: Self.mmPageAllocExtfragFormat
    case .mmVmscanWakeupKswapd: Self.mmVmscanWakeupKswapdFormat
    case .kmalloc: Self.kmallocFormat
    case .kfree: Self.kfreeFormat
    case .kmemCacheAlloc: Self.kmemCacheAllocFormat
    case .kmemCacheFree: Self.kmemCacheFreeFormat
    case .allocVmapArea: Self.allocVmapAreaFormat
    case .freeVmapAreaNoflush: Self.freeVmapAreaNoflushFormat
    case .purgeVmapAreaLazy: Self.purgeVmapAreaLazyFormat
    case .nrFreePages:
      Self.counter("nr_free_pages", unit: "pages", of: .init("label", word: 1, .name))
    case .nrSlabs: Self.counter("nr_slabs", unit: "slabs")
    case .nrSlabsOfCache:
      Self.counter("nr_slabs", unit: "slabs", of: .init("label", word: 1, .name))
    case .vmapLazyNr: Self.counter("vmap_lazy_nr", unit: "pages")
    case .lazyMaxPages: Self.counter("lazy_max_pages", unit: "pages")
    case .vmapUsedPages: Self.counter("vmap_used_pages", unit: "pages")
    case .vmapHighestPage: Self.counter("vmap_highest_page", unit: "pages")
    }
  }

  private func wakeup(_ name: String) -> EventFormat {
    EventFormat(
      name, system: "sched", track: .tracepoint,
      fields: [.init("pid", word: 0, width: 32, .signed), .init("target_cpu", word: 1)])
  }
  private func vector(_ name: String, _ track: EventFormat.Track) -> EventFormat {
    EventFormat(name, system: "irq_vectors", track: track, fields: [.init("vector", word: 0)])
  }
  private func softirq(_ name: String, _ track: EventFormat.Track) -> EventFormat {
    EventFormat(name, system: "irq", track: track, fields: [.init("vec", word: 0)])
  }
  private func own(
    _ name: String, _ track: EventFormat.Track, _ fields: [EventFormat.Field] = []
  ) -> EventFormat {
    Self.own(name, track, fields)
  }
}
