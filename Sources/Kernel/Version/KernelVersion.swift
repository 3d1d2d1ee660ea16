/// A kernel release: data that paths read. A new one is a value made from its predecessor, in a
/// file of its own, each field with the kernel file that shows it.
package struct KernelVersion: Sendable {
  /// As users write it: `6.12`. The release asked for, which may lie between two values.
  package var name: String
  /// The release whose rules these are: `name`, or the newest value not above it.
  package private(set) var rulesOf: String
  package var slab: SlabRules
  package var pages: PageRules
  package var vmalloc: VmallocRules
  package var flush: FlushRules
  package var calls: CallRules
  package var scheduler: SchedulerRules
  package var locks: LockRules

  init(
    name: String, slab: SlabRules, pages: PageRules, vmalloc: VmallocRules,
    flush: FlushRules, calls: CallRules, scheduler: SchedulerRules, locks: LockRules
  ) {
    (self.name, rulesOf, self.slab) = (name, name, slab)
    (self.pages, self.vmalloc, self.scheduler) = (pages, vmalloc, scheduler)
    self.flush = flush
    self.calls = calls
    self.locks = locks
  }

  func successor(_ name: String, _ change: (inout Self) -> Void) -> Self {
    var version = self
    (version.name, version.rulesOf) = (name, name)
    change(&version)
    return version
  }

  /// Every release with a value, oldest first. One between two of them means the older one.
  package static let all: [KernelVersion] = [
    .v2_6_24, .v2_6_25, .v2_6_27, .v2_6_28, .v2_6_30, .v2_6_32, .v2_6_36, .v2_6_37, .v2_6_39,
    .v3_0, .v3_2, .v3_6, .v3_9, .v3_10, .v3_13, .v3_14, .v3_15, .v3_16, .v3_17,
    .v4_1, .v4_2, .v4_4, .v4_6, .v4_9, .v4_10, .v4_13, .v4_19, .v4_20,
    .v5_0, .v5_2, .v5_3, .v5_4, .v5_5, .v5_8, .v5_10, .v5_11, .v5_12, .v5_13, .v5_14, .v5_15,
    .v5_16, .v5_17, .v5_18, .v5_19,
    .v6_1, .v6_3, .v6_4, .v6_5, .v6_6, .v6_7, .v6_8, .v6_9, .v6_11, .v6_12, .v6_13, .v6_14, .v6_15,
    .v6_16, .v6_18, .v6_19,
    .v7_0, .v7_1, .v7_2,
  ]

  /// The release of a scenario that names none: the newest long-term one, and the one that most
  /// recordings are of.
  package static let standard = v6_12

  /// The newest release that is emulated.
  package static let newest = "7.2"

  /// The release called `name`: `4.19`, `2.6.32`, `6.12.117`. Returns: nil where `name` is no
  /// release, or older or newer than all there are.
  package init?(named name: String) {
    guard let number = KernelNumber(name), number.text == name,
      number.release <= KernelNumber(KernelVersion.newest)!.release,
      let value = KernelVersion.all.last(where: { KernelNumber($0.name)! <= number })
    else { return nil }
    self = value
    self.name = number.release.text
  }

  /// The value of a release whose formulas are asked for, not its paths: those of releases newer
  /// than `newest` are known too. Returns: nil where `name` is no release, or older than all.
  package init?(sizesOf name: String) {
    guard let number = KernelNumber(name), number.text == name,
      number.release <= KernelNumber(KernelVersion.newestSizes)!.release,
      let value = KernelVersion.all.last(where: { KernelNumber($0.name)! <= number })
    else { return nil }
    self = value
    self.name = number.release.text
  }

  /// The newest release whose sizes were compared with recordings.
  package static let newestSizes = "7.2"

  /// What is emulated, for messages: `2.6.24 to 7.2`.
  package static var range: String { "\(all[0].name) to \(newest)" }
}

/// `6.12.117` as numbers, for comparing.
package struct KernelNumber: Comparable, Sendable {
  package let parts: [Int]
  package init?(_ text: some StringProtocol) {
    let release = text.prefix { $0.isNumber || $0 == "." }
    let numbers = release.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count >= 2, numbers.count <= 4, !numbers.contains(nil) else { return nil }
    parts = numbers.compactMap { $0 }
  }
  private init(parts: [Int]) { self.parts = parts }

  package static func < (a: Self, b: Self) -> Bool { a.parts.lexicographicallyPrecedes(b.parts) }
  /// Without what counts corrections: `6.12`, and `2.6.32`, whose third number is the release.
  package var release: KernelNumber {
    KernelNumber(parts: Array(parts.prefix(parts[0] == 2 ? 3 : 2)))
  }
  package var text: String { parts.map(String.init).joined(separator: ".") }
}
