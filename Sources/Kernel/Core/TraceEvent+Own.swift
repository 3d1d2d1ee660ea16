import Simulation

/// What no tracepoint of the kernel shows: functions, locks, calls of other CPUs, counters. Slices
/// and counters of timelines.
///
/// A function's slice has the `key` of the task it runs in or interrupts, so that tasks that take
/// turns on a CPU have a row each; a lock's has the lock's or the waiter's.
extension TraceEvent {
  static func own(
    _ name: String, _ track: EventFormat.Track, _ fields: [EventFormat.Field] = []
  ) -> EventFormat {
    EventFormat(name, system: "kmemu", track: track, fields: fields)
  }

  static func path(_ fields: [EventFormat.Field]) -> EventFormat {
    own("path", .begin(lane: "kernel"), label + fields)
  }
  static func pathEnd(_ fields: [EventFormat.Field]) -> EventFormat {
    own("path", .end(lane: "kernel"), label + fields)
  }
  static var pathBeginOrderFormat: EventFormat {
    path([
      .init("order", word: 1, width: 8), .init("node", word: 1, shift: 32, width: 16, .signed),
      .init("gfp_flags", word: 2, .gfp),
    ])
  }

  static var lockFields: [EventFormat.Field] { label }
  static var lockWaitBeginFormat: EventFormat {
    own(
      "lock wait", .begin(lane: "lock wait"),
      label + [.init("held_by_cpu", word: 1, .signed), .init("held_by_pid", word: 2, .signed)])
  }

  static func shootdown(_ fields: [EventFormat.Field]) -> EventFormat {
    own(
      "shootdown", .begin(lane: "cross-CPU calls"),
      [
        .init("function", word: 0, width: 32, .name),
        .init("targets", word: 0, shift: 32, width: 32),
      ] + fields)
  }
  static var shootdownEndFormat: EventFormat {
    own(
      "shootdown", .end(lane: "cross-CPU calls"),
      [
        .init("slowest_cpu", word: 0, width: 16, .signed),
        .init("slowest_was_in", word: 0, shift: 16, width: 16, .name),
        .init("send_ns", word: 1, width: 32), .init("travel_ns", word: 1, shift: 32, width: 32),
        .init("masked_ns", word: 2, width: 32), .init("handler_ns", word: 2, shift: 32, width: 32),
        .init("ack_ns", word: 0, shift: 32, width: 32),
      ])
  }
  /// `ipi`: whether the target's queue was empty, so that it must be interrupted.
  static var callQueuedFormat: EventFormat {
    own(
      "call queued", .instantOut(lane: "cross-CPU calls"),
      [
        .init("flow", word: 0), .init("target_cpu", word: 1, width: 32),
        .init("ipi", word: 1, shift: 32, width: 1),
      ])
  }
  static var callEnteredFormat: EventFormat {
    own(
      "remote call", .flowIn(lane: "remote calls"),
      [
        .init("flow", word: 0), .init("label", word: 1, width: 32, .name),
        .init("from_cpu", word: 1, shift: 32, width: 32),
      ])
  }

  /// A value of the whole machine, or of a part of it that `label` names.
  static func counter(_ name: String, unit: String, of label: EventFormat.Field? = nil)
    -> EventFormat
  {
    own(name, .counter(unit: unit), [.init("value", word: 0)] + (label.map { [$0] } ?? []))
  }

  static var label: [EventFormat.Field] {
    [
      .init("label", word: 0, width: 32, .name),
      .init("key", word: 0, shift: 32, width: 32),
    ]
  }
}
