import Kernel

@testable import Run

/// A result made by hand, small and whole, for tests to change.
extension RunResult {
  static func sample() -> RunResult {
    var time = [String: UInt64](
      uniqueKeysWithValues: TimeCategory.allCases.map { ($0.key, 0) })
    time["slab_ns"] = 200_960_000
    time["cache_lines_ns"] = 178_560_000
    time["lock_wait_ns"] = 116_480_000
    time["page_allocator_ns"] = 19_840_000
    time["workload_ns"] = 108_160_000
    time["idle_ns"] = 16_000_000
    return RunResult(
      name: "remote-free", title: "one node allocates, the other frees", seed: 1, kernel: "6.12",
      costs: "xeon-8375c",
      machine: MachineSummary(
        source: "host", cpus: 32, nodes: 2, packages: 2, cores: 32, memoryBytes: 64 << 30,
        distances: [[10, 21], [21, 10]]),
      timeNs: 20_000_000, warmupNs: 0, events: 8_900_000, wallS: 0.41, eventsPerS: 21_700_000,
      fingerprint: "00000ab35f0c9e1d", ended: "complete",
      operations: [
        "kmalloc(256)": operation(612_334, p50: 21, p99: 290.4),
        "kfree": operation(611_902, p50: 64.2, p99: 610),
        "kmem_cache_alloc(a_cache_with_a_long_name)": operation(3, p50: 120_000, p99: 4_000_000),
      ], cpuTime: time,
      topPaths: ["slab_ns": "__slab_free", "page_allocator_ns": "rmqueue_pcplist"],
      counters: ["pgalloc_normal": 824, "pgfree": 0, "ipis_sent": 62], caches: [cache],
      slabPages: 824,
      zones: [zone(0, "DMA32"), zone(0, "Normal"), zone(1, "Normal")],
      vmalloc: Vmalloc(
        areas: 2, lazyPages: 17, lazyMaxPages: 49_152, purges: 1, pages: 516,
        allocations: 3, lazyFrees: 1, deferredFrees: 0, purgedAreas: 0, tlbMisses: 4,
        staleAccesses: 0, list: areas),
      tlb: TLB(
        shootdowns: 2, ipisSent: 62, ipisReceived: 62, flushAll: 0, flushOne: 0,
        waitNs: TLB.Wait(mean: 3100.5, max: 4200), slowestCpu: 17),
      locks: [
        lock("list_lock kmalloc-256/0", contended: 41_209, total: 72_800_000),
        lock("zone Normal/0", contended: 211, total: 104_000),
        lock("pcp Normal/0 cpu 3", contended: 0, total: 0),
      ],
      interrupts: Interrupts(
        sources: [
          Interrupts.Source(
            name: "eth0", arrivals: 12, cpus: [0, 1],
            handledByCpu: [6, 6] + [UInt64](repeating: 0, count: 30))
        ], callFunction: 62, device: 12, softirqs: 12, ksoftirqdWakeups: 3, contextSwitches: 5,
        runQueueWaitNs: TLB.Wait(mean: 400, max: 900),
        callFunctionByCpu: [UInt64](repeating: 2, count: 32), rescheduleByCpu: []),
      violations: [], violationCount: 0, warnings: [], warningCount: 0, wouldReclaim: 0,
      notes: [], stateBytesPerCpu: 2048)
  }

  /// A run in which nothing happened.
  static func empty() -> RunResult {
    var result = sample()
    (result.operations, result.counters, result.cpuTime, result.topPaths) = ([:], [:], [:], [:])
    (result.caches, result.zones, result.locks) = ([], [], [])
    result.vmalloc = Vmalloc(
      areas: 0, lazyPages: 0, lazyMaxPages: 0, purges: 0, pages: 0, allocations: 0, lazyFrees: 0,
      deferredFrees: 0, purgedAreas: 0, tlbMisses: 0, staleAccesses: 0, list: [])
    result.tlb = TLB(
      shootdowns: 0, ipisSent: 0, ipisReceived: 0, flushAll: 0, flushOne: 0,
      waitNs: TLB.Wait(mean: 0, max: 0), slowestCpu: -1)
    result.interrupts = Interrupts(
      sources: [], callFunction: 0, device: 0, softirqs: 0, ksoftirqdWakeups: 0,
      contextSwitches: 0, runQueueWaitNs: TLB.Wait(mean: 0, max: 0), callFunctionByCpu: [],
      rescheduleByCpu: [])
    (result.events, result.eventsPerS, result.wallS, result.timeNs) = (0, 0, 0, 0)
    return result
  }

  static func violation(cpu: Int, timeNs: Double) -> Violation {
    Violation(
      kind: "sleeping-in-atomic",
      headline: "BUG: sleeping function called from invalid context at alloc_vmap_area", cpu: cpu,
      timeNs: timeNs,
      context: "in softirq net-rx, interrupted thread reader",
      path: ["net_rx_action", "vmalloc", "__vmalloc_node", "alloc_vmap_area"],
      message: """
        vmalloc may sleep and must not be called in interrupt context. Use kmalloc with \
        GFP_ATOMIC (<= 8 KiB here stays in slabs), or defer to a work queue.
        """)
  }

  private static func operation(_ count: UInt64, p50: Double, p99: Double) -> Operation {
    Operation(
      count: count, failed: 0, throughputPerS: Double(count) / 0.02,
      latencyNs: Latency(
        min: p50 / 2, mean: p50 * 1.2, p50: p50, p90: p50 * 1.75, p99: p99, max: p99 * 14))
  }

  private static var cache: Cache {
    Cache(
      name: "kmalloc-256", objectSize: 256, slabSize: 256, objectsPerSlab: 32, order: 1,
      slabs: 412, activeObjects: 11_997, objects: 13_184, partial: 9, isReclaimable: false,
      slabsByNode: [400, 12],
      stats: [
        "alloc_fastpath": 540_691, "alloc_slowpath": 71_643, "alloc_slab": 1225,
        "free_fastpath": 73_428, "free_slowpath": 538_474, "free_remote_cpu": 550_000,
        "free_remote_node": 538_000,
      ])
  }

  private static func zone(_ node: Int, _ name: String) -> Zone {
    Zone(
      node: node, zone: name, startPfn: name == "DMA32" ? 4096 : 1 << 20, spannedPages: 1_044_480,
      presentPages: 784_000, managedPages: 767_744, freePages: 767_000,
      freeByOrder: [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 748],
      watermarks: Zone.Watermarks(min: 5283, low: 6603, high: 7923, promo: 9243), boost: 0,
      protection: name == "DMA32" ? [0, 0, 28_000] : [0, 0, 0],
      pagesets: (0..<32).map {
        Zone.PerCPUPages(
          cpu: $0, count: 30 + $0, high: 288, batch: 63, highMin: 206, highMax: 5996)
      })
  }

  private static func lock(_ name: String, contended: UInt64, total: Double) -> Lock {
    Lock(
      name: name, type: "spinlock", acquisitions: contended * 3 + 7, contended: contended,
      depthMax: 3, crossNode: contended / 2,
      waitNs: Lock.Times(
        total: total, mean: contended > 0 ? total / Double(contended) : 0, max: total / 10_000),
      holdNs: Lock.Times(total: total / 6, mean: 40, max: 900))
  }

  private static var areas: [Vmalloc.Area] {
    let start: UInt64 = 0xffff_c900_0000_0000
    return [
      Vmalloc.Area(
        start: start, end: start + 20_480, pages: 4, nodes: [4, 0],
        isVmap: false, hasVmallocedArray: false, isUnpurged: false),
      Vmalloc.Area(
        start: start + 20_480, end: start + 20_480 + 2_625_536, pages: 640,
        nodes: [320, 320], isVmap: false, hasVmallocedArray: true, isUnpurged: false),
      Vmalloc.Area(
        start: start + 4_194_304, end: start + 4_202_496, pages: 0, nodes: [],
        isVmap: false, hasVmallocedArray: false, isUnpurged: true),
    ]
  }
}
