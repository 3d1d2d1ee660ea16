import Simulation

/// How much memory is free, lazy or in slabs, as counters of timelines.
///
/// Each is noted where it changes, once for each hold of the lock or touch of the line that guards
/// it: what a hold changes in parts is one change. These places are in the order of the queue, so
/// one counter's records are in the order of time, whoever runs ahead.
extension World {
  /// A zone's pages in its buddy lists; those of the CPUs' lists are not free. Under zone->lock.
  @inline(__always)
  mutating func traceFreePages(of zone: Int) {
    guard probe.isOn else { return }
    traceCounter(
      .nrFreePages, pages.zones[zone].freePages,
      of: TraceNames.index(of: pages.zones[zone].counterName))
  }

  /// All slabs, and those of the cache that has one more or less.
  @inline(__always)
  mutating func traceSlabs(of cache: CacheID) {
    guard probe.isOn else { return }
    traceSlabs(of: cache, at: now)
    traceCounter(.nrSlabs, slab.slabCount)
  }

  private mutating func traceSlabs(of cache: CacheID, at time: Instant) {
    var count = 0
    for node in 0..<slab.nodeCount {
      count += Int(slab.nodes[slab.node(cache, NodeID(node))].slabCount)
    }
    traceCounter(
      .nrSlabsOfCache, count, of: TraceNames.index(of: slab.caches[cache].name), at: time)
  }

  /// Pages of freed areas that wait for a purge. Kernel: `vmap_lazy_nr`.
  @inline(__always)
  mutating func traceLazyPages() {
    guard probe.isOn else { return }
    traceCounter(.vmapLazyNr, vmalloc.purge.pages)
    traceCounter(.vmapUsedPages, vmalloc.usedPages)
  }

  /// Addresses of areas in use, guards among them, and how far up vmalloc space they ever came: with
  /// the lazy pages a map of the address space over time.
  @inline(__always)
  mutating func traceUsedPages() {
    guard probe.isOn else { return }
    traceCounter(.vmapUsedPages, vmalloc.usedPages)
    traceCounter(.vmapHighestPage, vmalloc.highestPage)
  }

  /// - Parameter name: of what, for a counter that has a label.
  private mutating func traceCounter(
    _ event: TraceEvent, _ value: Int, of name: UInt64 = 0, at time: Instant? = nil
  ) {
    assert(time != nil || !isAhead, "a counter changed ahead of the queue")
    probe.note(
      event.rawValue, at: time ?? now, cpu: -1, a: UInt64(bitPattern: Int64(value)), b: name)
  }

  /// Notes all counters as they stand, for the start of a window at `time`, which is not past.
  package mutating func traceAllCounters(at time: Instant) {
    for zone in 0..<pages.zones.count {
      traceCounter(
        .nrFreePages, pages.zones[zone].freePages,
        of: TraceNames.index(of: pages.zones[zone].counterName), at: time)
    }
    traceCounter(.nrSlabs, slab.slabCount, at: time)
    for index in slab.names.indices where slab.layouts[index].cpus >= 0 {
      traceSlabs(of: CacheID(index), at: time)
    }
    traceCounter(.vmapLazyNr, vmalloc.purge.pages, at: time)
    traceCounter(.lazyMaxPages, vmalloc.purge.pagesMax, at: time)
    traceCounter(.vmapUsedPages, vmalloc.usedPages, at: time)
    traceCounter(.vmapHighestPage, vmalloc.highestPage, at: time)
  }
}
