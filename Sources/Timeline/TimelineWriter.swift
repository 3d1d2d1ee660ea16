import Simulation

/// Writes one timeline: from probe records in the order of emulated time to the bytes of a file.
///
/// The caller opens a file under a temporary name, hands over a sink that appends to it, feeds
/// every drained chunk of the probe to `consume`, calls `finish`, and gives the file its name.
/// The probe has applied the window already; CPUs are filtered here again.
///
/// 1. Every selected CPU has a thread running from the window's start to its end.
/// 2. Slices and pairs of tracepoints nest on every lane of every CPU, and all are closed.
/// 3. An arrow is drawn if both its ends are in the window and on selected CPUs.
public struct TimelineWriter: ~Copyable {
  private var state: TimelineState
  // One of the two.
  private var perfetto: PerfettoWriter?
  private var chrome: ChromeWriter?

  /// - Parameters:
  ///   - window: What the probe records. The run may end earlier.
  ///   - cpus: The CPUs to write, in any order; nil for all. Numbers that are no CPU are ignored.
  ///   - initiallyRunning: The thread on each CPU (by number) at the window's start, for CPUs that
  ///     switch no thread in the window; 0, or a CPU beyond the end, is idle.
  ///   - sink: Gets the file's bytes in order, in blocks of some ten kilobytes.
  public init(
    _ format: TimelineFormat, _ table: TraceTable, window: Range<Instant>, cpus: [Int]? = nil,
    initiallyRunning: [Int] = [], sink: @escaping TimelineSink
  ) {
    state = TimelineState(table, window: window, cpus: cpus, initiallyRunning: initiallyRunning)
    switch format {
    case .perfetto: perfetto = PerfettoWriter(table, state, sink: sink)
    case .chrome: chrome = ChromeWriter(table, state, sink: sink)
    }
  }

  /// Makes more threads known, for thread switches in later records.
  public mutating func append(threads: [TraceTable.Thread]) {
    state.threads.append(threads)
    perfetto?.append(names: [], state)
  }

  /// Makes more strings known, for fields of kind `.name` in later records: they get the numbers
  /// after those of the table.
  public mutating func append(names: [String]) {
    perfetto?.append(names: names, state)
    chrome?.append(names: names)
  }

  /// Writes all records of the probe's ring, which stay there. Throws what the sink throws.
  public mutating func consume(_ records: borrowing Probe) throws {
    try perfetto?.consume(records, &state)
    try chrome?.consume(records, &state)
  }

  /// Closes what is open and ends the file. Throws what the sink throws.
  ///
  /// - Parameter end: The window's end, or the run's if that is earlier.
  public mutating func finish(at end: Instant) throws {
    let end = max(state.window.lowerBound, min(end, state.window.upperBound))
    var closers = Probe()
    closers.start(from: .zero, to: Instant(picoseconds: .max), selected: Buffer(0, 0))
    for slot in 0..<state.plan.slotCount {
      for lane in state.plan.lanes.indices {
        for open in state.balance.remaining(slot: slot, lane: lane) {
          let closer = state.closing(open, lane: lane, at: end)
          closers.note(
            closer.event, at: closer.time, cpu: Int(closer.cpu), a: closer.a, b: closer.b,
            c: closer.c)
          if closers.wantsDraining { try drain(&closers) }
        }
      }
    }
    try drain(&closers)
    try perfetto?.finish(at: end, &state)
    try chrome?.finish(at: end, state)
  }

  private mutating func drain(_ probe: inout Probe) throws {
    try consume(probe)
    probe.clear()
  }

  // MARK: What the file holds, for whoever compares it with other figures

  /// Records of a format of the table.
  public func tally(of event: Int) -> TimelineTally { state.tally(of: event) }

  /// Arrows drawn.
  public var arrowCount: Int { state.arrowCount }
}
