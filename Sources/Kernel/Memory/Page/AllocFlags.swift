import Hardware

/// How far one attempt may go: which watermark, which reserves. What GFP flags turn into inside
/// the page allocator.
///
/// Kernel: `ALLOC_*` (mm/internal.h, 6.12); the two lowest bits are the watermark's number.
package struct AllocFlags: OptionSet, BitwiseCopyable, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  static let markMin = AllocFlags([])
  static let markLow = AllocFlags(rawValue: 1)
  static let noWatermarks = AllocFlags(rawValue: 0x04)
  static let oom = AllocFlags(rawValue: 0x08)
  static let nonBlock = AllocFlags(rawValue: 0x10)
  static let minReserve = AllocFlags(rawValue: 0x20)
  static let noFragment = AllocFlags(rawValue: 0x100)
  static let highAtomic = AllocFlags(rawValue: 0x200)
  static let kswapd = AllocFlags(rawValue: 0x800)
  /// Any right to what ordinary requests must leave. Kernel: `ALLOC_RESERVES`.
  static let reserves: AllocFlags = [.nonBlock, .minReserve, .oom]

  /// The number of the watermark to pass: min, low, high, promo.
  var mark: Int { Int(rawValue & 3) }

  /// What the slow path may do for `gfp`.
  ///
  /// Kernel: `gfp_to_alloc_flags()` (mm/page_alloc.c, 6.12).
  /// Not modelled: cpusets, CMA, realtime tasks.
  static func slowPath(_ gfp: GFPFlags, _ order: Order) -> AllocFlags {
    var flags: AllocFlags = .markMin
    if gfp.contains(.high) { flags.insert(.minReserve) }
    if gfp.contains(.kswapdReclaim) { flags.insert(.kswapd) }
    guard !gfp.allowsBlocking, !gfp.contains(.noMemAlloc) else { return flags }
    flags.insert(.nonBlock)
    if order > .zero, flags.contains(.minReserve) { flags.insert(.highAtomic) }
    return flags
  }
}
