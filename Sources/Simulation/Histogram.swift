/// Durations counted in log-linear buckets: 32 a doubling, so a percentile is off by 3 % at most.
///
/// Count, sum, minimum and maximum are exact. Unit of everything: picoseconds.
@frozen public struct Histogram: BitwiseCopyable, Sendable {
  /// Buckets in all: 32 below 32 ps, then 32 for each of the 46 doublings of a 51-bit time.
  @inlinable public static var bucketCount: Int { 32 * 47 }

  public private(set) var count: UInt64 = 0
  public private(set) var sum: UInt64 = 0
  public private(set) var least: UInt64 = .max
  public private(set) var most: UInt64 = 0
  /// Where this histogram's buckets begin in its `Histograms`.
  @usableFromInline let base: Int32

  @usableFromInline init(base: Int) { self.base = Int32(base) }

  @inlinable public static func bucket(of value: UInt64) -> Int {
    guard value >= 32 else { return Int(truncatingIfNeeded: value) }
    let shift = 58 &- value.leadingZeroBitCount
    return Int(truncatingIfNeeded: value &>> UInt64(shift) &+ UInt64(32 &* shift))
  }

  /// The middle of a bucket: what a percentile that falls into it reports.
  public static func value(of bucket: Int) -> UInt64 {
    guard bucket >= 64 else { return UInt64(bucket) }
    let shift = UInt64(bucket / 32 - 1)
    let low = UInt64(bucket % 32 + 32) << shift
    return low + (1 << shift) / 2
  }

  @usableFromInline mutating func note(_ value: UInt64) {
    count &+= 1
    sum &+= value
    least = min(least, value)
    most = max(most, value)
  }
}

/// The histograms of a run, in one buffer.
@frozen public struct Histograms: ~Copyable {
  @usableFromInline var all: Buffer<Histogram>
  @usableFromInline var buckets: Buffer<UInt64>

  public init(count: Int) {
    all = Buffer(count, Histogram(base: 0))
    for index in 0..<count { all[index] = Histogram(base: index * Histogram.bucketCount) }
    buckets = .zeroed(count * Histogram.bucketCount)
  }

  private init(cloning other: borrowing Histograms) {
    all = other.all.clone()
    buckets = other.buckets.clone()
  }
  @inlinable public var count: Int { all.count }
  @inlinable public subscript(index: Int) -> Histogram { all[index] }

  public func clone() -> Histograms { Histograms(cloning: self) }

  /// Counts one duration. Complexity: O(1).
  @inlinable public mutating func note(_ index: Int, _ length: Duration) {
    all[index].note(length.picoseconds)
    buckets[Int(all[index].base) &+ Histogram.bucket(of: length.picoseconds)] &+= 1
  }

  /// Forgets everything, as at the end of a warm-up.
  public mutating func reset() { self = Histograms(count: all.count) }

  /// The value below which `permille` of 1,000 lie, within 3 %; zero when nothing was counted.
  public func percentile(_ index: Int, permille: Int) -> Duration {
    let histogram = all[index]
    guard histogram.count > 0 else { return .zero }
    let rank = max(1, (histogram.count * UInt64(permille) + 999) / 1000)
    var seen: UInt64 = 0
    for bucket in 0..<Histogram.bucketCount {
      seen += buckets[Int(histogram.base) + bucket]
      guard seen >= rank else { continue }
      let value = Histogram.value(of: bucket)
      return Duration(picoseconds: min(max(value, histogram.least), histogram.most))
    }
    return Duration(picoseconds: histogram.most)
  }
}
