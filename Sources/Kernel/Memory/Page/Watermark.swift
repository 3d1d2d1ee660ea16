/// How many free pages a zone keeps back, and from whom. Policy: formulas alone.
///
/// Kernel: `calculate_min_free_kbytes()`, `__setup_per_zone_wmarks()` (mm/page_alloc.c, 6.12),
/// `set_recommended_min_free_kbytes()` (mm/khugepaged.c, 6.12).
package struct Watermark: BitwiseCopyable, Equatable, Sendable {
  /// Unit of all: pages.
  package let min: Int
  package let low: Int
  package let high: Int
  package let promo: Int

  /// The marks of a zone of `managed` pages of `all`, when `freeMin` KiB are to stay free.
  ///
  /// - Parameter scale: the sysctl `watermark_scale_factor`. Unit: 1/10,000 of the zone.
  package init(managed: Int, of all: Int, freeMinKiB: Int, scale: Int = 10) {
    min = all == 0 ? 0 : (freeMinKiB >> 2) * managed / all
    let gap = Swift.max(min >> 2, managed / 10_000 * scale + managed % 10_000 * scale / 10_000)
    low = min + gap
    high = low + gap
    promo = high + gap
  }

  /// The marks of a zone that kernel allocations do not use.
  package init(movable managed: Int) {
    min = Swift.min(Swift.max(managed / 1024, 32), 128)
    (low, high, promo) = (min, min, min)
  }

  subscript(index: Int) -> Int {
    switch index {
    case 0: min
    case 1: low
    case 2: high
    default: promo
    }
  }

  /// The sysctl `min_free_kbytes` at boot. Unit: KiB.
  ///
  /// - Parameters:
  ///   - pages: managed pages of all zones that kernel allocations use.
  ///   - zones: populated zones of all nodes.
  ///   - hugePages: whether transparent huge pages are on, which raise it.
  package static func freeMinKiB(pages: Int, zones: Int, hugePages: Bool) -> Int {
    let root = Swift.min(Swift.max(squareRoot(pages * 4 * 16), 128), 262_144)
    guard hugePages else { return root }
    let wanted = MemMap.pageblockPages * zones * (2 + 3 * 3)
    return Swift.max(root, Swift.min(wanted, pages / 20) * 4)
  }

  /// Kernel: `int_sqrt()` (lib/math/int_sqrt.c).
  private static func squareRoot(_ value: Int) -> Int {
    guard value > 0 else { return 0 }
    var (low, high) = (1, 1 << ((Int.bitWidth - value.leadingZeroBitCount + 1) / 2))
    while low < high {
      let middle = (low + high + 1) / 2
      if middle <= value / middle { low = middle } else { high = middle - 1 }
    }
    return low
  }
}
