import Hardware
import Kernel

/// How a cache's sizes and limits follow: each formula of the release, with its numbers filled in.
///
/// Kernel: `calculate_sizes()`, `calculate_order()`, `set_cpu_partial()`, `set_min_partial()`,
/// `calculate_sheaf_capacity()` (mm/slub.c; the release's by `SlabRules`).
struct CacheDerivation {
  let sizing: SlabSizing
  let flags: SlabFlags
  let rules: SlabRules
  let cpuCount: Int
  var pageSize = 4096

  private var logarithm: Int { Int.bitWidth - 1 - sizing.size.leadingZeroBitCount }

  /// `8 -> up to a multiple of 8, ...`.
  var size: String {
    var text = "\(sizing.objectSize) up to a multiple of 8"
    if flags.contains(.typesafeByRCU) || flags.contains(.constructor) {
      text += ", 8 for a free pointer behind the object"
    }
    return text + ", up to one of \(sizing.align)"
  }

  var alignment: String {
    guard flags.contains(.kmalloc) else {
      return flags.contains(.hwCacheAlign)
        ? "the cache line, halved while the object fits half of it; what was asked for if more"
        : "what was asked for, at least 8"
    }
    return switch rules.kmallocAlignment {
    case .minimum: "the architecture's minimum (to 5.3)"
    case .powerOfTwo: "the size where it is a power of two, else the minimum (5.4 to 6.10)"
    case .largestDivisor:
      "the largest power of two that divides \(sizing.objectSize) (from 6.11)"
    }
  }

  /// Objects that the search for an order wants in a slab.
  var wantedObjects: Int {
    let fitting = (pageSize << rules.slubOrderMax) / sizing.size
    switch rules.cpusCounted {
    case .none: return 4
    case .possible, .present:
      let wanted = 4 * (CacheDerivation.fls(cpuCount) + 1)
      return rules.orderSearch == .halving ? wanted : min(wanted, max(fitting, 1))
    }
  }

  var wanted: String {
    guard rules.cpusCounted != .none else { return "4, whatever the CPUs (to 2.6.26)" }
    let formula = "4 * (fls(\(cpuCount) CPUs) + 1) = 4 * (\(CacheDerivation.fls(cpuCount)) + 1)"
    guard rules.orderSearch != .halving else { return formula }
    return formula + ", at most what order \(rules.slubOrderMax) holds: "
      + "\(pageSize << rules.slubOrderMax) / \(sizing.size) = "
      + "\((pageSize << rules.slubOrderMax) / sizing.size)"
  }

  /// What the order found wastes, and the share that it was allowed to.
  var order: String {
    let bytes = pageSize << sizing.order.index
    let waste = bytes % sizing.size
    let fractions = [16, 8, 4, 2].first { waste <= bytes / $0 }
    let share = fractions.map { "within 1/\($0)" } ?? "whatever the waste"
    if sizing.objects < wantedObjects {
      return "no order up to \(rules.slubOrderMax) holds \(wantedObjects) with little waste; "
        + "\(bytes) B waste \(waste), \(share)"
    }
    return "the first that holds \(wantedObjects): \(bytes) B waste \(waste), \(share)"
  }

  var objects: String { "\(pageSize << sizing.order.index) / \(sizing.size)" }

  var minPartial: String {
    let most = SlabSizing.partialRange.upperBound
    let least = SlabSizing.partialRange.lowerBound
    return switch rules.minPartial {
    case .five: "5 for all (to 2.6.29)"
    case .logarithm: "log2(\(sizing.size)) = \(logarithm), from \(least) to \(most)"
    case .halfLogarithm: "log2(\(sizing.size)) / 2 = \(logarithm / 2), from \(least) to \(most)"
    }
  }

  var cpuPartial: String {
    let bound =
      sizing.size >= pageSize
      ? "from \(pageSize)"
      : sizing.size >= 1024
        ? "from 1024"
        : sizing.size >= 256
          ? "from 256" : "below 256"
    return switch rules.cpuPartialUnit {
    case .none: "CPUs have no lists of partial slabs in this release"
    case .objects: "by size: \(bound) B; free objects, counted when a slab is put on the list"
    case .slabs: "by size: \(bound) B"
    }
  }

  var cpuPartialSlabs: String {
    switch rules.cpuPartialUnit {
    case .none, .objects: "no limit in slabs in this release"
    case .slabs:
      "2 * \(sizing.cpuPartial) / \(sizing.objects), rounded up; one more, and the list goes to its "
        + "node"
    }
  }

  var sheaf: String {
    switch rules.sheaves {
    case .none: return "sheaves came with 6.18"
    case .onRequest: return "what kmem_cache_create() asked for; no kmalloc cache does"
    case .all:
      let least =
        sizing.size >= pageSize ? 4 : sizing.size >= 1024 ? 12 : sizing.size >= 256 ? 26 : 60
      return "\(least) by size, then what the sheaf's own class has room for: "
        + "\(SlabSizing.sheafHeaderBytes) + 8 * \(least) B"
    }
  }

  static func fls(_ value: Int) -> Int { Int.bitWidth - value.leadingZeroBitCount }
}
