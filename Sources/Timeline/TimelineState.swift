import Simulation

/// How many records of one format a timeline holds.
public struct TimelineTally: Equatable, Sendable {
  /// Records in the file, with those that were added.
  public var written = 0
  /// Written to mend what the window cuts: closings at its end, thread switches at both its ends.
  public var added = 0
  /// Not written: closings of what was opened before the window, records of CPUs not selected,
  /// tracepoints of no CPU.
  public var dropped = 0
}

/// What all exporters must remember from record to record: open slices, running threads, arrows.
struct TimelineState: ~Copyable {
  var plan: TimelinePlan
  var balance: SliceBalance
  var threads: ThreadNames
  let window: Range<Instant>
  private var written: Buffer<Int>
  private var dropped: Buffer<Int>
  var added: Buffer<Int>
  /// The thread on each slot's CPU, after the last record admitted.
  private(set) var running: Buffer<Int32>
  /// One byte a slot: whether a switch was admitted.
  private(set) var hasSwitched: Buffer<UInt8>
  private let previous: FieldBits?
  private let next: FieldBits?
  /// Numbers of arrows that have left and not arrived.
  private var underway: Set<UInt64> = []
  private var flowBits: [FieldBits?]
  private var keyBits: Buffer<FieldBits>
  /// The row of its lane in which the record admitted last is drawn.
  private(set) var row: Int32 = 0
  /// Arrows with both ends in the file.
  private(set) var arrowCount = 0
  /// Whether the record admitted last is where an arrow arrives that the file shows leaving.
  private(set) var arrives = false
  /// What the closing admitted last has closed.
  private(set) var closed = SliceBalance.Open.none

  init(
    _ table: TraceTable, window: Range<Instant>, cpus: [Int]?, initiallyRunning: [Int]
  ) {
    plan = TimelinePlan(table, cpus: cpus)
    balance = SliceBalance(slots: plan.slotCount, lanes: plan.lanes.count)
    threads = ThreadNames(table)
    self.window = window
    let count = plan.formats.count
    written = Buffer(count, 0)
    dropped = Buffer(count, 0)
    added = Buffer(count, 0)
    running = Buffer(plan.slotCount, 0)
    hasSwitched = Buffer(plan.slotCount, 0)
    for (slot, cpu) in plan.cpuOfSlot.enumerated() where cpu < initiallyRunning.count {
      running[slot] = Int32(truncatingIfNeeded: initiallyRunning[cpu])
    }
    let format = plan.formats[plan.switchFormat]
    previous = format.field("prev_pid").map(FieldBits.init)
    next = format.field("next_pid").map(FieldBits.init)
    flowBits = plan.formats.map { $0.field("flow").map(FieldBits.init) }
    keyBits = Buffer(max(count, 1), FieldBits.nothing)
    for (number, format) in plan.formats.enumerated() {
      if let field = format.field("key") { keyBits[number] = FieldBits(field) }
    }
  }

  func tally(of event: Int) -> TimelineTally {
    guard event >= 0, event < written.count else { return TimelineTally() }
    return TimelineTally(written: written[event], added: added[event], dropped: dropped[event])
  }

  /// The slot on which a record is written, below zero if it is not; remembers what it changes.
  @inline(__always)
  mutating func admit(_ record: ProbeRecord) -> Int {
    let kind = plan.kind(of: record.event)
    guard kind != .unknown else { return -1 }
    var slot = plan.slot(of: record.cpu)
    if kind.isTracepoint, slot == plan.machineSlot { slot = -1 }
    if slot >= 0, kind != .tracepoint, !follow(record, kind, slot) { slot = -1 }
    guard slot >= 0 else {
      dropped[Int(record.event)] &+= 1
      return -1
    }
    written[Int(record.event)] &+= 1
    return slot
  }

  /// The same of a tracepoint that changes nothing.
  @inline(__always)
  mutating func admitTracepoint(_ event: UInt16, of cpu: Int32) -> Int {
    let slot = plan.slot(of: cpu)
    guard slot >= 0, slot != plan.machineSlot else {
      dropped[Int(event)] &+= 1
      return -1
    }
    written[Int(event)] &+= 1
    return slot
  }

  /// Follows a record that changes what is open, running or under way; false if it is to be dropped.
  private mutating func follow(_ record: ProbeRecord, _ kind: EventKind, _ slot: Int) -> Bool {
    let lane = Int(plan.laneOf[Int(record.event)])
    let key = keyBits[Int(record.event)].value(in: record)
    arrives = false
    switch kind {
    case .entry, .begin:
      row = balance.open(record, slot: slot, lane: lane, key: key)
    case .exit, .end:
      guard let opening = balance.close(slot: slot, lane: lane, key: key) else { return false }
      assert(areAlike(opening.record, record), "a slice is closed by another's end")
      closed = opening
      row = opening.row
    case .flowOut:
      row = balance.open(record, slot: slot, lane: lane, key: key)
      depart(record)
    case .instantOut:
      row = balance.rowNumber(slot: slot, lane: lane, key: key)
      depart(record)
    case .flowIn:
      if let bits = flowBits[Int(record.event)] {
        arrives = underway.remove(bits.value(in: record)) != nil
        if arrives { arrowCount += 1 }
      }
      row = balance.open(record, slot: slot, lane: lane, key: key, arrives: arrives)
    case .threadSwitch:
      hasSwitched[slot] = 1
      running[slot] = Int32(truncatingIfNeeded: next?.value(in: record) ?? 0)
    case .instant:
      row = balance.rowNumber(slot: slot, lane: lane, key: key)
    case .tracepoint, .counter, .unknown:
      break
    }
    return true
  }

  /// Whether two records name the same thing, where both name one.
  private func areAlike(_ a: ProbeRecord, _ b: ProbeRecord) -> Bool {
    guard let first = plan.formats[Int(a.event)].field("label"),
      let second = plan.formats[Int(b.event)].field("label")
    else { return true }
    return first.value(in: a) == second.value(in: b)
  }

  private mutating func depart(_ record: ProbeRecord) {
    guard let bits = flowBits[Int(record.event)] else { return }
    underway.insert(bits.value(in: record))
  }

  /// The record that closes an open slice at the window's end; nothing is closed by it yet.
  mutating func closing(_ open: ProbeRecord, lane: Int, at end: Instant) -> ProbeRecord {
    let closer = open.closing(at: end, as: plan.closerOf[lane], plan.formats)
    noteAdded(closer.event)
    return closer
  }

  /// The thread that a switch leaves.
  func threadLeft(by record: ProbeRecord) -> Int32 {
    Int32(truncatingIfNeeded: previous?.value(in: record) ?? 0)
  }

  func threadEntered(by record: ProbeRecord) -> Int32 {
    Int32(truncatingIfNeeded: next?.value(in: record) ?? 0)
  }

  /// A switch record between two threads of a slot's CPU.
  func threadSwitch(from: Int32, to: Int32, slot: Int, at time: Instant) -> ProbeRecord {
    var record = ProbeRecord(
      time: time, cpu: Int32(plan.cpuOfSlot[slot]), event: UInt16(plan.switchFormat))
    for (name, pid) in [("prev_pid", from), ("next_pid", to)] {
      guard let field = plan.formats[plan.switchFormat].field(name) else { continue }
      record = field.setting(UInt64(bitPattern: Int64(pid)), in: record)
    }
    return record
  }

  mutating func noteAdded(_ event: UInt16) { added[Int(event)] &+= 1 }
  mutating func noteWritten(_ event: UInt16) { written[Int(event)] &+= 1 }
}

extension EventKind {
  /// Whether it is a raw event of the kernel, which always has a CPU.
  var isTracepoint: Bool {
    switch self {
    case .tracepoint, .entry, .exit, .threadSwitch: true
    case .begin, .end, .instant, .flowOut, .flowIn, .instantOut, .counter, .unknown: false
    }
  }
}

/// Threads' names by number, as the kernel's tracepoints print them.
struct ThreadNames: ~Copyable {
  /// Above the kernel's PID_MAX_LIMIT no thread is looked for.
  static let pidMax = 4 << 20
  private var indexOfPID: Buffer<Int32>
  private(set) var blob: StringBlob
  private(set) var strings: [String]

  init(_ table: TraceTable) {
    let threads = table.threads.filter { $0.pid > 0 && $0.pid <= Self.pidMax }
    strings = (0..<table.cpuCount).map { "swapper/\($0)" } + ["<...>"]
    indexOfPID = Buffer((threads.map(\.pid).max() ?? 0) + 1, Int32(strings.count - 1))
    for thread in threads {
      indexOfPID[thread.pid] = Int32(strings.count)
      strings.append(thread.name)
    }
    blob = StringBlob(strings)
  }

  /// Makes threads known that were born after the table was written.
  mutating func append(_ threads: [TraceTable.Thread]) {
    for thread in threads where thread.pid > 0 && thread.pid <= Self.pidMax {
      if thread.pid >= indexOfPID.count {
        indexOfPID.grow(to: 2 * thread.pid, indexOfPID[0])
      }
      indexOfPID[thread.pid] = Int32(strings.count)
      strings.append(thread.name)
      blob.append(thread.name)
    }
  }

  /// The string of a thread on a CPU; number 0 is that CPU's idle task.
  @inline(__always)
  func index(of pid: Int, cpu: Int) -> Int {
    if pid == 0 { return cpu }
    return Int(indexOfPID[pid > 0 && pid < indexOfPID.count ? pid : 0])
  }
}
