/// A point of emulated time. Unit: picoseconds since the start of the run.
///
/// The queue's key leaves 51 bits for it: 37 minutes, after which a run ends with an error.
@frozen public struct Instant: BitwiseCopyable, Comparable, Hashable, Sendable {
  public let picoseconds: UInt64
  @inlinable public init(picoseconds: UInt64) { self.picoseconds = picoseconds }

  /// Later than any run: the time of what is not scheduled.
  @inlinable public static var never: Instant { Instant(picoseconds: 1 << 51 - 1) }
  @inlinable public static var zero: Instant { Instant(picoseconds: 0) }

  @inlinable public static func < (a: Instant, b: Instant) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: Instant, b: Duration) -> Instant {
    Instant(picoseconds: a.picoseconds &+ b.picoseconds)
  }
  @inlinable public static func - (a: Instant, b: Instant) -> Duration {
    Duration(picoseconds: a.picoseconds &- b.picoseconds)
  }
  @inlinable public static func += (a: inout Instant, b: Duration) { a = a + b }
}

/// A length of emulated time. Unit: picoseconds.
@frozen public struct Duration: BitwiseCopyable, Comparable, Hashable, Sendable {
  public let picoseconds: UInt64
  @inlinable public init(picoseconds: UInt64) { self.picoseconds = picoseconds }

  @inlinable public static var zero: Duration { Duration(picoseconds: 0) }
  @inlinable public static func nanoseconds(_ count: UInt64) -> Duration {
    Duration(picoseconds: count &* 1000)
  }
  /// For reports only: the model computes with picoseconds.
  @inlinable public var nanoseconds: Double { Double(picoseconds) / 1000 }

  @inlinable public static func < (a: Duration, b: Duration) -> Bool {
    a.picoseconds < b.picoseconds
  }
  @inlinable public static func + (a: Duration, b: Duration) -> Duration {
    Duration(picoseconds: a.picoseconds &+ b.picoseconds)
  }
  @inlinable public static func - (a: Duration, b: Duration) -> Duration {
    Duration(picoseconds: a.picoseconds &- b.picoseconds)
  }
  @inlinable public static func += (a: inout Duration, b: Duration) { a = a + b }
  @inlinable public static func * (a: Duration, times: Int32) -> Duration {
    Duration(picoseconds: a.picoseconds &* UInt64(UInt32(bitPattern: times)))
  }
}
