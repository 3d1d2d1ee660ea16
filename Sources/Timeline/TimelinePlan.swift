import Simulation

/// What a record does, by its format.
enum EventKind: UInt8 {
  case tracepoint, entry, exit, threadSwitch
  case begin, end, instant, flowOut, flowIn, instantOut
  case counter
  /// A number that no format has.
  case unknown
}

/// Which bits of a record a field is.
struct FieldBits: BitwiseCopyable {
  let word: UInt8
  let shift: UInt8
  let isSigned: Bool
  let width: UInt8

  init(_ field: EventFormat.Field) {
    (word, shift) = (UInt8(field.word), UInt8(field.shift))
    (width, isSigned) = (UInt8(min(field.width, 64)), field.kind == .signed)
  }

  /// Of no record any bit: always 0.
  static var nothing: FieldBits { FieldBits(EventFormat.Field("", word: 3)) }

  @inline(__always)
  func value(in record: ProbeRecord) -> UInt64 {
    let whole = word == 0 ? record.a : word == 1 ? record.b : word == 2 ? record.c : 0
    let unused = UInt64(64 &- width)
    let bits = (whole &>> UInt64(shift)) &<< unused
    if isSigned { return UInt64(bitPattern: Int64(bitPattern: bits) &>> Int64(unused)) }
    return bits &>> unused
  }
}

/// The formats of a table and the CPUs of a selection, compiled for exporters.
///
/// A slot is a place for a CPU that is written; the last slot is for records of no CPU. A lane that
/// is opened but never closed by any format gets a closing format of its own, for the window's end;
/// a table without a thread switch gets one, so that every CPU shows what it ran.
struct TimelinePlan: ~Copyable {
  var formats: [EventFormat]
  var kinds: Buffer<EventKind>
  /// The lane of each format, -1 where it has none.
  var laneOf: Buffer<Int32>
  let lanes: [String]
  /// The format that closes each lane, -1 where nothing opens it.
  let closerOf: [Int]
  let switchFormat: Int
  let cpuOfSlot: [Int]
  private var slotOfCPU: Buffer<Int32>

  init(_ table: TraceTable, cpus: [Int]?) {
    var formats = table.formats
    var lanes: [String] = []
    for lane in formats.compactMap(\.track.lane) where !lanes.contains(lane) { lanes.append(lane) }
    var closers = lanes.map { lane in
      formats.firstIndex { $0.track == .end(lane: lane) || $0.track == .exit(lane: lane) } ?? -1
    }
    for (number, lane) in lanes.enumerated() where closers[number] < 0 {
      guard formats.contains(where: { $0.track.opens && $0.track.lane == lane }) else { continue }
      closers[number] = formats.count
      formats.append(EventFormat("end", system: "", track: .end(lane: lane), fields: []))
    }
    if !formats.contains(where: { $0.track == .threadSwitch }) { formats.append(Self.ownSwitch) }
    kinds = Buffer(max(formats.count, 1), .unknown)
    laneOf = Buffer(max(formats.count, 1), -1)
    for (number, format) in formats.enumerated() {
      kinds[number] = format.track.kind
      guard let lane = format.track.lane else { continue }
      laneOf[number] = Int32(lanes.firstIndex(of: lane) ?? -1)
    }
    (self.formats, self.lanes, closerOf) = (formats, lanes, closers)
    switchFormat = formats.firstIndex { $0.track == .threadSwitch } ?? formats.count - 1
    let chosen = cpus ?? Array(0..<table.cpuCount)
    cpuOfSlot = Set(chosen.filter { $0 >= 0 && $0 < table.cpuCount }).sorted()
    slotOfCPU = Buffer(table.cpuCount, -1)
    for (slot, cpu) in cpuOfSlot.enumerated() { slotOfCPU[cpu] = Int32(slot) }
  }

  /// The form in which every reader knows a thread switch.
  private static let ownSwitch = EventFormat(
    "sched_switch", system: "sched", track: .threadSwitch,
    fields: [
      .init("prev_pid", word: 0, width: 32, .signed),
      .init("next_pid", word: 0, shift: 32, width: 32, .signed),
    ])

  /// Slots, with the one for records of no CPU, which is the last.
  var slotCount: Int { cpuOfSlot.count + 1 }
  var machineSlot: Int { cpuOfSlot.count }

  /// The slot of a record's CPU, below zero if it is not selected.
  @inline(__always)
  func slot(of cpu: Int32) -> Int {
    if cpu < 0 { return machineSlot }
    return Int(cpu) < slotOfCPU.count ? Int(slotOfCPU[Int(cpu)]) : -1
  }

  @inline(__always)
  func kind(of event: UInt16) -> EventKind {
    Int(event) < formats.count ? kinds[Int(event)] : .unknown
  }
}

extension EventFormat.Track {
  var lane: String? {
    switch self {
    case .entry(let lane), .exit(let lane), .begin(let lane), .end(let lane), .instant(let lane),
      .flowOut(let lane), .flowIn(let lane), .instantOut(let lane):
      lane
    case .tracepoint, .threadSwitch, .counter: nil
    }
  }

  /// Whether something must close it.
  var opens: Bool {
    switch self {
    case .entry, .begin, .flowOut, .flowIn: true
    case .tracepoint, .exit, .threadSwitch, .end, .instant, .instantOut, .counter: false
    }
  }

  var kind: EventKind {
    switch self {
    case .tracepoint: .tracepoint
    case .entry: .entry
    case .exit: .exit
    case .threadSwitch: .threadSwitch
    case .begin: .begin
    case .end: .end
    case .instant: .instant
    case .flowOut: .flowOut
    case .flowIn: .flowIn
    case .instantOut: .instantOut
    case .counter: .counter
    }
  }
}
