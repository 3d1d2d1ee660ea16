import Simulation

/// What is open on each lane of each CPU, so that a window cuts nothing in half.
///
/// 1. A closing record closes what was opened last on its lane and CPU.
/// 2. A closing record whose opening lies before the window is dropped.
/// 3. What is open at the end is closed there, innermost first.
struct SliceBalance: ~Copyable {
  struct Open: BitwiseCopyable {
    var record: ProbeRecord
    var outer: ID<Open>
    /// Whether an arrow arrives there that the file shows leaving.
    var arrives: Bool

    static var none: Open {
      Open(record: ProbeRecord(time: .zero, cpu: -1, event: 0), outer: .none, arrives: false)
    }
  }
  private var pool: Pool<Open>
  private var tops: Buffer<ID<Open>>
  private let laneCount: Int

  init(slots: Int, lanes: Int) {
    pool = Pool(capacity: 64, blank: .none)
    tops = Buffer(slots * lanes, .none)
    laneCount = lanes
  }

  /// Slices open now.
  var openCount: Int { pool.liveCount }

  mutating func open(_ record: ProbeRecord, slot: Int, lane: Int, arrives: Bool = false) {
    let place = slot * laneCount + lane
    tops[place] = pool.take(Open(record: record, outer: tops[place], arrives: arrives))
  }

  /// What a closing record closes; nil if it closes nothing.
  mutating func close(slot: Int, lane: Int) -> Open? {
    let place = slot * laneCount + lane
    let top = tops[place]
    guard !top.isNone else { return nil }
    let closed = pool[top]
    tops[place] = closed.outer
    pool.give(top)
    return closed
  }

  /// The innermost open slice; `outer` leads to the others.
  func innermost(slot: Int, lane: Int) -> ID<Open> { tops[slot * laneCount + lane] }

  subscript(id: ID<Open>) -> Open { pool[id] }
}

extension SliceBalance.Open {
  /// The record of format `number` that closes it at `end`; fields of the same name are equal.
  func closing(at end: Instant, as number: Int, _ formats: [EventFormat]) -> ProbeRecord {
    var closer = ProbeRecord(
      time: max(end, record.time), cpu: record.cpu, event: UInt16(number))
    for field in formats[number].fields {
      guard let source = formats[Int(record.event)].field(field.name) else { continue }
      closer = field.setting(source.value(in: record), in: closer)
    }
    return closer
  }
}
