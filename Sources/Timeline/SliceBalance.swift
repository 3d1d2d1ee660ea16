import Simulation

/// What is open on each lane of each CPU, so that a window cuts nothing in half.
///
/// 1. A closing record closes what was opened last on its lane and CPU under its key.
/// 2. A closing record whose opening lies before the window is dropped.
/// 3. What is open at the end is closed there, innermost first.
/// 4. What is open under one key is in one row, and no two keys are in a row at a time: so slices
///    of a row nest, whatever the order in which different keys close.
struct SliceBalance: ~Copyable {
  struct Open: BitwiseCopyable {
    var record: ProbeRecord
    var outer: ID<Open>
    /// Whether an arrow arrives there that the file shows leaving.
    var arrives: Bool
    var row: Int32

    static var none: Open {
      Open(
        record: ProbeRecord(time: .zero, cpu: -1, event: 0), outer: .none, arrives: false, row: 0)
    }
  }
  /// A line of a lane. Lanes have few; the first is the one that is used first.
  struct Row: BitwiseCopyable {
    var key: UInt64
    var top: ID<Open>
    var next: ID<Row>
    var number: Int32
  }
  private var pool: Pool<Open>
  private var rows: Pool<Row>
  private var firsts: Buffer<ID<Row>>
  private let laneCount: Int

  init(slots: Int, lanes: Int) {
    pool = Pool(capacity: 64, blank: .none)
    rows = Pool(capacity: 64, blank: Row(key: 0, top: .none, next: .none, number: 0))
    firsts = Buffer(slots * lanes, .none)
    laneCount = lanes
  }

  /// Returns: the row.
  @inline(__always)
  mutating func open(
    _ record: ProbeRecord, slot: Int, lane: Int, key: UInt64, arrives: Bool = false
  ) -> Int32 {
    let row = row(slot * laneCount + lane, for: key)
    let open = Open(record: record, outer: rows[row].top, arrives: arrives, row: rows[row].number)
    rows[row].top = pool.take(open)
    rows[row].key = key
    return open.row
  }

  /// What a closing record closes; nil if it closes nothing.
  @inline(__always)
  mutating func close(slot: Int, lane: Int, key: UInt64) -> Open? {
    var row = firsts[slot * laneCount + lane]
    while !row.isNone, rows[row].top.isNone || rows[row].key != key { row = rows[row].next }
    guard !row.isNone else { return nil }
    let top = rows[row].top
    let closed = pool[top]
    rows[row].top = closed.outer
    pool.give(top)
    return closed
  }

  /// The row in which `key` has something open, else the first one that is free.
  private mutating func row(_ place: Int, for key: UInt64) -> ID<Row> {
    var (row, last, free) = (firsts[place], ID<Row>.none, ID<Row>.none)
    while !row.isNone {
      if rows[row].top.isNone {
        if free.isNone { free = row }
      } else if rows[row].key == key {
        return row
      }
      (last, row) = (row, rows[row].next)
    }
    guard free.isNone else { return free }
    let number = last.isNone ? 0 : rows[last].number + 1
    let made = rows.take(Row(key: key, top: .none, next: .none, number: number))
    if last.isNone { firsts[place] = made } else { rows[last].next = made }
    return made
  }

  /// The number of the row in which `key` has something open; 0 if it has not.
  func rowNumber(slot: Int, lane: Int, key: UInt64) -> Int32 {
    var row = firsts[slot * laneCount + lane]
    while !row.isNone, rows[row].top.isNone || rows[row].key != key { row = rows[row].next }
    return row.isNone ? 0 : rows[row].number
  }

  /// All that is open, each row's innermost first.
  func remaining(slot: Int, lane: Int) -> [ProbeRecord] {
    var records: [ProbeRecord] = []
    var row = firsts[slot * laneCount + lane]
    while !row.isNone {
      var id = rows[row].top
      while !id.isNone {
        records.append(pool[id].record)
        id = pool[id].outer
      }
      row = rows[row].next
    }
    return records
  }
}

extension ProbeRecord {
  /// The record of format `number` that closes what this one opened, at `end`; fields of the same
  /// name are equal.
  func closing(at end: Instant, as number: Int, _ formats: [EventFormat]) -> ProbeRecord {
    var closer = ProbeRecord(time: max(end, time), cpu: cpu, event: UInt16(number))
    for field in formats[number].fields {
      guard let source = formats[Int(event)].field(field.name) else { continue }
      closer = field.setting(source.value(in: self), in: closer)
    }
    return closer
  }
}
