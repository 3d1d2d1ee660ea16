import Simulation

/// Every traceable event, declared once: its number is its place here, its look is its `format`.
///
/// To add one: a case and its format. Tracepoints have the kernel's names and field names.
package enum TraceEvent: UInt16, CaseIterable, BitwiseCopyable, Sendable {
  case schedSwitch, schedWakeup
  case irqHandlerEntry, irqHandlerExit, softirqRaise, softirqEntry, softirqExit
  case callFunctionEntry, callFunctionExit
  case shootdownBegin, shootdownEnd, callQueued, callEntered, callDone
  case lockWaitBegin, lockWaitEnd, lockHoldBegin, lockHoldEnd
  case pathBegin, pathEnd
  case mmPageAlloc, mmPageFree, mmPageAllocZoneLocked, mmPagePcpuDrain, mmPageAllocExtfrag
  case mmVmscanWakeupKswapd
  case kmalloc, kfree, kmemCacheAlloc, kmemCacheFree
  case allocVmapArea, freeVmapAreaNoflush, purgeVmapAreaLazy, vmapLazyPages

  package var format: EventFormat {
    switch self {
    case .schedSwitch:
      EventFormat(
        "sched_switch", system: "sched", track: .threadSwitch,
        fields: [
          .init("prev_pid", word: 0, width: 32, .signed), .init("prev_state", word: 1),
          .init("next_pid", word: 0, shift: 32, width: 32, .signed),
        ])
    case .schedWakeup:
      EventFormat(
        "sched_wakeup", system: "sched", track: .tracepoint,
        fields: [.init("pid", word: 0, width: 32, .signed), .init("target_cpu", word: 1)])
    case .irqHandlerEntry:
      EventFormat(
        "irq_handler_entry", system: "irq", track: .entry(lane: "irq"),
        fields: [.init("irq", word: 0, .signed)])
    case .irqHandlerExit:
      EventFormat(
        "irq_handler_exit", system: "irq", track: .exit(lane: "irq"),
        fields: [.init("irq", word: 0, .signed)])
    case .softirqRaise: softirq("softirq_raise", .tracepoint)
    case .softirqEntry: softirq("softirq_entry", .entry(lane: "softirq"))
    case .softirqExit: softirq("softirq_exit", .exit(lane: "softirq"))
    case .callFunctionEntry:
      EventFormat(
        "call_function_entry", system: "irq_vectors", track: .entry(lane: "call_function"),
        fields: [.init("vector", word: 0)])
    case .callFunctionExit:
      EventFormat(
        "call_function_exit", system: "irq_vectors", track: .exit(lane: "call_function"),
        fields: [.init("vector", word: 0)])
    case .shootdownBegin: own("shootdown", .begin(lane: "shootdowns"))
    case .shootdownEnd:
      own("shootdown", .end(lane: "shootdowns"), [.init("slowest_cpu", word: 0)])
    case .callQueued:
      own(
        "call queued", .instantOut(lane: "shootdowns"),
        [.init("flow", word: 0), .init("target_cpu", word: 1)])
    case .callEntered:
      own("remote call", .flowIn(lane: "remote calls"), [.init("flow", word: 0)])
    case .callDone: own("remote call", .end(lane: "remote calls"))
    case .lockWaitBegin: own("lock wait", .begin(lane: "lock wait"), [Self.label])
    case .lockWaitEnd: own("lock wait", .end(lane: "lock wait"), [Self.label])
    case .lockHoldBegin: own("lock hold", .begin(lane: "lock hold"), [Self.label])
    case .lockHoldEnd: own("lock hold", .end(lane: "lock hold"), [Self.label])
    case .pathBegin: own("path", .begin(lane: "kernel"), [Self.label])
    case .pathEnd: own("path", .end(lane: "kernel"), [Self.label])
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
    case .vmapLazyPages: Self.vmapLazyPagesFormat
    }
  }

  private static var label: EventFormat.Field { .init("label", word: 0, .name) }

  private func softirq(_ name: String, _ track: EventFormat.Track) -> EventFormat {
    EventFormat(name, system: "irq", track: track, fields: [.init("vec", word: 0)])
  }
  private func own(
    _ name: String, _ track: EventFormat.Track, _ fields: [EventFormat.Field] = []
  ) -> EventFormat {
    EventFormat(name, system: "kmemu", track: track, fields: fields)
  }
}
