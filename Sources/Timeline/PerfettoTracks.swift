import Simulation

/// Writes everything that is no tracepoint as `TrackEvent`s on tracks of our own.
///
/// Names are written once (`InternedData`) and then go by number. All packets are one sequence.
struct PerfettoTracks: ~Copyable {
  struct Argument: BitwiseCopyable {
    var bits: FieldBits
    /// The head of a `DebugAnnotation` up to its value: the number of its name, the value's field.
    var head: UInt64
    var headLength: UInt8
    var isName: Bool
    var isGFP: Bool
  }
  // Not private: the compiler (6.3.1) breaks on a `Buffer` of a private type in a type that has a
  // destructor of its own.
  struct Plan: BitwiseCopyable {
    /// The fields that all events of a format share, as bytes: its type, its category if any.
    var head: UInt64
    var headLength: UInt8
    var label: FieldBits?
    var flow: FieldBits?
    var value: FieldBits?
    var firstArgument: Int32
    var endArgument: Int32
  }
  /// Numbers of the fields of `TrackEvent`.
  private enum Tag {
    static let annotation = 4
    static let name = 10
    static let track = 11
    static let counterValue = 30
    static let flow = 47
    static let terminatingFlow = 48
  }
  private var plans: Buffer<Plan>
  private var arguments: Buffer<Argument>
  private let categories: [String]
  private let argumentNames: [String]
  private let formatNames: [String]
  private var tree: PerfettoTrackTree
  private var names: [String]
  private var gfp: GFPText
  private var gfpIIDs: [UInt64: UInt64] = [:]
  /// One byte a name: 1 it is known as an event's name, 2 as an argument's value.
  private var interned: Buffer<UInt8>

  init(_ table: TraceTable, _ plan: borrowing TimelinePlan) {
    var categories: [String] = []
    var argumentNames: [String] = []
    var arguments: [Argument] = []
    plans = Buffer(
      max(plan.formats.count, 1),
      Plan(head: 0, headLength: 0, firstArgument: 0, endArgument: 0))
    for (number, format) in plan.formats.enumerated() where !format.track.kind.isTracepoint {
      let first = arguments.count
      for field in format.fields where field.isArgument {
        let name = Self.number(of: field.name, in: &argumentNames)
        arguments.append(Argument(field, nameIID: name))
      }
      // An end is of what it ends.
      let hasCategory = !format.system.isEmpty && format.track.kind != .end
      let category = hasCategory ? Self.number(of: format.system, in: &categories) : 0
      precondition(category < 128, "more categories than a byte of the format can number")
      plans[number] = Plan(
        head: 9 << 3 | format.track.kind.trackEventType << 8 | 3 << 19 | category << 24,
        headLength: hasCategory ? 4 : 2, label: format.field("label").map(FieldBits.init),
        flow: format.field("flow").map(FieldBits.init),
        value: format.field("value").map(FieldBits.init),
        firstArgument: Int32(first), endArgument: Int32(arguments.count))
    }
    self.arguments = Buffer(max(arguments.count, 1), Argument(.init("", word: 0), nameIID: 0))
    for (number, argument) in arguments.enumerated() { self.arguments[number] = argument }
    (self.categories, self.argumentNames) = (categories, argumentNames)
    formatNames = plan.formats.map(\.name)
    tree = PerfettoTrackTree(table, plan)
    (names, gfp) = (table.names, GFPText(table.gfpNames))
    interned = Buffer(max(table.names.count, 1), 0)
  }

  /// The number, from 1, of a string in a list that it joins if it is new.
  private static func number(of name: String, in list: inout [String]) -> UInt64 {
    if let index = list.firstIndex(of: name) { return UInt64(index + 1) }
    list.append(name)
    return UInt64(list.count)
  }

  mutating func append(names more: [String]) {
    names += more
    interned.grow(to: names.count, 0)
  }

  // MARK: Packets

  /// What stands at the head of the file: clock, what ran, defaults, and the names known by now.
  mutating func writePreamble(
    _ table: TraceTable, _ window: Range<Instant>, _ output: inout OutputBuffer
  ) {
    let bootTime: UInt64 = 6
    output.message(1) { packet in
      packet.message(6) { snapshot in
        snapshot.message(1) { clock in
          clock.field(1, bootTime)
          clock.field(2, window.lowerBound.picoseconds / 1000)
        }
        snapshot.field(2, bootTime)
      }
    }
    output.message(1) { packet in
      packet.message(45) { system in
        system.message(1) { name in
          name.field(1, "kmemu")
          name.field(2, table.title)
        }
        system.field(8, UInt64(table.cpuCount))
      }
    }
    let packet = output.openPacket(nil)
    let stateCleared: UInt64 = 1
    output.field(13, stateCleared)
    output.message(59) { $0.field(58, bootTime) }
    output.message(12) { data in
      for (number, name) in categories.enumerated() { data.interned(1, number + 1, name) }
      for (number, name) in formatNames.enumerated() { data.interned(2, number + 1, name) }
      for (number, name) in argumentNames.enumerated() { data.interned(3, number + 1, name) }
    }
    output.close(packet)
    tree.describeRoot(table.title, &output)
  }

  /// Makes a string known before the packet that uses it. `tag`: the field of `InternedData`.
  private func intern(_ tag: Int, _ number: UInt64, _ text: String, _ output: inout OutputBuffer) {
    let packet = output.openPacket(nil)
    output.field(13, 2)
    output.message(12) { $0.interned(tag, Int(number), text) }
    output.close(packet)
  }

  // MARK: Events

  mutating func write(
    _ record: ProbeRecord, _ kind: EventKind, slot: Int, _ state: borrowing TimelineState,
    _ output: inout OutputBuffer
  ) {
    let event = Int(record.event)
    let plan = plans[event]
    let isCounter = kind == .counter
    let track =
      isCounter
      ? counterTrack(record, plan.label, slot, &output)
      : tree.lane(Int(state.plan.laneOf[event]), row: state.row, slot, &output)
    let name = kind == .end || isCounter ? 0 : nameIID(record, plan.label, &output)
    if plan.endArgument > plan.firstArgument { internArguments(record, plan, &output) }
    output.reserve(128 + 48 * Int(plan.endArgument - plan.firstArgument))
    // Lengths of two bytes: no packet of an event is as long as 16 KiB.
    output.byte(1 << 3 | 2)
    let packet = output.count
    output.count &+= 2
    output.byte(8 << 3)
    output.varint(record.time.picoseconds / 1000)
    // Of sequence 1, and it needs the names known by now; then the event.
    output.word(10 << 3 | 1 << 8 | 13 << 19 | 2 << 24 | (11 << 3 | 2) << 32, length: 5)
    let body = output.count
    output.count &+= 2
    output.word(plan.head, length: Int(plan.headLength))
    output.byte(UInt8(Tag.track << 3))
    output.varint(track)
    if isCounter {
      output.field(Tag.counterValue, plan.value?.value(in: record) ?? 0)
    } else {
      if kind != .end {
        output.byte(UInt8(Tag.name << 3))
        output.varint(name)
      }
      if plan.endArgument > plan.firstArgument { writeArguments(record, plan, &output) }
      if plan.flow != nil { writeFlow(record, kind, plan, arrives: state.arrives, &output) }
    }
    output.patchLength(at: body, width: 2)
    output.patchLength(at: packet, width: 2)
  }

  private func writeFlow(
    _ record: ProbeRecord, _ kind: EventKind, _ plan: Plan, arrives: Bool,
    _ output: inout OutputBuffer
  ) {
    guard let flow = plan.flow else { return }
    if kind == .flowOut || kind == .instantOut {
      output.fixed(Tag.flow, flow.value(in: record))
    } else if kind == .flowIn, arrives {
      output.fixed(Tag.terminatingFlow, flow.value(in: record))
    }
  }

  private mutating func counterTrack(
    _ record: ProbeRecord, _ label: FieldBits?, _ slot: Int, _ output: inout OutputBuffer
  ) -> UInt64 {
    let index = label?.value(in: record)
    if let uuid = tree.counter(record.event, label: index, slot) { return uuid }
    let text = index.map { $0 < UInt64(names.count) ? names[Int($0)] : "\($0)" } ?? ""
    return tree.addCounter(record.event, label: index, slot, text, &output)
  }

  @inline(__always)
  private mutating func nameIID(
    _ record: ProbeRecord, _ label: FieldBits?, _ output: inout OutputBuffer
  ) -> UInt64 {
    guard let index = label?.value(in: record), index < UInt64(names.count) else {
      return UInt64(record.event) + 1
    }
    let number = UInt64(formatNames.count) + index + 1
    if interned[Int(index)] & 1 == 0 {
      interned[Int(index)] |= 1
      intern(2, number, names[Int(index)], &output)
    }
    return number
  }

  /// Makes the strings among a record's arguments known.
  private mutating func internArguments(
    _ record: ProbeRecord, _ plan: Plan, _ output: inout OutputBuffer
  ) {
    for number in Int(plan.firstArgument)..<Int(plan.endArgument) {
      let argument = arguments[number]
      let value = argument.bits.value(in: record)
      if argument.isGFP, gfpIIDs[value] == nil {
        // Names have the numbers from 1; masks those from a billion.
        let number = UInt64(1_000_000_000 + gfpIIDs.count)
        gfpIIDs[value] = number
        intern(29, number, gfp.text(value), &output)
      } else if argument.isName, value < UInt64(names.count), interned[Int(value)] & 2 == 0 {
        interned[Int(value)] |= 2
        intern(29, value + 1, names[Int(value)], &output)
      }
    }
  }

  private func writeArguments(_ record: ProbeRecord, _ plan: Plan, _ output: inout OutputBuffer) {
    for number in Int(plan.firstArgument)..<Int(plan.endArgument) {
      let argument = arguments[number]
      var value = argument.bits.value(in: record)
      if argument.isGFP { value = gfpIIDs[value] ?? 0 }
      if argument.isName {
        guard value < UInt64(names.count) else { continue }
        value += 1
      }
      output.byte(UInt8(Tag.annotation << 3 | 2))
      let body = output.count
      output.count &+= 1
      output.word(argument.head, length: Int(argument.headLength))
      output.varint(value)
      output.patchLength(at: body, width: 1)
    }
  }
}

extension PerfettoTracks.Argument {
  init(_ field: EventFormat.Field, nameIID: UInt64) {
    bits = FieldBits(field)
    (isName, isGFP) = (field.kind == .name, field.kind == .gfp)
    precondition(nameIID < 128, "more names of arguments than a byte of the format can number")
    let tag: UInt64 =
      switch field.kind {
      case .unsigned: 3 << 3
      case .signed: 4 << 3
      case .pointer: 7 << 3
      // 17, as a varint of two bytes.
      case .gfp, .name: 0x0188
      }
    head = 1 << 3 | nameIID << 8 | tag << 16
    headLength = tag < 0x80 ? 3 : 4
  }
}

extension EventKind {
  /// `TrackEvent.Type`.
  fileprivate var trackEventType: UInt64 {
    switch self {
    case .begin, .flowOut, .flowIn: 1
    case .end: 2
    case .instant, .instantOut: 3
    case .counter: 4
    case .tracepoint, .entry, .exit, .threadSwitch, .unknown: 0
    }
  }
}

extension OutputBuffer {
  /// A nested message, written by `body`.
  mutating func message(_ tag: Int, _ body: (inout OutputBuffer) -> Void) {
    let start = open(tag)
    body(&self)
    close(start)
  }

  /// A string of `InternedData` (field `tag`) and its number.
  mutating func interned(_ tag: Int, _ number: Int, _ text: String) {
    message(tag) { entry in
      entry.field(1, UInt64(number))
      entry.field(2, text)
    }
  }
}
