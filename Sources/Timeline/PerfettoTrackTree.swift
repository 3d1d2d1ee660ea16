import Simulation

/// The tracks of our own: one root, under it a track a node, under it a track a CPU, under it a
/// track a lane and a track a counter. Their order is explicit; each is described when it is first
/// used, so that only what happened is drawn. A lane's rows are tracks of one name side by side,
/// which viewers draw as one; counters of one kind that have labels hang under a track of their own.
struct PerfettoTrackTree: ~Copyable {
  private struct CounterKey: Hashable {
    let event: UInt16
    let label: UInt64?
    let slot: Int
  }
  private let lanes: [String]
  private let units: [String]
  private let nodeOfCPU: [Int]
  private let cpuOfSlot: [Int]
  private let counterNames: [String]
  /// Of each lane of each slot, how many rows were described.
  private var described: Buffer<Int32>
  private var hasCPUTrack: Buffer<UInt8>
  private var nodesDescribed: Set<Int> = []
  private var counterTracks: [CounterKey: UInt64] = [:]
  private var counterGroups: [CounterKey: UInt64] = [:]

  init(_ table: TraceTable, _ plan: borrowing TimelinePlan) {
    lanes = plan.lanes
    units = plan.formats.map { if case .counter(let unit) = $0.track { unit } else { "" } }
    (nodeOfCPU, cpuOfSlot) = (table.nodeOfCPU, plan.cpuOfSlot)
    counterNames = plan.formats.map(\.name)
    described = Buffer(plan.slotCount * max(plan.lanes.count, 1), 0)
    hasCPUTrack = Buffer(plan.slotCount, 0)
  }

  func describeRoot(_ title: String, _ output: inout OutputBuffer) {
    describe(
      PerfettoTrackID.root, under: nil, "Emulated machine", rank: 0, description: title, &output)
  }

  private func describe(
    _ uuid: UInt64, under parent: UInt64?, _ name: String, rank: Int, description: String = "",
    unit: String? = nil, _ output: inout OutputBuffer
  ) {
    let packet = output.openPacket(nil)
    output.message(60) { track in
      track.field(1, uuid)
      if let parent { track.field(5, parent) }
      track.field(2, name)
      if !description.isEmpty { track.field(14, description) }
      let explicit: UInt64 = 3
      track.field(11, explicit)
      track.field(12, UInt64(rank))
      if let unit { track.message(8) { $0.field(6, unit) } }
    }
    output.close(packet)
  }

  /// The track that holds a slot's lanes and counters: its CPU's, or the root.
  private mutating func parent(_ slot: Int, _ output: inout OutputBuffer) -> UInt64 {
    guard slot < cpuOfSlot.count else { return PerfettoTrackID.root }
    let cpu = cpuOfSlot[slot]
    let uuid = PerfettoTrackID.cpu(cpu)
    guard hasCPUTrack[slot] == 0 else { return uuid }
    hasCPUTrack[slot] = 1
    let node = cpu < nodeOfCPU.count ? nodeOfCPU[cpu] : 0
    if nodesDescribed.insert(node).inserted {
      describe(
        PerfettoTrackID.node(node), under: PerfettoTrackID.root, "Node \(node)",
        rank: PerfettoTrackID.nodeRank + node, &output)
    }
    describe(uuid, under: PerfettoTrackID.node(node), "CPU \(cpu)", rank: cpu, &output)
    return uuid
  }

  /// The track of a row of a lane of a slot's CPU.
  @inline(__always)
  mutating func lane(
    _ lane: Int, row: Int32, _ slot: Int, _ output: inout OutputBuffer
  ) -> UInt64 {
    if described[slot * lanes.count + lane] <= row { describe(lane, upTo: row, slot, &output) }
    return PerfettoTrackID.lane(lane, row: row, slot: slot)
  }

  private mutating func describe(
    _ lane: Int, upTo row: Int32, _ slot: Int, _ output: inout OutputBuffer
  ) {
    let place = slot * lanes.count + lane
    for row in described[place]...row {
      let uuid = PerfettoTrackID.lane(lane, row: row, slot: slot)
      describe(uuid, under: parent(slot, &output), lanes[lane], rank: lane, &output)
    }
    described[place] = row + 1
  }

  /// The track of a counter, if it was added.
  func counter(_ event: UInt16, label: UInt64?, _ slot: Int) -> UInt64? {
    counterTracks[CounterKey(event: event, label: label, slot: slot)]
  }

  /// - Parameter text: what the label says.
  mutating func addCounter(
    _ event: UInt16, label: UInt64?, _ slot: Int, _ text: String, _ output: inout OutputBuffer
  ) -> UInt64 {
    let uuid = PerfettoTrackID.counter(counterTracks.count)
    counterTracks[CounterKey(event: event, label: label, slot: slot)] = uuid
    let kind = counterNames[Int(event)]
    let parent =
      label == nil ? self.parent(slot, &output) : counterGroup(event, kind, slot, &output)
    describe(
      uuid, under: parent, counterName(kind, text), rank: lanes.count + counterTracks.count,
      unit: units[Int(event)], &output)
    return uuid
  }

  private mutating func counterGroup(
    _ event: UInt16, _ kind: String, _ slot: Int, _ output: inout OutputBuffer
  ) -> UInt64 {
    let key = CounterKey(event: event, label: nil, slot: slot)
    if let uuid = counterGroups[key] { return uuid }
    let uuid = PerfettoTrackID.counterGroup(counterGroups.count)
    counterGroups[key] = uuid
    describe(
      uuid, under: parent(slot, &output), kind, rank: lanes.count + counterTracks.count, &output)
    return uuid
  }
}

/// Numbers of tracks, apart by kind.
enum PerfettoTrackID {
  static let root: UInt64 = 1
  /// Nodes come after what hangs on the root itself.
  static let nodeRank = 1 << 20
  static func node(_ node: Int) -> UInt64 { 1 << 56 | UInt64(node) }
  static func cpu(_ cpu: Int) -> UInt64 { 2 << 56 | UInt64(cpu) }
  /// The most frequent, so the shortest: of three or four bytes with up to 4,096 CPUs. Room for 16
  /// lanes of 8,192 slots; a lane's later rows are rare.
  static func lane(_ lane: Int, row: Int32, slot: Int) -> UInt64 {
    precondition(lane < 16, "more lanes than tracks are numbered for")
    return 2 + (UInt64(row) << 17 | UInt64(slot) << 4 | UInt64(lane))
  }
  static func counter(_ index: Int) -> UInt64 { 3 << 56 | UInt64(index) }
  static func counterGroup(_ index: Int) -> UInt64 { 4 << 56 | UInt64(index) }
}

/// What a counter is called in every format: by its kind, and by what its label says.
func counterName(_ kind: String, _ label: String) -> String {
  label.isEmpty ? kind : "\(kind) \(label)"
}

extension OutputBuffer {
  /// A packet of our sequence, up to its timestamp.
  mutating func openPacket(_ time: Instant?) -> Int {
    // Any number but 0.
    let sequence: UInt64 = 1
    let packet = open(1)
    if let time { field(8, time.picoseconds / 1000) }
    field(10, sequence)
    return packet
  }
}
