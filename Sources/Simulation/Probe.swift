/// Records of what happens, in a ring behind a flag. Off costs a test, on about a nanosecond.
///
/// The owner drains it between events, well before it is full: nothing is lost, and exporters run
/// outside the model. A window in time and a set of CPUs keep what is recorded small.
@frozen public struct Probe: ~Copyable {
  /// Records the ring holds; drained when it is half full.
  @inlinable public static var recordsMax: Int { 1 << 15 }

  public internal(set) var isOn: Bool
  @usableFromInline var from: Instant
  @usableFromInline var to: Instant
  /// One byte a CPU: whether it is recorded. Empty: all are.
  @usableFromInline var selected: Buffer<UInt8>
  @usableFromInline var ring: Buffer<ProbeRecord>
  public internal(set) var count: Int

  public init() {
    (isOn, from, to, count) = (false, .zero, .never, 0)
    selected = Buffer(0, 0)
    ring = Buffer(0, ProbeRecord(time: .zero, cpu: 0, event: 0))
  }

  private init(cloning other: borrowing Probe) {
    (isOn, from, to, count) = (other.isOn, other.from, other.to, other.count)
    selected = other.selected.clone()
    ring = other.ring.clone()
  }
  public func clone() -> Probe { Probe(cloning: self) }

  /// Switches recording on for [`from`, `to`) on the CPUs whose byte in `selected` is not zero.
  public mutating func start(from: Instant, to: Instant, selected: consuming Buffer<UInt8>) {
    (isOn, self.from, self.to) = (true, from, to)
    self.selected = selected
    ring = Buffer(Probe.recordsMax, ProbeRecord(time: .zero, cpu: 0, event: 0))
    count = 0
  }

  /// Whether the owner should drain now.
  @inlinable public var isHalfFull: Bool { count > Probe.recordsMax / 2 }

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
    precondition(count < Probe.recordsMax, "the probe ring was not drained in time")
    ring[count] = record
    count += 1
  }

  @inlinable public subscript(index: Int) -> ProbeRecord { ring[index] }

  /// Empties the ring, after its records were read.
  public mutating func clear() { count = 0 }
}
