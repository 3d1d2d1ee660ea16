import Simulation

/// Encodes tracepoints as `FtraceEvent`s in bundles, a CPU's records together.
///
/// CPUs above 1,023: the reader refuses the whole file because of one such CPU, so each block of
/// 1,024 CPUs is a machine of its own (`machine_id`), in which CPU 1,024 is CPU 0. In SQL the CPU's
/// number is `machine_id`'s block times 1,024 plus `cpu`.
struct PerfettoBundles: ~Copyable {
  /// CPUs of one machine.
  static let machineSize = 1024
  /// Events of one bundle at most, which bounds the room that it needs.
  private static let eventsMax = 1024

  private var plans: EncodingPlans
  private var names: StringBlob
  /// The thread on each slot's CPU after the last event encoded.
  private var running: Buffer<Int32>

  init(_ state: borrowing TimelineState, names: [String]) {
    self.names = StringBlob(names)
    plans = EncodingPlans(
      state.plan.formats, nameLengthMax: max(self.names.lengthMax, state.threads.blob.lengthMax))
    running = state.running.clone()
  }

  /// Makes more strings known; formats and CPUs stay.
  mutating func append(names more: [String], _ state: borrowing TimelineState) {
    for name in more { names.append(name) }
    plans = EncodingPlans(
      state.plan.formats, nameLengthMax: max(names.lengthMax, state.threads.blob.lengthMax))
  }

  /// Writes the records `order[from..<to]`, all of one slot's CPU.
  mutating func write(
    _ records: borrowing Probe, _ order: borrowing Buffer<Int32>, from: Int, to: Int, slot: Int,
    _ state: borrowing TimelineState, _ output: inout OutputBuffer
  ) throws {
    var from = from
    while from < to {
      let end = min(to, from + Self.eventsMax)
      output.reserve(64 + (end - from) * plans.sizeMax)
      let cpu = state.plan.cpuOfSlot[slot]
      let bundle = openBundle(cpu, &output)
      for index in from..<end {
        encode(records[Int(order[index])], slot, cpu, state, &output)
      }
      closeBundle(bundle, cpu, &output)
      try output.flushIfFull()
      from = end
    }
  }

  /// Writes one record as a bundle of its own.
  mutating func write(
    _ record: ProbeRecord, slot: Int, _ state: borrowing TimelineState,
    _ output: inout OutputBuffer
  ) {
    output.reserve(64 + plans.sizeMax)
    let cpu = state.plan.cpuOfSlot[slot]
    let bundle = openBundle(cpu, &output)
    encode(record, slot, cpu, state, &output)
    closeBundle(bundle, cpu, &output)
  }

  /// `TracePacket.ftrace_events` and in it `FtraceEventBundle.cpu`.
  private func openBundle(_ cpu: Int, _ output: inout OutputBuffer) -> (Int, Int) {
    let packet = output.open(1)
    if cpu >= Self.machineSize { output.field(98, UInt64(cpu / Self.machineSize)) }
    let bundle = output.open(1)
    output.field(1, UInt64(cpu % Self.machineSize))
    return (packet, bundle)
  }

  private func closeBundle(_ starts: (Int, Int), _ cpu: Int, _ output: inout OutputBuffer) {
    output.close(starts.1)
    output.close(starts.0)
  }

  /// `FtraceEventBundle.event`: 1 timestamp, 2 pid, then the tracepoint's own message.
  @inline(__always)
  private mutating func encode(
    _ record: ProbeRecord, _ slot: Int, _ cpu: Int, _ state: borrowing TimelineState,
    _ output: inout OutputBuffer
  ) {
    let plan = plans.plans[Int(record.event)]
    let width = Int(plan.lengthWidth)
    output.byte(0x12)
    let outer = output.count
    output.count &+= width
    output.byte(0x08)
    output.varint(record.time.picoseconds / 1000)
    output.byte(0x10)
    output.varint(UInt64(UInt32(bitPattern: running[slot])))
    output.word(plan.tag, length: Int(plan.tagLength))
    let inner = output.count
    output.count &+= width
    run(plan, record, cpu, state, &output)
    output.patchLength(at: inner, width: width)
    output.patchLength(at: outer, width: width)
    if state.plan.kinds[Int(record.event)] == .threadSwitch {
      running[slot] = state.threadEntered(by: record)
    }
  }

  @inline(__always)
  private func run(
    _ plan: EncodingPlan, _ record: ProbeRecord, _ cpu: Int, _ state: borrowing TimelineState,
    _ output: inout OutputBuffer
  ) {
    var nested = 0
    var index = Int(plan.firstStep)
    while index < Int(plan.endStep) {
      let step = plans.steps[index]
      index &+= 1
      output.word(step.tag, length: Int(step.tagLength))
      switch step.kind {
      case .number:
        output.varint(step.field.value(in: record))
      case .constant:
        output.varint(step.operand)
      case .name:
        let name = step.field.value(in: record)
        guard name < UInt64(names.count) else {
          output.byte(0)
          continue
        }
        output.varint(UInt64(names.length(of: Int(name))))
        names.write(Int(name), to: &output)
      case .threadName:
        let pid = Int(truncatingIfNeeded: Int64(bitPattern: step.field.value(in: record)))
        let name = state.threads.index(of: pid, cpu: cpu)
        output.varint(UInt64(state.threads.blob.length(of: name)))
        state.threads.blob.write(name, to: &output)
      case .literal:
        output.varint(UInt64(plans.literals.length(of: Int(step.operand))))
        plans.literals.write(Int(step.operand), to: &output)
      case .open:
        nested = output.count
        output.count &+= 2
      case .close:
        output.patchLength(at: nested, width: 2)
      }
    }
  }
}

extension OutputBuffer {
  /// Sets the length of what was written after the `width` bytes at `start`.
  @inline(__always)
  mutating func patchLength(at start: Int, width: Int) {
    let size = count &- start &- width
    switch width {
    case 1:
      bytes[start] = UInt8(truncatingIfNeeded: size)
    case 2:
      bytes[start] = UInt8(truncatingIfNeeded: size & 0x7F | 0x80)
      bytes[start &+ 1] = UInt8(truncatingIfNeeded: size &>> 7)
    default:
      close(start &+ width)
    }
  }
}
