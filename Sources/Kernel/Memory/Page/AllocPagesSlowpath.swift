import Hardware
import Simulation

/// What is tried when no zone has pages above its low mark. Replies: a block or none.
///
/// Kernel: `__alloc_pages_slowpath()` (mm/page_alloc.c, 6.12).
/// Not modelled: reclaim, compaction, the OOM killer, retries. Where Linux would go on to them the
/// request fails at once and is counted as `would_reclaim`; with `__GFP_NOFAIL` it is tried again
/// each tick, and after ten seconds the run ends as Linux does that finds no task to kill.
package enum AllocPagesSlowpath: Path {
  case start(AllocID)
  case triedLowest(AllocID)
  case triedReserves(AllocID)
  case slept(AllocID)

  package static var name: PathName { .__alloc_pages_slowpath }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .slept(let id): return ask(.call(.drainAllPages(.start)), then: .start(id))
    case .start(let id):
      let context = world.pages.contexts[id]
      world.pages.contexts[id].flags = .slowPath(context.gfp, context.order)
      wakeAllKswapds(context, &world, cpu)
      return ask(.call(.getPageFromFreelist(.start(id))), then: .triedLowest(id))
    case .triedLowest(let id):
      guard reply.pfn.isNone else { return .return(reply) }
      let gfp = world.pages.contexts[id].gfp
      guard gfp.contains(.memAlloc), !gfp.contains(.noMemAlloc) else {
        return fail(id, &world, cpu)
      }
      world.pages.contexts[id].flags.insert(.noWatermarks)
      return ask(.call(.getPageFromFreelist(.start(id))), then: .triedReserves(id))
    case .triedReserves(let id):
      return reply.pfn.isNone ? fail(id, &world, cpu) : .return(reply)
    }
  }

  /// Kernel: `wake_all_kswapds()`: each node of the list once.
  private func wakeAllKswapds(_ context: AllocContext, _ world: inout World, _ cpu: CPUID) {
    guard context.gfp.contains(.kswapdReclaim) else { return }
    var (place, last) = (0, NodeID.any)
    while let next = world.pages.zonelist.next(
      context.node, from: place, count: Int(context.listCount), highest: context.highest)
    {
      let entry = world.pages.zonelist.entry(context.node, next)
      if entry.node != last {
        world.wakeKswapd(entry.node, context.order, context.highest, context.gfp, on: cpu)
      }
      (place, last) = (next + 1, entry.node)
    }
  }

  /// Kernel: the label `nopage`.
  private mutating func fail(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    let context = world.pages.contexts[id]
    if context.gfp.contains(.noFail), context.gfp.allowsBlocking {
      return tryAgain(id, &world, cpu)
    }
    world.counters.add(.page_alloc_failures)
    let wouldReclaim =
      context.gfp.allowsBlocking && context.order <= .costly && !context.gfp.contains(.noRetry)
    if wouldReclaim { world.counters.add(.would_reclaim) }
    guard !context.gfp.contains(.noWarn), world.pages.mayWarn(at: world.now) else {
      return .return(.pfn(.none))
    }
    let note = wouldReclaim ? "; would-reclaim: Linux would reclaim memory or kill a task" : ""
    world.warn(
      "page allocation failure: order:\(context.order.index), mode:\(context.gfp.text)\(note)",
      on: cpu)
    return .return(.pfn(.none))
  }
}

extension AllocPagesSlowpath {
  /// Ticks of ten seconds.
  static let ticksMax: Int16 = 2500

  /// What other CPUs have freed lies on their lists, which are drained each time.
  ///
  /// Kernel: `__alloc_pages_direct_reclaim()`, `__alloc_pages_may_oom()` (mm/page_alloc.c, 6.12),
  /// `out_of_memory()` (mm/oom_kill.c, 6.12).
  private mutating func tryAgain(_ id: AllocID, _ world: inout World, _ cpu: CPUID) -> Step {
    if world.pages.contexts[id].ticks == 0 { world.counters.add(.would_reclaim) }
    world.pages.contexts[id].ticks += 1
    guard world.pages.contexts[id].ticks <= AllocPagesSlowpath.ticksMax else {
      world.complain(
        .deadlock,
        "__GFP_NOFAIL waited ten seconds for memory that nobody frees: out of memory and no "
          + "killable processes, where Linux panics", on: cpu)
      world.isStopped = true
      return .return(.pfn(.none))
    }
    return ask(.sleep(world.ticks.jiffy), then: .slept(id))
  }
}

extension PageAllocator {
  /// Ten seconds.
  private static let warningInterval = Duration(picoseconds: 10_000_000_000_000)

  /// Whether a failure may be reported: once in an interval.
  ///
  /// Kernel: `nopage_rs` of `warn_alloc()` (mm/page_alloc.c, 6.12).
  mutating func mayWarn(at now: Instant) -> Bool {
    if let last = lastWarning, now < last + PageAllocator.warningInterval { return false }
    lastWarning = now
    return true
  }
}

extension GFPFlags {
  /// As the kernel prints a mask: `0xcc0(GFP_KERNEL|__GFP_ZERO)`.
  package var text: String {
    var (left, parts) = (self, [String]())
    for (name, flags) in GFPFlags.names where !flags.isEmpty && left.isSuperset(of: flags) {
      parts.append(name)
      left.subtract(flags)
    }
    return "0x\(String(rawValue, radix: 16))(\(parts.joined(separator: "|")))"
  }
}
