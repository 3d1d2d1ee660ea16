import Simulation

/// Writes Perfetto's protobuf traces (`.pftrace`).
///
/// Tracepoints go into bundles, a CPU's records of a chunk together; all else is `TrackEvent`s of
/// tracks of our own. The reader sorts by time, so the order of packets in the file is free. Times
/// are rounded down to nanoseconds, which keeps the order, so what nests stays nested.
struct PerfettoWriter: ~Copyable {
  private var output: OutputBuffer
  private var bundles: PerfettoBundles
  private var tracks: PerfettoTracks
  /// Of each record of the chunk: its slot if it goes into a bundle, else -1.
  private var keys: Buffer<Int32>
  /// Records of each slot in the chunk; then, while sorting, where the next one goes.
  private var counts: Buffer<Int32>
  private var order: Buffer<Int32>

  init(_ table: TraceTable, _ state: borrowing TimelineState, sink: @escaping TimelineSink) {
    output = OutputBuffer(sink: sink)
    bundles = PerfettoBundles(state, names: table.names)
    tracks = PerfettoTracks(table, state.plan)
    keys = Buffer(Probe.chunk, -1)
    order = Buffer(Probe.chunk, 0)
    counts = Buffer(state.plan.slotCount + 1, 0)
    tracks.writePreamble(table, state.window, &output)
  }

  mutating func append(names: [String], _ state: borrowing TimelineState) {
    bundles.append(names: names, state)
    tracks.append(names: names)
  }

  /// Writes a chunk. Complexity: O(records + slots).
  mutating func consume(_ records: borrowing Probe, _ state: inout TimelineState) throws {
    keys.grow(to: records.count, -1)
    order.grow(to: records.count, 0)
    try admit(records, &state)
    sort(records.count, slots: state.plan.slotCount)
    var from = 0
    for slot in 0..<state.plan.cpuOfSlot.count {
      let to = Int(counts[slot])
      if to > from {
        try bundles.write(records, order, from: from, to: to, slot: slot, state, &output)
      }
      from = to
    }
  }

  /// First pass, in the order noted: what is a track event is written, the rest counted by slot.
  private mutating func admit(_ records: borrowing Probe, _ state: inout TimelineState) throws {
    for slot in 0..<counts.count { counts[slot] = 0 }
    for index in 0..<records.count {
      let event = records[index].event
      let kind = state.plan.kind(of: event)
      if kind == .tracepoint {
        // Nearly all: they change no state.
        let slot = state.admitTracepoint(event, of: records[index].cpu)
        keys[index] = Int32(truncatingIfNeeded: slot)
        if slot >= 0 { counts[slot] &+= 1 }
        continue
      }
      let record = records[index]
      if kind == .threadSwitch { openFirst(record, &state) }
      let slot = state.admit(record)
      guard slot >= 0, kind.isTracepoint else {
        keys[index] = -1
        if slot >= 0 {
          tracks.write(record, kind, slot: slot, state, &output)
          try output.flushIfFull()
        }
        continue
      }
      keys[index] = Int32(truncatingIfNeeded: slot)
      counts[slot] &+= 1
    }
  }

  /// Second pass: a counting sort by slot. Leaves in `counts` where each slot's records end.
  private mutating func sort(_ count: Int, slots: Int) {
    var start: Int32 = 0
    for slot in 0..<slots {
      let own = counts[slot]
      counts[slot] = start
      start &+= own
    }
    for index in 0..<count {
      let slot = Int(keys[index])
      guard slot >= 0 else { continue }
      order[Int(counts[slot])] = Int32(truncatingIfNeeded: index)
      counts[slot] &+= 1
    }
  }

  /// The first switch of a CPU tells which thread ran since the window's start.
  private mutating func openFirst(_ record: ProbeRecord, _ state: inout TimelineState) {
    let slot = state.plan.slot(of: record.cpu)
    guard slot >= 0, slot != state.plan.machineSlot, state.hasSwitched[slot] == 0 else { return }
    open(state.threadLeft(by: record), slot: slot, &state)
  }

  private mutating func open(_ pid: Int32, slot: Int, _ state: inout TimelineState) {
    let start = state.window.lowerBound
    add(state.threadSwitch(from: 0, to: pid, slot: slot, at: start), slot, &state)
  }

  private mutating func add(_ record: ProbeRecord, _ slot: Int, _ state: inout TimelineState) {
    state.noteAdded(record.event)
    state.noteWritten(record.event)
    bundles.write(record, slot: slot, state, &output)
  }

  /// Gives every CPU a scheduling slice that ends at `end`, and the sink all that is left.
  mutating func finish(at end: Instant, _ state: inout TimelineState) throws {
    for slot in 0..<state.plan.cpuOfSlot.count {
      let pid = state.running[slot]
      if state.hasSwitched[slot] == 0 { open(pid, slot: slot, &state) }
      add(state.threadSwitch(from: pid, to: 0, slot: slot, at: end), slot, &state)
      try output.flushIfFull()
    }
    try output.flush()
  }
}
