import Kernel
import Run

/// A name that expectations may use, and where its value is in a result.
package struct ResultName: Sendable {
  let text: String
  let dimension: Dimension
  /// The kind of violation that it counts; empty for all kinds together.
  var violationKind: String?
  /// In base units; nil where the run has no such value.
  let value: @Sendable (RunResult) -> Double?
}

/// The names that a result of one program can hold.
///
/// They follow the result JSON; times are without the `_ns` that its keys end in.
struct ResultNames {
  private let program: Program
  /// False when steps with errors are missing from the program: then names of operations,
  /// counters and devices are taken on trust, since the user has enough to mend.
  private let isComplete: Bool
  private let counters: Set<String>
  private let ownLocks: Set<String>
  private let kmallocCaches: [String]
  let sites: [String]
  private let caches: Set<String>
  private let operationsByName: [String: [String]]

  init(
    _ program: Program, isComplete: Bool = true, kernel: (KernelVersion, KernelConfig)? = nil
  ) {
    (self.program, self.isComplete) = (program, isComplete)
    let (version, config) = kernel ?? (.standard, KernelConfig())
    kmallocCaches = Self.kmallocCaches(of: version, config)
    sites = program.followsSites ? program.sites : []
    counters = Set(program.counters)
    ownLocks = Set(program.locks)
    caches = Set(
      kmallocCaches + program.caches.map(\.name) + Self.bucketCaches(of: program, version, config))
    var byName: [String: [String]] = [:]
    for operation in program.operations {
      byName[operation, default: []].append(operation)
      let base = Self.base(operation)
      if base != operation { byName[base, default: []].append(operation) }
    }
    operationsByName = byName
  }

  /// First words that `measure:` may name as a whole.
  let groups = [
    "throughput", "latency", "operations", "violations", "counters", "slub", "caches", "zones",
    "vmalloc", "tlb", "locks", "interrupts", "cpu_time", "drops", "arrivals", "events", "time",
    "warnings", "would_reclaim", "sites", "slab", "slob",
  ]

  func isGroup(_ text: String) -> Bool {
    let parts = Self.split(text)
    guard groups.contains(parts[0]) else { return false }
    if parts.count == 1 { return true }
    return ["latency", "operations"].contains(parts[0]) && parts.count == 2
      && (!isComplete || !operations(parts[1]).isEmpty)
  }

  /// Names to suggest.
  var examples: [String] {
    var all = [
      "violations", "warnings", "would_reclaim", "events", "time", "throughput",
      "tlb.wait.mean", "tlb.wait.max", "locks.acquisitions", "locks.contended",
      "locks.wait.total", "locks.wait.max", "zones.free_pages", "slab.pages",
    ]
    all += Violation.Kind.allCases.map { "violations.\($0.rawValue)" }
    for name in Set(program.operations.flatMap { [$0, Self.base($0)] }).sorted() {
      all += Self.latencies.map { "latency.\(name).\($0)" }
      all += ["count", "failed", "throughput"].map { "operations.\(name).\($0)" }
    }
    all += VMStat.allCases.map { "counters.\($0.text)" } + program.counters
    all += program.sources.flatMap { ["arrivals.\($0.name)", "drops.\($0.name)"] }
    all += program.groups.map { "drops.\($0.name)" }
    all += Self.vmalloc.map { "vmalloc.\($0)" } + Self.tlb.map { "tlb.\($0)" }
    all += Self.interrupts.map { "interrupts.\($0)" }
    all += Self.slubStats.map { "slub.\($0)" } + ["slub.alloc", "slub.free"]
    all += Self.slobLists.flatMap { list in Self.slobFields.map { "slob.\(list).\($0)" } }
    all += TimeCategory.allCases.map { "cpu_time.\($0.key.dropLast(3))" }
    all += sites.flatMap { name in Self.siteFields.map { "sites.\(name).\($0)" } }
    all += cacheNames.flatMap { name in Self.cacheFields.map { "caches.\(name).\($0)" } }
    all += (program.locks + Self.kernelLocks).flatMap { name in
      Self.lockFields.map { "locks.\(name).\($0)" }
    }
    return all
  }

  static let latencies = ["min", "mean", "p50", "p90", "p99", "max"]
  static let vmalloc = ["areas", "lazy_pages", "lazy_max_pages", "purges", "pages"]
  static let tlb = [
    "shootdowns", "ipis_sent", "ipis_received", "flush_all", "flush_one", "broadcasts",
    "slowest_cpu",
  ]
  static let tlbWaits = ["mean", "max", "send", "travel", "masked", "handler", "ack"]
  static let interrupts = [
    "call_function", "device", "softirqs", "ksoftirqd_wakeups", "context_switches",
  ]
  static let cacheFields = [
    "object_size", "slab_size", "objects_per_slab", "order", "slabs", "active_objects",
    "objects", "partial",
  ]
  static let slobLists = ["small", "medium", "large"]
  static let slobFields = ["pages", "free", "holes", "largest_hole", "searches", "misses"]
  static let siteFields = [
    "allocations", "failed", "requested", "allocated", "wasted", "slow_path", "new_slabs", "frees",
    "cross_cpu_frees", "live", "leaked",
  ]
  static let lockFields = [
    "acquisitions", "contended", "depth_max", "cross_node", "wait.total", "wait.mean", "wait.max",
    "hold.total",
    "hold.mean", "hold.max",
  ]
  /// Kernel: `enum stat_item` (mm/slub.c, 6.12).
  static let slubStats = [
    "alloc_fastpath", "alloc_slowpath", "free_fastpath", "free_slowpath", "free_frozen",
    "free_add_partial", "free_remove_partial", "alloc_from_partial", "alloc_slab",
    "alloc_refill", "alloc_node_mismatch", "free_slab", "cpuslab_flush", "deactivate_full",
    "deactivate_empty", "deactivate_to_head", "deactivate_to_tail", "deactivate_remote_frees",
    "deactivate_bypass", "order_fallback", "cmpxchg_double_cpu_fail", "cmpxchg_double_fail",
    "cpu_partial_alloc", "cpu_partial_free", "cpu_partial_node", "cpu_partial_drain",
  ]

  /// The first words of the kernel's lock names.
  static let kernelLocks = [
    "list_lock", "slab_mutex", "zone", "pcp", "vmap", "vmap_purge_lock", "free_vmap_area_lock",
    "call_lock", "call_function.lock", "call_single_queue",
  ]

  private var cacheNames: [String] { kmallocCaches + program.caches.map(\.name) }
  func hasCache(_ name: String) -> Bool { caches.contains(name) }
  func hasOwnLock(_ name: String) -> Bool { ownLocks.contains(name) }
  func hasLock(_ name: String) -> Bool {
    ownLocks.contains(name) || Self.kernelLocks.contains(name)
  }

  /// The part before the parenthesis: `kmalloc` of `kmalloc(256)`.
  static func base(_ operation: String) -> String { String(operation.prefix { $0 != "(" }) }

  /// At dots, but not inside parentheses.
  static func split(_ text: String) -> [String] {
    var parts = [""]
    var open = 0
    for character in text {
      if character == "(" { open += 1 }
      if character == ")" { open -= 1 }
      if character == ".", open <= 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return parts
  }

  /// The operations that a name means: itself, or all sizes of a function.
  private func operations(_ name: String) -> [String] { operationsByName[name] ?? [] }

  func unknown(_ name: String, at span: Span) -> Diagnostic {
    let parts = Self.split(name)
    if parts.count > 1, ["latency", "operations"].contains(parts[0]),
      operations(parts[1]).count > 1
    {
      return Diagnostic(
        .unknownResult, "`\(name)` may mean several operations", at: span,
        notes: ["they are: \(operations(parts[1]).joined(separator: ", "))"])
    }
    let nearest = Spelling.nearest(to: name, among: examples)
    return Diagnostic(
      .unknownResult, "no result of this scenario is called `\(Spelling.shown(name))`", at: span,
      label: nearest.map { "did you mean `\($0)`?" } ?? "",
      notes: nearest == nil ? ["result names begin with: \(groups.joined(separator: ", "))"] : [])
  }

  /// The value behind a name, or nil when no result of this program can have it.
  func find(_ text: String) -> ResultName? {
    if let found = findKnown(text) { return found }
    return isComplete ? nil : trusted(text)
  }

  private func trusted(_ text: String) -> ResultName? {
    let parts = Self.split(text)
    let dimension: Dimension
    switch (parts[0], parts.count) {
    case ("latency", 3) where Self.latencies.contains(parts[2]): dimension = .time
    case ("operations", 3) where parts[2] == "throughput": dimension = .rate
    case ("operations", 3) where ["count", "failed"].contains(parts[2]): dimension = .number
    case ("throughput", 2): dimension = .rate
    case ("drops", 2), ("arrivals", 2), ("counters", 2...), ("caches", 3), ("locks", 3...),
      ("sites", 3):
      dimension = .number
    default: return nil
    }
    return ResultName(text: text, dimension: dimension) { _ in nil }
  }

  private func findKnown(_ text: String) -> ResultName? {
    let parts = Self.split(text)
    func count(_ value: @escaping @Sendable (RunResult) -> Double?) -> ResultName {
      ResultName(text: text, dimension: .number, value: value)
    }
    if counters.contains(text) { return count { $0.counters[text].map { Double($0) } } }
    switch (parts[0], parts.count) {
    case ("violations", 1):
      var name = count { Double($0.violationCount) }
      name.violationKind = ""
      return name
    case ("violations", 2): return violations(parts[1], text)
    case ("warnings", 1): return count { Double($0.warningCount) }
    case ("would_reclaim", 1): return count { Double($0.wouldReclaim) }
    case ("events", 1): return count { Double($0.events) }
    case ("time", 1):
      return ResultName(text: text, dimension: .time) { Double($0.timeNs) * 1000 }
    case ("throughput", 1):
      return ResultName(text: text, dimension: .rate) { result in
        result.operations.keys.sorted().reduce(0) {
          $0 + (result.operations[$1]?.throughputPerS ?? 0)
        }
      }
    case ("throughput", 2): return operation(parts[1], "throughput", text)
    case ("latency", 3): return latency(parts[1], parts[2], text)
    case ("operations", 3): return operation(parts[1], parts[2], text)
    case ("operations", 4) where parts[2] == "latency": return latency(parts[1], parts[3], text)
    case ("counters", 2...):
      let name = parts.dropFirst().joined(separator: ".")
      let known = VMStat.allCases.contains { $0.text == name } || counters.contains(name)
      return known ? count { $0.counters[name].map { Double($0) } } : nil
    case ("drops", 2):
      // A thread or device that cannot drop has dropped nothing.
      let known = (program.sources.map(\.name) + program.groups.map(\.name)).contains(parts[1])
      return known ? count { Double($0.counters[text] ?? 0) } : nil
    case ("arrivals", 2):
      let name = parts[1]
      guard program.sources.contains(where: { $0.name == name }) else { return nil }
      return count { result in
        result.interrupts.sources.first { $0.name == name }.map { Double($0.arrivals) }
      }
    default: return memory(parts, text) ?? hardware(parts, text)
    }
  }

  // MARK: Operations and violations

  private func violations(_ kind: String, _ text: String) -> ResultName? {
    guard Violation.Kind(rawValue: kind) != nil else { return nil }
    return ResultName(text: text, dimension: .number, violationKind: kind) { result in
      Double(result.violationsByKind[kind, default: 0])
    }
  }

  private func latency(_ name: String, _ field: String, _ text: String) -> ResultName? {
    let matching = operations(name)
    guard Self.latencies.contains(field), !matching.isEmpty,
      matching.count == 1 || field == "min" || field == "max"
    else { return nil }
    return ResultName(text: text, dimension: .time) { result in
      let found = matching.compactMap { result.operations[$0] }.filter { $0.count > 0 }
      let values = found.map { Self.latency($0.latencyNs, field) * 1000 }
      return field == "min" ? values.min() : values.max()
    }
  }

  private static func latency(_ latency: RunResult.Latency, _ field: String) -> Double {
    switch field {
    case "min": latency.min
    case "mean": latency.mean
    case "p50": latency.p50
    case "p90": latency.p90
    case "p99": latency.p99
    default: latency.max
    }
  }

  private func operation(_ name: String, _ field: String, _ text: String) -> ResultName? {
    let matching = operations(name)
    guard !matching.isEmpty, ["count", "failed", "throughput"].contains(field) else { return nil }
    return ResultName(text: text, dimension: field == "throughput" ? .rate : .number) { result in
      matching.reduce(0.0) { sum, name in
        guard let operation = result.operations[name] else { return sum }
        switch field {
        case "count": return sum + Double(operation.count)
        case "failed": return sum + Double(operation.failed)
        default: return sum + operation.throughputPerS
        }
      }
    }
  }
}
