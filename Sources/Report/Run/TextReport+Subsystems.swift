import Run

/// What the subsystems counted.
extension TextReport {
  // MARK: Locks

  /// The column names of `perf lock contention`.
  var locks: String? {
    let taken = result.locks.reduce(UInt64(0)) { $0 + $1.acquisitions }
    guard taken > 0 else { return nil }
    let waited = result.locks.filter { $0.contended > 0 }
    guard !waited.isEmpty || isVerbose else {
      return "locks\n  nobody waited: \(Figures.count(taken)) acquisitions of "
        + "\(Figures.count(result.locks.count)) lock\(result.locks.count == 1 ? "" : "s")\n"
    }
    let (rows, rest) = shortened(waited, to: 6, of: "locks that were waited for")
    var heads = ["contended", "total wait", "max wait", "avg wait", "type"]
    if isVerbose {
      heads = ["acquired"] + heads.dropLast() + ["max hold", "type"]
    }
    var table = FigureTable("locks", heads, words: [heads.count - 1])
    for lock in isVerbose ? result.locks : rows {
      let waits = [
        Figures.count(lock.contended), Figures.time(lock.waitNs.total),
        Figures.time(lock.waitNs.max), Figures.time(lock.waitNs.mean),
      ]
      let cells =
        isVerbose
        ? [Figures.count(lock.acquisitions)] + waits
          + [Figures.time(lock.holdNs.max), lock.type]
        : waits + [lock.type]
      table.rows.append((lock.name, cells))
    }
    table.footer = rest
    return table.text(paint)
  }

  // MARK: Slab caches

  /// slabinfo's columns, and by SLUB_STATS' counters how allocations and frees were served.
  var caches: String? {
    let used = result.caches.filter { isVerbose ? $0.slabs > 0 || $0.wasUsed : $0.wasUsed }
    guard !used.isEmpty else { return nil }
    let sorted = used.sorted { ($1.calls, $0.name) < ($0.calls, $1.name) }
    let (rows, rest) = shortened(sorted, to: 8, of: "caches in use")
    var table = FigureTable(
      "caches",
      ["objsize", "slabs", "objects", "used", "fast path", "refill", "new slab", "fast free"])
    for cache in rows {
      let (allocations, frees) = (Double(cache.allocations), Double(cache.frees))
      let slow = cache.stat("alloc_slowpath")
      let new = min(slow, cache.stat("alloc_slab"))
      func share(_ part: UInt64, of whole: Double) -> String {
        whole > 0 ? Figures.percent(Double(part), of: whole) : "-"
      }
      table.rows.append(
        (
          cache.name,
          [
            "\(cache.objectSize)", Figures.count(cache.slabs), Figures.count(cache.objects),
            cache.objects > 0 ? "\(cache.activeObjects * 100 / cache.objects) %" : "-",
            share(cache.stat("alloc_fastpath"), of: allocations),
            share(slow - new, of: allocations), share(new, of: allocations),
            share(cache.stat("free_fastpath"), of: frees),
          ]
        ))
    }
    table.footer = rest
    return table.text(paint)
  }

  // MARK: vmalloc and shootdowns

  var vmalloc: String? {
    let vmalloc = result.vmalloc
    guard vmalloc.areas > 0 || vmalloc.allocations > 0 || vmalloc.purges > 0 || isVerbose else {
      return nil
    }
    let counts: [(String, UInt64)] = [
      ("allocated", vmalloc.allocations), ("freed lazily", vmalloc.lazyFrees),
      ("from interrupts", vmalloc.deferredFrees), ("purged", vmalloc.purgedAreas),
    ]
    let flows = counts.map { "\($0.0) \(Figures.count($0.1))" }.joined(separator: ", ")
    let text =
      "areas \(Figures.count(vmalloc.areas)) with \(Figures.count(vmalloc.pages)) pages"
      + " (\(flows)); lazy pages \(Figures.count(vmalloc.lazyPages)) of at most"
      + " \(Figures.count(vmalloc.lazyMaxPages)); purges \(Figures.count(vmalloc.purges));"
      + " TLB misses \(Figures.count(vmalloc.tlbMisses))"
    return paint.bold("vmalloc") + "\n  " + Figures.wrapped(text, indent: 2, width: 78) + "\n"
  }

  var shootdowns: String? {
    let tlb = result.tlb
    guard tlb.shootdowns > 0 || isVerbose else { return broadcasts }
    var table = FigureTable(
      "shootdowns",
      ["count", "IPIs", "received", "flush all", "flush one", "mean wait", "max wait"])
    table.rows.append(
      (
        "all CPUs",
        [
          Figures.count(tlb.shootdowns), Figures.count(tlb.ipisSent),
          Figures.count(tlb.ipisReceived), Figures.count(tlb.flushAll),
          Figures.count(tlb.flushOne), Figures.time(tlb.waitNs.mean),
          Figures.time(tlb.waitNs.max),
        ]
      ))
    if tlb.slowestCpu >= 0 {
      table.footer = ["CPU \(tlb.slowestCpu) answered last in the longest one"]
    }
    return table.text(paint) + (longestShootdowns ?? "") + (broadcasts ?? "")
  }

  /// Flushes that interrupted nobody.
  private var broadcasts: String? {
    guard result.tlb.broadcasts > 0 else { return nil }
    let text =
      "\(Figures.count(result.tlb.broadcasts)) instructions told every CPU's TLB, without interrupts"
      + " (\(result.cpuModel))"
    return paint.bold("TLB broadcasts") + "\n  " + Figures.wrapped(text, indent: 2, width: 78)
      + "\n"
  }

  // MARK: Interrupts

  var interrupts: String? {
    let interrupts = result.interrupts
    guard !interrupts.sources.isEmpty || isVerbose else { return nil }
    var table = FigureTable("interrupts", ["arrivals", "a second", "on CPUs"], words: [2])
    let seconds = Double(result.timeNs) / 1e9
    let (rows, rest) = shortened(interrupts.sources, to: 8, of: "sources")
    for source in rows {
      table.rows.append(
        (
          source.name,
          [
            Figures.count(source.arrivals),
            seconds > 0 ? Figures.short(Double(source.arrivals) / seconds) : "-",
            TextReport.cpuList(source.cpus),
          ]
        ))
    }
    let counts = [
      (interrupts.device, "handled"), (interrupts.callFunction, "calls from other CPUs"),
      (interrupts.softirqs, "softirqs"), (interrupts.ksoftirqdWakeups, "wake-ups of ksoftirqd"),
      (interrupts.contextSwitches, "context switches"),
    ]
    var sum = counts.map { "\($0.1) \(Figures.count($0.0))" }.joined(separator: ", ")
    if interrupts.runQueueWaitNs.max > 0 {
      sum += ", the longest wait for a CPU \(Figures.time(interrupts.runQueueWaitNs.max))"
    }
    table.footer =
      rest
      + Figures.wrapped(sum, width: 78).split(separator: "\n").map(String.init)
    return table.text(paint)
  }

  /// `0-3,8`, cut after a few ranges.
  static func cpuList(_ cpus: [Int], rangesMax: Int = 4) -> String {
    var ranges: [(first: Int, last: Int)] = []
    for cpu in cpus.sorted() {
      if let range = ranges.last, cpu <= range.last + 1 {
        ranges[ranges.count - 1].last = cpu
      } else {
        ranges.append((cpu, cpu))
      }
    }
    let text = ranges.prefix(rangesMax).map {
      $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)"
    }.joined(separator: ",")
    return ranges.count > rangesMax ? text + ",..." : text
  }

  // MARK: Zones

  var zones: String? {
    let present = result.zones.filter { $0.managedPages > 0 }
    guard !present.isEmpty else { return nil }
    let (rows, rest) = shortened(present, to: 4, of: "zones")
    var table = FigureTable(
      "zones, in pages", ["managed", "free", "min", "low", "high", "largest blocks"], words: [5])
    for zone in rows {
      let largest = zone.freeByOrder.lastIndex { $0 > 0 }
      let blocks = largest.map { "\(Figures.count(zone.freeByOrder[$0])) of order \($0)" }
      table.rows.append(
        (
          "node \(zone.node) \(zone.zone)",
          [
            Figures.count(zone.managedPages), Figures.count(zone.freePages),
            Figures.count(zone.watermarks.min), Figures.count(zone.watermarks.low),
            Figures.count(zone.watermarks.high), blocks ?? "none",
          ]
        ))
    }
    table.footer = rest
    return table.text(paint)
  }

  // MARK: Counters

  /// In columns under each other, as many as fit.
  var counters: String? {
    let shown = result.counters.filter { isVerbose || $0.value > 0 }
      .sorted { $0.key < $1.key }.map { (name: $0.key, value: Figures.count($0.value)) }
    guard !shown.isEmpty else { return nil }
    let names = shown.map(\.name.count).max() ?? 0
    let values = shown.map(\.value.count).max() ?? 0
    let cell = names + 2 + values
    let columns = max(1, (TextLayout.width - 2 + 4) / (cell + 4))
    let perColumn = (shown.count + columns - 1) / columns
    var lines = [paint.bold("counters")]
    for row in 0..<perColumn {
      let cells = stride(from: row, to: shown.count, by: perColumn).map { index in
        TextLayout.left(shown[index].name, names + 2) + TextLayout.right(shown[index].value, values)
      }
      lines.append("  " + cells.joined(separator: "    "))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension RunResult.Cache {
  func stat(_ name: String) -> UInt64 { stats[name, default: 0] }
  var allocations: UInt64 { stat("alloc_fastpath") + stat("alloc_slowpath") }
  var frees: UInt64 { stat("free_fastpath") + stat("free_slowpath") }
  var calls: UInt64 { allocations + frees }
  var wasUsed: Bool { calls > 0 }
}
