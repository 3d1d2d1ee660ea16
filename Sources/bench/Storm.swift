import Foundation
import Kernel
import Run
import Scenario
import Simulation
import Timeline

/// Bundled scenarios through `Scenario` and `Runner`, exactly as `kmemu run` executes them.
struct StormBench {
  let effort: Int

  /// What one run gave. Rates are of the thread's CPU time, warm-up included on both sides.
  private struct Sample {
    var eventsPerS: Double
    var operationsPerS: Double
    var seconds: Double
    var result: RunResult
  }

  func run(_ sheet: Sheet) throws {
    for cpus in [1, 64, 1024, 4096] where sheet.wants("storm.\(cpus)") {
      try storm(cpus, sheet)
    }
    let vmalloc = "vmalloc.64.events_per_s"
    if sheet.wants(vmalloc) {
      let samples = try repeated(3) {
        try sample("vmalloc-shootdown", 64, duration: "\(10 * effort)ms")
      }
      sheet.add(vmalloc, median(samples.map(\.eventsPerS)), "events/s")
    }
  }

  /// Long enough for some seconds of the host's time at any size.
  private func duration(_ cpus: Int) -> String {
    let microseconds =
      switch cpus {
      case 1: 200_000
      case 64: 4_000
      case 1024: 250
      default: 100
      }
    return "\(microseconds * effort)us"
  }

  private func storm(_ cpus: Int, _ sheet: Sheet) throws {
    let name = "storm.\(cpus)"
    let figures = [
      "events_per_s", "operations_per_s", "bytes_per_cpu", "slow_path_share", "remote_free_share",
      "list_lock_per_operation",
    ]
    if figures.contains(where: { sheet.wants("\(name).\($0)") }) {
      let samples = try repeated(3) {
        try sample("kmalloc-storm", cpus, duration: duration(cpus))
      }
      sheet.add("\(name).events_per_s", median(samples.map(\.eventsPerS)), "events/s")
      sheet.add("\(name).operations_per_s", median(samples.map(\.operationsPerS)), "operations/s")
      report(samples[0].result, name, sheet)
    }
    if cpus == 64, sheet.wants("\(name).trace_time_ratio") { try traceRatio(name, sheet) }
  }

  /// Where the operations of a storm went: the shares that `kmemu run` shows too.
  private func report(_ result: RunResult, _ name: String, _ sheet: Sheet) {
    sheet.add("\(name).bytes_per_cpu", result.stateBytesPerCpu, "bytes")
    guard let stats = result.caches.first(where: { $0.name == "kmalloc-256" })?.stats else {
      return sheet.note("\(name): the result has no cache kmalloc-256")
    }
    func sum(_ names: String...) -> Double {
      names.reduce(0) { $0 + Double(stats[$1] ?? 0) }
    }
    let slow = sum("alloc_slowpath", "free_slowpath")
    let frees = sum("free_fastpath", "free_slowpath")
    let all = slow + sum("alloc_fastpath", "free_fastpath")
    let locked = result.locks.filter {
      $0.name.contains("list_lock") && $0.name.contains("kmalloc-256")
    }.reduce(0) { $0 + Double($1.acquisitions) }
    sheet.add("\(name).slow_path_share", slow / max(all, 1), "ratio")
    sheet.add("\(name).remote_free_share", sum("free_remote_cpu") / max(frees, 1), "ratio")
    sheet.add("\(name).list_lock_per_operation", locked / max(all, 1), "ratio")
  }

  /// The same run with a `.pftrace` written to a file over one without, in turns.
  private func traceRatio(_ name: String, _ sheet: Sheet) throws {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "kmemu-bench-\(ProcessInfo.processInfo.processIdentifier).pftrace")
    defer { try? FileManager.default.removeItem(at: file) }
    var ratios: [Double] = []
    for _ in 0..<3 {
      let plain = try sample("kmalloc-storm", 64, duration: "\(400 * effort)us")
      let traced = try sample("kmalloc-storm", 64, duration: "\(400 * effort)us", trace: file.path)
      guard plain.result.fingerprint == traced.result.fingerprint else {
        throw BenchError("tracing changed the run")
      }
      ratios.append(traced.seconds / plain.seconds)
    }
    sheet.add("\(name).trace_time_ratio", median(ratios), "ratio")
  }

  private func repeated(_ count: Int, _ body: () throws -> Sample) rethrows -> [Sample] {
    var samples: [Sample] = []
    for _ in 0..<count { samples.append(try body()) }
    return samples
  }

  private func sample(
    _ scenario: String, _ cpus: Int, duration: String, trace path: String? = nil
  ) throws -> Sample {
    var overrides = Overrides()
    overrides.machine = Machines.synthetic(cpus)
    overrides.sets = ["run.duration=\(duration)"]
    let checked: CheckedScenario
    do { checked = try Scenarios.load(scenario, overrides) } catch {
      throw BenchError(error.rendered())
    }
    var options = RunOptions()
    if path != nil { options.trace = TraceWindow() }
    var runner = Runner(checked.plan, options: options)
    let trace = try path.map { try TraceFile($0) }
    let begin = cpuSeconds()
    try runner.run(
      drain: { try trace?.consume($0) { Runner.traceTable(of: $0, checked.plan) } })
    try trace?.finish(runner.machine)
    let seconds = cpuSeconds() - begin
    let result = runner.result(wallS: seconds)
    let events = Double(runner.machine.events)
    let operations = result.operations.values.reduce(0) { $0 + Double($1.count) }
    return Sample(
      eventsPerS: events / seconds,
      // Those of the warm-up are not counted: they are as many an event as the others.
      operationsPerS: operations / Double(max(result.events, 1)) * events / seconds,
      seconds: seconds, result: result)
  }
}

/// A Perfetto timeline on its way to a file, fed as `kmemu run --timeline` feeds it.
private final class TraceFile {
  private let handle: FileHandle
  private var writer: TimelineWriter?
  private var knownNames = 0
  private var knownThreads = 0

  init(_ path: String) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let handle = FileHandle(forWritingAtPath: path)
    else { throw BenchError("cannot write \(path)") }
    self.handle = handle
  }

  func consume(_ machine: borrowing Machine, table: (borrowing Machine) -> TraceTable) throws {
    if writer == nil {
      let (table, handle) = (table(machine), handle)
      writer = TimelineWriter(
        .perfetto, table, window: Instant.zero..<Instant.never, cpus: nil,
        initiallyRunning: machine.runningForTrace,
        sink: { block in
          let written = unsafe block.withUnsafeBufferPointer {
            unsafe write(handle.fileDescriptor, $0.baseAddress, $0.count)
          }
          guard written == block.count else { throw BenchError("the trace was not written") }
        })
      (knownNames, knownThreads) = (table.names.count, table.threads.count)
    }
    if TraceNames.count(of: machine.world) > knownNames {
      let names = TraceNames.all(of: machine.world)
      writer?.append(names: Array(names[knownNames...]))
      knownNames = names.count
    }
    if machine.world.tasks.all.highWater > knownThreads {
      let threads = machine.threadsForTrace
      writer?.append(threads: Array(threads[knownThreads...]))
      knownThreads = threads.count
    }
    try writer?.consume(machine.world.probe)
  }

  func finish(_ machine: borrowing Machine) throws {
    try writer?.finish(at: machine.now)
    try handle.close()
  }
}
