import Kernel
import Run

/// What a reader of the figures should not overlook, a sentence each, derived from them alone.
struct Remarks {
  /// Shares of busy CPU time from which something is worth a sentence. Unit: percent.
  private static let lockShare = 5.0
  private static let lineShare = 20.0
  private static let callShare = 10.0
  private static let idleShare = 90.0
  /// Frees on other CPUs, or on the slow path, from which a cache is worth one. Unit: percent.
  private static let remoteFreeShare = 5.0
  private static let slowFreeShare = 20.0
  /// Lazy pages beyond so many times their limit tell of a drain that does not get its turn.
  private static let lazyRatio = 4
  /// Below so many frees, shares say nothing.
  private static let freesMin: UInt64 = 100
  /// A longest wait so many times the mean one is odd, if there were enough of them.
  private static let oddRatio = 10.0
  private static let oddCount: UInt64 = 10

  private let result: RunResult
  private let busy: Double

  init(_ result: RunResult) {
    self.result = result
    let idle = result.cpuTime[TimeCategory.idle.key, default: 0]
    busy = Double(result.cpuTime.values.reduce(0, +) - idle)
  }

  var all: [String] {
    failures + lazyPages + locks + frees + lines + calls + softirqs + idleness
  }

  private func share(_ category: TimeCategory) -> Double {
    busy > 0 ? Double(result.cpuTime[category.key, default: 0]) / busy * 100 : 0
  }
  private func percent(_ share: Double) -> String { Figures.percent(share, of: 100) }

  // MARK: Memory that was not there

  private var failures: [String] {
    var all: [String] = []
    for (name, operation) in result.operations.sorted(by: { $0.key < $1.key })
    where operation.failed > 0 {
      let share = Figures.percent(Double(operation.failed), of: Double(operation.count))
      all.append(
        "\(name) failed in \(Figures.count(operation.failed)) of"
          + " \(Figures.count(operation.count)) calls (\(share)).")
    }
    if result.wouldReclaim > 0 {
      all.append(
        "\(Figures.count(result.wouldReclaim)) small GFP_KERNEL requests found no memory and"
          + " returned NULL (would-reclaim): Linux would have reclaimed or killed for them, which"
          + " is not emulated. Give the machine more memory, or hold less.")
    }
    let stale = result.vmalloc.staleAccesses
    if stale > 0 {
      all.append(
        "\(Figures.count(stale)) accesses went through TLB entries of areas that were freed and not"
          + " yet purged: on real hardware they read or damage whoever has the pages now.")
    }
    return all
  }

  private var lazyPages: [String] {
    let (pages, most) = (result.vmalloc.lazyPages, result.vmalloc.lazyMaxPages)
    guard most > 0, pages > Self.lazyRatio * most else { return [] }
    return [
      "\(Figures.count(pages)) lazy pages wait for a purge, \(Figures.count(pages / most)) times"
        + " lazy_max_pages: drain_vmap_work is queued on the CPU that freed, and its kworker waits"
        + " for a turn there behind threads that never sleep."
    ]
  }

  // MARK: Waiting

  private var locks: [String] {
    guard share(.lockWait) >= Self.lockShare, let lock = result.locks.first,
      lock.waitNs.total > 0
    else { return [] }
    let held = result.timeNs > 0 ? lock.holdNs.total / Double(result.timeNs) * 100 : 0
    let waits = result.locks.reduce(0) { $0 + $1.waitNs.total }
    return [
      "Waiting for locks took \(percent(share(.lockWait))) of busy CPU time,"
        + " \(Figures.percent(lock.waitNs.total, of: waits)) of it for \(lock.name), which was"
        + " held \(percent(held)) of the time."
    ]
  }

  private var frees: [String] {
    result.caches.filter { $0.frees >= Self.freesMin }.sorted {
      ($1.frees, $0.name) < ($0.frees, $1.name)
    }
    .prefix(3).compactMap { cache in
      func share(_ name: String) -> Double {
        Double(cache.stat(name)) * 100 / Double(cache.frees)
      }
      let (cpu, node, slow) = (
        share("free_remote_cpu"), share("free_remote_node"), share("free_slowpath")
      )
      let slowly = "\(percent(slow)) took the slow path, which pays for the slab's line."
      guard cpu >= Self.remoteFreeShare else {
        return slow >= Self.slowFreeShare ? "Of frees to \(cache.name) \(slowly)" : nil
      }
      let far = node > 0 ? ", \(percent(node)) on another node than the slab's" : ""
      return "\(percent(cpu)) of frees to \(cache.name) were on another CPU than the"
        + " allocation\(far); \(slowly)"
    }
  }

  private var lines: [String] {
    guard share(.cacheLines) >= Self.lineShare else { return [] }
    let top = result.topPaths[TimeCategory.cacheLines.key].map { ", most of it in \($0)" } ?? ""
    return [
      "Fetching cache lines from other CPUs took \(percent(share(.cacheLines))) of busy CPU"
        + " time\(top)."
    ]
  }

  private var calls: [String] {
    var all: [String] = []
    if share(.crossCPUWait) >= Self.callShare {
      all.append(
        "Waiting until other CPUs answered took \(percent(share(.crossCPUWait))) of busy CPU time.")
    }
    let tlb = result.tlb
    if tlb.shootdowns >= Self.oddCount, tlb.waitNs.max >= Self.oddRatio * tlb.waitNs.mean {
      let times = (tlb.waitNs.max / tlb.waitNs.mean).rounded()
      all.append(
        "The longest shootdown waited \(Figures.time(tlb.waitNs.max)),"
          + " \(Figures.count(UInt64(times))) times the mean: CPU \(tlb.slowestCpu) answered last"
          + "\(tlb.longest.first.map { " (\(TextReport.reason($0)))" } ?? "").")
    }
    return all
  }

  private var softirqs: [String] {
    let count = result.interrupts.ksoftirqdWakeups
    guard count > 0 else { return [] }
    return [
      "ksoftirqd was woken \(Figures.count(count)) times: softirqs came faster than interrupts"
        + " handle them, and shared their CPUs with threads."
    ]
  }

  private var idleness: [String] {
    let idle = Double(result.cpuTime[TimeCategory.idle.key, default: 0])
    guard busy > 0, idle >= Self.idleShare / (100 - Self.idleShare) * busy else { return [] }
    return [
      "CPUs were idle \(Figures.percent(idle, of: idle + busy)) of the time: most had nothing to"
        + " run."
    ]
  }
}
