/// The few events that belong to no leaf of the winner tree: arrivals, timers, the end of a run.
///
/// A binary heap ordered by time, then by the order of `push`, so that ties are first in, first
/// out. The payload is the owner's affair.
@frozen public struct EventHeap: ~Copyable {
  @frozen @usableFromInline struct Entry: BitwiseCopyable {
    @usableFromInline var time: Instant
    @usableFromInline var sequence: UInt64
    @usableFromInline var payload: UInt64
    @inlinable init(time: Instant, sequence: UInt64, payload: UInt64) {
      (self.time, self.sequence, self.payload) = (time, sequence, payload)
    }
    @inlinable func isBefore(_ other: Entry) -> Bool {
      time == other.time ? sequence < other.sequence : time < other.time
    }
  }
  @usableFromInline var entries: Buffer<Entry>
  @usableFromInline var sequence: UInt64
  public internal(set) var count: Int
  /// The time of the first event, `never` when there is none.
  public internal(set) var firstTime: Instant

  public init() {
    entries = Buffer(64, Entry(time: .never, sequence: 0, payload: 0))
    (sequence, count, firstTime) = (0, 0, .never)
  }

  private init(cloning other: borrowing EventHeap) {
    entries = other.entries.clone()
    (sequence, count, firstTime) = (other.sequence, other.count, other.firstTime)
  }
  public func clone() -> EventHeap { EventHeap(cloning: self) }

  /// Compares every event with the one it hangs from. Complexity: O(`count`).
  public func checkInvariants() throws(BrokenInvariant) {
    for place in 1..<max(count, 1) where entries[place].isBefore(entries[(place - 1) / 2]) {
      throw BrokenInvariant("event heap: place \(place) is before the one above it")
    }
    let first = count > 0 ? entries[0].time : .never
    try ensure(firstTime == first, "event heap: its first time is another event's")
  }

  /// Adds an event. Complexity: O(log `count`).
  public mutating func push(at time: Instant, _ payload: UInt64) {
    if count == entries.count {
      entries.grow(to: 2 * count, Entry(time: .never, sequence: 0, payload: 0))
    }
    let entry = Entry(time: time, sequence: sequence, payload: payload)
    sequence += 1
    var place = count
    count += 1
    while place > 0, entry.isBefore(entries[(place - 1) / 2]) {
      entries[place] = entries[(place - 1) / 2]
      place = (place - 1) / 2
    }
    entries[place] = entry
    firstTime = entries[0].time
  }

  /// What the first event carries; 0 when there is none.
  @inlinable public var firstPayload: UInt64 { count > 0 ? entries[0].payload : 0 }

  /// Takes the first event. Complexity: O(log `count`).
  public mutating func pop() -> (time: Instant, payload: UInt64)? {
    guard count > 0 else { return nil }
    let first = entries[0]
    count -= 1
    let last = entries[count]
    var place = 0
    while 2 * place + 1 < count {
      var child = 2 * place + 1
      if child + 1 < count, entries[child + 1].isBefore(entries[child]) { child += 1 }
      guard entries[child].isBefore(last) else { break }
      entries[place] = entries[child]
      place = child
    }
    if count > 0 { entries[place] = last }
    firstTime = count > 0 ? entries[0].time : .never
    return (first.time, first.payload)
  }
}
