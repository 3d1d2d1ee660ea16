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

  package init(_ plan: RunPlan, options: RunOptions = RunOptions()) {
    (self.plan, self.options) = (plan, options)
    // The run ends with an operation's place in the queue, so no CPU may be ahead of it.
    let runsAhead = options.runsAhead && plan.settings.operations == nil
    machine = Machine(plan.boot, runsAhead: runsAhead)
    machine.load(plan.program, seed: plan.settings.seed)
    if let trace = options.trace { startTrace(trace) }
  }

  private mutating func startTrace(_ window: TraceWindow) {
    var selected = Buffer<UInt8>(0, 0)
    if !window.cpus.isEmpty {
      selected = Buffer(plan.boot.cpuCount, 0)
      for cpu in window.cpus where cpu < plan.boot.cpuCount { selected[cpu] = 1 }
    }
    machine.world.probe.start(from: window.from, to: window.to, selected: selected)
  }

  /// What an exporter must know of this run.
  package var traceTable: TraceTable {
    TraceTable(
      formats: TraceEvent.allCases.map(\.format), names: TraceNames.all(of: machine.world),
      threads: machine.threadsForTrace, cpuCount: plan.boot.cpuCount,
      nodeOfCPU: plan.boot.machine.cpus.map(\.node),
      gfpNames: GFPFlags.names.map { ($0.name, UInt64($0.flags.rawValue)) },
      title: "\(plan.name): Linux \(plan.boot.version.name) on \(plan.boot.machine.source)")
  }

  /// Runs the warm-up and the measured time.
  ///
  /// - Parameter drain: reads the probe's records; called between events, and at the end.
  /// - Parameter shouldStop: asked now and then; true ends the run with what there is.
  package mutating func run(
    drain: (borrowing Probe) throws -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) rethrows {
    let start = Instant.zero + plan.settings.warmup
    if plan.settings.warmup > .zero {
      guard try advance(to: start, drain, shouldStop) else { return }
      machine.settle(at: start)
      machine.beginMeasuring()
      eventsBefore = machine.events
    }
    if let operations = plan.settings.operations { machine.stop(after: operations) }
    let end = plan.settings.duration.map { start + $0 } ?? .never
    guard try advance(to: end, drain, shouldStop) else { return }
    machine.settle(at: end < .never ? end : machine.now)
    try drain(machine.world.probe)
    machine.world.probe.clear()
  }

  /// Returns: false when the user stopped it.
  private mutating func advance(
    to end: Instant, _ drain: (borrowing Probe) throws -> Void, _ shouldStop: () -> Bool
  ) rethrows -> Bool {
    while true {
      switch machine.run(until: end, events: Runner.budget) {
      case .end, .nothingLeft: return true
      case .enough: return true
      case .probeIsFull:
        try drain(machine.world.probe)
        machine.world.probe.clear()
      case .deadlock:
        ended = "deadlock"
        machine.settle(at: machine.now)
        return true
      case .budget:
        guard shouldStop() else { continue }
        ended = "interrupted"
        machine.settle(at: machine.now)
        return false
      }
    }
  }

  /// The measured events, and how the run ended.
  package var events: UInt64 { machine.events - eventsBefore }
  package var wasInterrupted: Bool { ended == "interrupted" }

  /// - Parameter wallS: seconds from the first event to the last, by the caller's clock.
  package func result(wallS: Double) -> RunResult {
    var result = RunResult(of: machine, plan, ended: ended, wallS: wallS)
    result.events = events
    result.eventsPerS = wallS > 0 ? Double(events) / wallS : 0
    return result
  }
}
