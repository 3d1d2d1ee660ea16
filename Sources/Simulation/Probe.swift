/// Records of what happens, in a ring behind a flag. Off costs a test, on about a nanosecond.
///
/// The owner drains it between events: nothing is lost, and exporters run outside the model. A
/// window in time and a set of CPUs keep what is recorded small.
///
/// Records are noted in the order in which the model runs, which is not that of time: some speak of
/// a time to come (a lock handed over is there when its line has come), and a CPU that runs ahead
/// of the queue notes ahead of it. So `part` gives readers only what is past, and keeps the rest:
///
/// 1. of one CPU's own records, none is noted before an earlier one;
/// 2. readers get every record whose time has come, and no other, each once;
/// 3. what a record leads to is noted after it.
@frozen public struct Probe: ~Copyable {
  /// New records that it is time to drain after. Small enough for the host's second cache.
  @inlinable public static var chunk: Int { 1 << 12 }

  public internal(set) var isOn: Bool
  @usableFromInline var from: Instant
  @usableFromInline var to: Instant
  /// One byte a CPU: whether it is recorded. Empty: all are.
  @usableFromInline var selected: Buffer<UInt8>
  @usableFromInline var ring: Buffer<ProbeRecord>
  /// Records to read.
  public internal(set) var count: Int
  /// Records beyond them whose time had not come when they were parted.
  @usableFromInline var later: Buffer<ProbeRecord>
  @usableFromInline var laterCount: Int
  @usableFromInline var drainAt: Int

  public init() {
    (isOn, from, to, count) = (false, .zero, .never, 0)
    (laterCount, drainAt) = (0, Probe.chunk)
    selected = Buffer(0, 0)
    ring = Buffer(0, Probe.none)
    later = Buffer(0, Probe.none)
  }

  @usableFromInline static var none: ProbeRecord {
    ProbeRecord(time: .zero, cpu: 0, event: 0)
  }

  private init(cloning other: borrowing Probe) {
    (isOn, from, to, count) = (other.isOn, other.from, other.to, other.count)
    (laterCount, drainAt) = (other.laterCount, other.drainAt)
    selected = other.selected.clone()
    ring = other.ring.clone()
    later = other.later.clone()
  }
  public func clone() -> Probe { Probe(cloning: self) }

  /// Switches recording on for [`from`, `to`) on the CPUs whose byte in `selected` is not zero.
  public mutating func start(from: Instant, to: Instant, selected: consuming Buffer<UInt8>) {
    (isOn, self.from, self.to) = (true, from, to)
    self.selected = selected
    ring = Buffer(2 * Probe.chunk, Probe.none)
    (count, laterCount, drainAt) = (0, 0, Probe.chunk)
  }

  /// Switches recording off; what was recorded stays to be read.
  public mutating func stop() { isOn = false }

  /// Whether the owner should drain now.
  @inlinable @inline(__always) public var wantsDraining: Bool { count > drainAt }

  /// Records an event if it is in the window. `cpu` below zero: of no CPU, always selected.
  @inlinable @inline(__always)
  public mutating func note(
    _ event: UInt16, at time: Instant, cpu: Int, a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0
  ) {
    guard isOn else { return }
    record(
      ProbeRecord(time: time, cpu: Int32(truncatingIfNeeded: cpu), event: event, a: a, b: b, c: c))
  }

  @usableFromInline mutating func record(_ record: ProbeRecord) {
    guard record.time >= from, record.time < to else { return }
    if record.cpu >= 0, selected.count > 0, selected[Int(record.cpu)] == 0 { return }
    if count == ring.count { ring.grow(to: max(2 * count, Probe.chunk), Probe.none) }
    ring[count] = record
    count += 1
  }

  @inlinable public subscript(index: Int) -> ProbeRecord { ring[index] }

  /// Leaves to readers what happened up to `now`, in the order noted; the rest waits for `clear`.
  public mutating func part(at now: Instant) {
    if later.count < count { later.grow(to: ring.count, Probe.none) }
    var past = 0
    for index in 0..<count {
      if ring[index].time <= now {
        if past != index { ring[past] = ring[index] }
        past += 1
      } else {
        later[laterCount] = ring[index]
        laterCount += 1
      }
    }
    count = past
  }

  /// Forgets the records that were read. Those that were parted from them come first from now on.
  public mutating func clear() {
    for index in 0..<laterCount { ring[index] = later[index] }
    (count, laterCount) = (laterCount, 0)
    drainAt = count + Probe.chunk
  }
}
