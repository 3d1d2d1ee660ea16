import Kernel
import Simulation

/// When a run measures and when it ends.
package struct RunSettings: Sendable, Equatable {
  /// Emulated time before measuring begins.
  package var warmup: Duration
  /// Emulated time measured; `nil` where the number of operations ends the run, or its threads do.
  package var duration: Duration?
  /// Measured operations after which the run ends.
  package var operations: Int?
  package var seed: UInt64

  package init(
    warmup: Duration = .zero, duration: Duration? = nil, operations: Int? = nil, seed: UInt64 = 1
  ) {
    (self.warmup, self.duration) = (warmup, duration)
    (self.operations, self.seed) = (operations, seed)
  }
}

/// A scenario made ready for one machine, one kernel and one cost file: all that a run needs.
package struct RunPlan: Sendable {
  /// The scenario's file name without folder and ending.
  package var name: String
  package var title: String
  package var boot: Boot
  package var program: Program
  package var settings: RunSettings
  /// Sentences the report prints: defaults that were used, limits that were met.
  package var notes: [String]

  package init(
    name: String, title: String, boot: Boot, program: Program, settings: RunSettings,
    notes: [String] = []
  ) {
    (self.name, self.title, self.boot) = (name, title, boot)
    (self.program, self.settings, self.notes) = (program, settings, notes)
  }
}

/// Switches of a run that change no figure of its result.
package struct RunOptions: Sendable {
  /// Whether `Step.ahead` may skip the queue. Off: slower, and the same result.
  package var runsAhead = true
  package var trace: TraceWindow?
  /// Walks every data structure after so many events and stops at the first broken invariant.
  package var checkInvariantsEvery: UInt64?
  /// Whether the result holds what only the files of /proc show: each CPU's page lists, each area
  /// of vmalloc.
  package var hasDetails = false
  package init() {}
}

/// What of a run is recorded.
package struct TraceWindow: Sendable {
  package var from: Instant
  package var to: Instant
  /// The CPUs recorded; empty means all.
  package var cpus: [Int]
  package init(from: Instant = .zero, to: Instant = .never, cpus: [Int] = []) {
    (self.from, self.to, self.cpus) = (from, to, cpus)
  }
}
