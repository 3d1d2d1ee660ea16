import Simulation

/// Writes Chrome's trace event JSON (`.json`).
///
/// A node is a process; a CPU has a thread for what runs on it, one for its tracepoints (`i`)
/// and one for each row of each lane, since slices of one thread must nest. Slices are `X`, written when they
/// end: readers that sort `B` and `E` put the ends of a nanosecond before its beginnings, which
/// tears a slice of no length apart. Counters are `C`, arrows `s` and `f`. Times are microseconds
/// with three decimals. Pairs of tracepoints are slices, named after the first.
struct ChromeWriter: ~Copyable {
  private static let machineProcess = 1
  /// Threads of a CPU before its lanes.
  private static let ownThreads = 2

  private var output: OutputBuffer
  /// The head of each format's line, up to its arguments, and its arguments' keys.
  private let heads: StringBlob
  private let keys: StringBlob
  private let firstKey: [Int]
  private let formats: [EventFormat]
  private let fieldBits: [[FieldBits]]
  private let arguments: [[Int]]
  private let labels: [FieldBits?]
  private let lanes: [String]
  private let cpuOfSlot: [Int]
  private let nodeOfCPU: [Int]
  private var names: [String]
  private var quoted: StringBlob
  private var gfp: GFPText
  /// One byte a thread: whether it was named.
  private var isNamed: Buffer<UInt8>
  private var nodesNamed: Set<Int> = []
  /// When the thread that now runs on each slot's CPU began to.
  private var since: Buffer<UInt64>

  init(_ table: TraceTable, _ state: borrowing TimelineState, sink: @escaping TimelineSink) {
    output = OutputBuffer(sink: sink)
    let formats = state.plan.formats
    self.formats = formats
    heads = StringBlob(formats.map(Self.head))
    var keys: [String] = []
    var firstKey: [Int] = []
    for format in formats {
      firstKey.append(keys.count)
      keys += format.fields.map { jsonString($0.name) + ":" }
    }
    self.keys = StringBlob(keys)
    self.firstKey = firstKey
    fieldBits = formats.map { $0.fields.map(FieldBits.init) }
    arguments = formats.map { format in
      let isRaw = format.track.kind.isTracepoint
      return format.fields.indices.filter { isRaw || format.fields[$0].isArgument }
    }
    labels = formats.map { $0.field("label").map(FieldBits.init) }
    lanes = state.plan.lanes
    (cpuOfSlot, nodeOfCPU) = (state.plan.cpuOfSlot, table.nodeOfCPU)
    names = table.names
    quoted = StringBlob(names.map(jsonString))
    gfp = GFPText(table.gfpNames)
    isNamed = Buffer(state.plan.slotCount * (Self.ownThreads + lanes.count), 0)
    since = Buffer(state.plan.slotCount, state.window.lowerBound.picoseconds / 1000)
    output.text("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"title\":")
    output.text(jsonString(table.title))
    output.text("},\"traceEvents\":[\n")
    output.text(Self.metadata("process_name", Self.machineProcess, 0, "Emulated machine"))
  }

  private static func head(_ format: EventFormat) -> String {
    let phase =
      switch format.track.kind {
      case .begin, .flowOut, .flowIn, .entry, .end, .exit: "X"
      case .counter: "C"
      case .tracepoint, .threadSwitch, .instant, .instantOut, .unknown: "i\",\"s\":\"t"
      }
    return ",\n{\"ph\":\"\(phase)\",\"cat\":" + jsonString(format.system)
  }

  private static func metadata(_ what: String, _ process: Int, _ thread: Int, _ name: String)
    -> String
  {
    "{\"ph\":\"M\",\"name\":\"\(what)\",\"pid\":\(process),\"tid\":\(thread),"
      + "\"args\":{\"name\":\(jsonString(name))}}"
  }

  mutating func append(names more: [String]) {
    names += more
    for name in more { quoted.append(jsonString(name)) }
  }

  mutating func consume(_ records: borrowing Probe, _ state: inout TimelineState) throws {
    for index in 0..<records.count {
      let record = records[index]
      let slot = state.admit(record)
      guard slot >= 0 else { continue }
      write(record, state.plan.kind(of: record.event), slot: slot, state)
      try output.flushIfFull()
    }
  }

  /// Ends what runs on each CPU, and the file.
  mutating func finish(at end: Instant, _ state: borrowing TimelineState) throws {
    for slot in cpuOfSlot.indices {
      writeRun(state.running[slot], slot: slot, until: end, state)
      try output.flushIfFull()
    }
    output.text("\n]}\n")
    try output.flush()
  }

  // MARK: Events

  private mutating func write(
    _ record: ProbeRecord, _ kind: EventKind, slot: Int, _ state: borrowing TimelineState
  ) {
    if kind == .threadSwitch {
      writeRun(state.threadLeft(by: record), slot: slot, until: record.time, state)
    }
    switch kind {
    case .counter:
      writeCounter(record, slot: slot)
    case .begin, .entry, .flowOut, .flowIn:
      break
    case .end, .exit:
      let open = state.closed
      let thread = thread(of: Int(state.plan.laneOf[Int(record.event)]), row: state.row)
      writeEvent(open.record, until: record, thread: thread, slot: slot)
      switch state.plan.kind(of: open.record.event) {
      case .flowOut: writeArrow(open.record, "s\"", thread: thread, slot: slot)
      case .flowIn where open.arrives:
        writeArrow(open.record, "f\",\"bp\":\"e\"", thread: thread, slot: slot)
      default: break
      }
    case .tracepoint, .threadSwitch, .instant, .instantOut, .unknown:
      let lane = Int(state.plan.laneOf[Int(record.event)])
      let thread = lane < 0 ? 1 : thread(of: lane, row: state.row)
      writeEvent(record, until: nil, thread: thread, slot: slot)
      if kind == .instantOut { writeArrow(record, "s\"", thread: thread, slot: slot) }
    }
  }

  /// A slice, or an instant if it has no end.
  private mutating func writeEvent(
    _ record: ProbeRecord, until end: ProbeRecord?, thread: Int, slot: Int
  ) {
    let event = Int(record.event)
    name(thread: thread, slot: slot)
    output.reserve(heads.lengthMax)
    heads.write(event, to: &output)
    output.text(",\"name\":")
    writeName(record)
    if let end {
      output.text(",\"dur\":")
      output.reserve(64)
      let start = record.time.picoseconds / 1000
      output.microseconds(nanoseconds: end.time.picoseconds / 1000 - start)
    }
    writePlace(record.time, thread: thread, slot: slot)
    // What a pair of tracepoints says at its end it said at its beginning.
    let closer = end.flatMap { formats[Int($0.event)].track.kind == .end ? $0 : nil }
    let hasMore = closer.map { !arguments[Int($0.event)].isEmpty } ?? false
    if !arguments[event].isEmpty || hasMore {
      output.text(",\"args\":{")
      writeArguments(record)
      if let closer, hasMore {
        if !arguments[event].isEmpty { output.text(",") }
        writeArguments(closer)
      }
      output.text("}")
    }
    output.text("}")
  }

  private mutating func writeName(_ record: ProbeRecord) {
    let event = Int(record.event)
    if let index = labels[event]?.value(in: record), index < UInt64(names.count) {
      return writeQuoted(Int(index))
    }
    output.text(jsonString(formats[event].name))
  }

  private mutating func writeQuoted(_ index: Int) {
    output.reserve(quoted.lengthMax)
    quoted.write(index, to: &output)
  }

  /// Time, process and thread.
  private mutating func writePlace(_ time: Instant, thread: Int, slot: Int) {
    output.text(",\"ts\":")
    output.reserve(128)
    output.microseconds(nanoseconds: time.picoseconds / 1000)
    output.text(",\"pid\":")
    output.reserve(64)
    output.decimal(UInt64(process(of: slot)))
    output.text(",\"tid\":")
    output.reserve(64)
    output.decimal(UInt64(number(of: thread, slot: slot)))
  }

  private mutating func writeArguments(_ record: ProbeRecord) {
    let event = Int(record.event)
    var isFirst = true
    for index in arguments[event] {
      if !isFirst { output.byte(0x2C) }
      isFirst = false
      let value = fieldBits[event][index].value(in: record)
      output.reserve(keys.lengthMax + 64)
      keys.write(firstKey[event] + index, to: &output)
      switch formats[event].fields[index].kind {
      case .unsigned: output.decimal(value)
      case .signed: output.decimal(Int64(bitPattern: value))
      case .pointer:
        output.byte(0x22)
        output.hexadecimal(value)
        output.byte(0x22)
      case .gfp: output.text(jsonString(gfp.text(value)))
      case .name:
        if value < UInt64(names.count) { writeQuoted(Int(value)) } else { output.decimal(value) }
      }
    }
  }

  private mutating func writeArrow(_ record: ProbeRecord, _ phase: String, thread: Int, slot: Int) {
    guard let flow = formats[Int(record.event)].field("flow") else { return }
    output.text(",\n{\"ph\":\"\(phase),\"name\":\"arrow\",\"cat\":\"arrow\",\"id\":\"")
    output.reserve(32)
    output.hexadecimal(flow.value(in: record))
    output.text("\"")
    writePlace(record.time, thread: thread, slot: slot)
    output.text("}")
  }

  private mutating func writeCounter(_ record: ProbeRecord, slot: Int) {
    let format = formats[Int(record.event)]
    guard case .counter(let unit) = format.track else { return }
    var label = ""
    if let index = labels[Int(record.event)]?.value(in: record) {
      label = index < UInt64(names.count) ? names[Int(index)] : "\(index)"
    }
    var name = counterName(format.name, label)
    if slot < cpuOfSlot.count { name += " CPU \(cpuOfSlot[slot])" }
    let value = format.field("value")
    let bits = value?.value(in: record) ?? 0
    let text = value?.kind == .signed ? "\(Int64(bitPattern: bits))" : "\(bits)"
    nameProcess(of: slot)
    output.text(",\n{\"ph\":\"C\",\"name\":\(jsonString(name))")
    writePlace(record.time, thread: 0, slot: slot)
    output.text(",\"args\":{\(jsonString(unit)):\(text)}}")
  }

  /// What ran on a CPU until now.
  private mutating func writeRun(
    _ pid: Int32, slot: Int, until end: Instant, _ state: borrowing TimelineState
  ) {
    name(thread: 0, slot: slot)
    let name = state.threads.strings[state.threads.index(of: Int(pid), cpu: cpuOfSlot[slot])]
    let start = since[slot]
    since[slot] = max(start, end.picoseconds / 1000)
    output.text(",\n{\"ph\":\"X\",\"cat\":\"sched\",\"name\":\(jsonString(name)),\"dur\":")
    output.reserve(64)
    output.microseconds(nanoseconds: since[slot] - start)
    writePlace(Instant(picoseconds: start * 1000), thread: 0, slot: slot)
    output.text("}")
  }

  // MARK: Processes and threads

  private func process(of slot: Int) -> Int {
    guard slot < cpuOfSlot.count else { return Self.machineProcess }
    let cpu = cpuOfSlot[slot]
    return Self.machineProcess + 1 + (cpu < nodeOfCPU.count ? nodeOfCPU[cpu] : 0)
  }

  private var threadsPerRow: Int { Self.ownThreads + lanes.count }

  private func thread(of lane: Int, row: Int32) -> Int {
    Int(row) * threadsPerRow + Self.ownThreads + lane
  }

  /// Rows beyond the first come after all threads of all CPUs.
  private func number(of thread: Int, slot: Int) -> Int {
    let (row, place) = thread.quotientAndRemainder(dividingBy: threadsPerRow)
    return (row * (cpuOfSlot.count + 1) + slot) * threadsPerRow + place + 1
  }

  private mutating func nameProcess(of slot: Int) {
    let process = process(of: slot)
    guard process != Self.machineProcess, nodesNamed.insert(process).inserted else { return }
    let node = process - Self.machineProcess - 1
    output.text(",\n" + Self.metadata("process_name", process, 0, "Node \(node)"))
  }

  private mutating func name(thread: Int, slot: Int) {
    let number = number(of: thread, slot: slot)
    isNamed.grow(to: number > isNamed.count ? 2 * number : 0, 0)
    guard isNamed[number - 1] == 0 else { return }
    isNamed[number - 1] = 1
    nameProcess(of: slot)
    let cpu = slot < cpuOfSlot.count ? "CPU \(cpuOfSlot[slot])" : "machine"
    let what =
      switch thread {
      case 0: cpu
      case 1: "\(cpu) tracepoints"
      default: "\(cpu) \(lanes[thread % threadsPerRow - Self.ownThreads])"
      }
    output.text(",\n" + Self.metadata("thread_name", process(of: slot), number, what))
  }
}
