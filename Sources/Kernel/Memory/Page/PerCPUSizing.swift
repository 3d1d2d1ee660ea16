/// How many pages a CPU may keep of a zone. Policy: formulas alone.
/// Up to 6.6 `high` is `highMin`, whatever happens; `highMax` is the same then.
///
/// Kernel: `zone_batchsize()`, `zone_highsize()`, `zone_set_pageset_high_and_batch()`
/// (mm/page_alloc.c, 6.12).
package struct PerCPUSizing: BitwiseCopyable, Equatable, Sendable {
  /// Pages that go to and fro at once. Unit: pages.
  package let batch: Int32
  /// Between these `high` tunes itself. Unit: pages.
  package let highMin: Int32
  package let highMax: Int32
  package let tuning: PageRules.ListTuning

  /// Kernel: `CONFIG_PCP_BATCH_SCALE_MAX`: what a batch may be multiplied by, as log 2.
  static let batchScaleMax = 5
  /// Kernel: `MIN_PERCPU_PAGELIST_HIGH_FRACTION`.
  private static let fractionMin = 8

  /// - Parameters:
  ///   - managed: pages of the zone.
  ///   - low: the zone's low watermark. Unit: pages.
  ///   - cpus: CPUs of the zone's node; of the whole machine if the node has none.
  ///   - fraction: the sysctl `percpu_pagelist_high_fraction`, 0 to tune `high` automatically.
  package init(
    managed: Int, low: Int, cpus: Int, fraction: Int = 0,
    tuning: PageRules.ListTuning = .automatic
  ) {
    self.tuning = tuning
    let batch = PerCPUSizing.batch(managed: managed)
    func high(_ pages: Int) -> Int32 { Int32(max(pages / max(cpus, 1), 4 * batch)) }
    self.batch = Int32(batch)
    highMin = high(fraction == 0 ? low : managed / fraction)
    highMax =
      fraction == 0 && tuning == .automatic ? high(managed / PerCPUSizing.fractionMin) : highMin
  }

  /// A quarter of a thousandth of the zone, of 1 MiB at most, and a little under a power of two.
  private static func batch(managed: Int) -> Int {
    let quarter = max(min(managed >> 10, (1 << 20) >> 12) / 4, 1)
    let wanted = quarter + quarter / 2
    return max(1 << (Int.bitWidth - 1 - wanted.leadingZeroBitCount) - 1, 1)
  }
}
