import Kernel
import Simulation

/// Runs a plan to its end. Knows no clock, no file, no environment: those come as closures.
package struct Runner: ~Copyable {
  /// Events between two looks at `shouldStop`.
  static let budget: UInt64 = 1 << 16

  package var machine: Machine
  private let plan: RunPlan
  private let options: RunOptions
  private var ended = "complete"
  private var eventsBefore: UInt64 = 0
  private enum Tracing { case off, soon, on, over }
  private var tracing = Tracing.off
  private var nextCheck: UInt64 = 0
  /// What `--check-invariants` found broken: an error of ours, at the machine's time.
  package private(set) var brokenInvariant: String?

  package init(_ plan: RunPlan, options: RunOptions = RunOptions()) {
    (self.plan, self.options) = (plan, options)
    // The run ends with an operation's place in the queue, so no CPU may be ahead of it.
    let runsAhead = options.runsAhead && plan.settings.operations == nil
    machine = Machine(plan.boot, runsAhead: runsAhead)
    machine.load(plan.program, seed: plan.settings.seed)
  }

  /// Switches the probe on. It keeps what lies in the window.
  private mutating func startProbe(_ window: TraceWindow) {
    var selected = Buffer<UInt8>(0, 0)
    if !window.cpus.isEmpty {
      selected = Buffer(plan.boot.cpuCount, 0)
      for cpu in window.cpus where cpu < plan.boot.cpuCount { selected[cpu] = 1 }
    }
    machine.world.probe.start(from: window.from, to: window.to, selected: selected)
  }

  /// What an exporter must know of this run.
  package static func traceTable(of machine: borrowing Machine, _ plan: RunPlan) -> TraceTable {
    TraceTable(
      formats: TraceEvent.allCases.map(\.format), names: TraceNames.all(of: machine.world),
      threads: machine.threadsForTrace, cpuCount: plan.boot.cpuCount,
      nodeOfCPU: plan.boot.machine.cpus.map(\.node),
      gfpNames: GFPFlags.names.map { ($0.name, UInt64($0.flags.rawValue)) },
      title: "\(plan.name): Linux \(plan.boot.version.name) on \(plan.boot.machine.source)")
  }

  /// Runs the warm-up and the measured time.
  ///
  /// - Parameter drain: reads the records of the machine's probe; called between events: when the
  ///   window of the trace begins, when the probe wants it, and at the end.
  /// - Parameter shouldStop: asked now and then with the emulated time and the events so far; true
  ///   ends the run with what there is.
  package mutating func run(
    drain: (borrowing Machine) throws -> Void = { _ in },
    shouldStop: (Instant, UInt64) -> Bool = { _, _ in false }
  ) rethrows {
    let start = Instant.zero + plan.settings.warmup
    if plan.settings.warmup > .zero {
      guard try advance(to: start, drain, shouldStop) != .stopped else { return }
      machine.settle(at: start)
      machine.beginMeasuring()
      eventsBefore = machine.events
    }
    if let operations = plan.settings.operations { machine.stop(after: operations) }
    let end = plan.settings.duration.map { start + $0 } ?? .never
    let came = try advance(to: end, drain, shouldStop)
    if options.checkInvariantsEvery != nil, brokenInvariant == nil {
      brokenInvariant = machine.checkInvariants()
    }
    switch came {
    case .reached where end < .never: machine.settle(at: end)
    case .reached, .over: machine.settle(at: machine.latest)
    case .stopped: break
    }
    try self.drain(drain)
    machine.reportLeaks()
  }

  private enum Advance { case reached, over, stopped }

  /// How long before its window the probe is switched on: some records speak of a time to come,
  /// as that of a lock whose line is on its way.
  private static let lead = Duration(picoseconds: 1_000_000_000)

  /// Goes on to `end`, with halts where the probe is wanted, where the trace begins and where it
  /// ends. They change nothing: CPUs run ahead over them.
  private mutating func advance(
    to end: Instant, _ drain: (borrowing Machine) throws -> Void,
    _ shouldStop: (Instant, UInt64) -> Bool
  ) rethrows -> Advance {
    guard let trace = options.trace else { return try go(to: end, end, drain, shouldStop) }
    if tracing == .off {
      let soon = trace.from.picoseconds - min(trace.from.picoseconds, Runner.lead.picoseconds)
      if let other = try halt(Instant(picoseconds: soon), end, drain, shouldStop) { return other }
      startProbe(trace)
      tracing = .soon
    }
    if tracing == .soon {
      if let other = try halt(trace.from, end, drain, shouldStop) { return other }
      try self.drain(drain)
      machine.world.traceAllCounters(at: trace.from)
      tracing = .on
    }
    if tracing == .on, trace.to < end {
      if let other = try halt(trace.to, end, drain, shouldStop) { return other }
      try self.drain(drain)
      machine.world.probe.stop()
      tracing = .over
    }
    return try go(to: end, end, drain, shouldStop)
  }

  /// Goes on until all before `time` has happened. Returns: what came of the stretch to `end` if
  /// that was over before.
  private mutating func halt(
    _ time: Instant, _ end: Instant, _ drain: (borrowing Machine) throws -> Void,
    _ shouldStop: (Instant, UInt64) -> Bool
  ) rethrows -> Advance? {
    guard time > machine.now else { return nil }
    guard time <= end else { return try go(to: end, end, drain, shouldStop) }
    let before = Instant(picoseconds: time.picoseconds - 1)
    let result = try go(to: before, end, drain, shouldStop)
    return result == .reached ? nil : result
  }

  /// Has the records read whose time has come.
  private mutating func drain(_ drain: (borrowing Machine) throws -> Void) rethrows {
    machine.world.probe.part(at: machine.now)
    try drain(machine)
    machine.world.probe.clear()
  }

  private mutating func go(
    to halt: Instant, _ end: Instant, _ drain: (borrowing Machine) throws -> Void,
    _ shouldStop: (Instant, UInt64) -> Bool
  ) rethrows -> Advance {
    let budget = min(Runner.budget, options.checkInvariantsEvery ?? Runner.budget)
    while true {
      switch machine.run(until: halt, events: max(budget, 1), stretch: end) {
      case .end: return .reached
      case .nothingLeft: return halt < .never ? .reached : .over
      case .enough: return .over
      case .probeIsFull: try self.drain(drain)
      case .deadlock:
        ended = "deadlock"
        machine.settle(at: machine.latest)
        return .stopped
      case .budget: checkInvariants()
      }
      if brokenInvariant != nil || shouldStop(machine.now, machine.events) {
        ended = brokenInvariant == nil ? "interrupted" : "invariant broken"
        machine.settle(at: machine.latest)
        return .stopped
      }
    }
  }

  private mutating func checkInvariants() {
    guard let every = options.checkInvariantsEvery, machine.events >= nextCheck else { return }
    nextCheck = machine.events + every
    brokenInvariant = machine.checkInvariants()
  }

  /// The measured events, and how the run ended.
  package var events: UInt64 { machine.events - eventsBefore }

  /// - Parameter wallS: seconds from the first event to the last, by the caller's clock.
  package func result(wallS: Double) -> RunResult {
    var result = RunResult(
      of: machine, plan, ended: ended, wallS: wallS, hasDetails: options.hasDetails)
    result.events = events
    result.eventsPerS = wallS > 0 ? Double(events) / wallS : 0
    return result
  }
}
