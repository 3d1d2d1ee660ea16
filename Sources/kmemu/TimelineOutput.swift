import Foundation
import Kernel
import Run
import Simulation
import Timeline

/// One `--timeline FILE`: begun when the window begins, fed with what the probe recorded.
final class TimelineOutput {
  private let format: TimelineFormat
  private let file: OutputFile
  private let window: TraceWindow
  private var writer: TimelineWriter?
  private var knownNames = 0
  private var knownThreads = 0

  /// - Throws: an exit with status 64 or 74, after saying why.
  init(_ path: String, _ window: TraceWindow) throws {
    do { format = try TimelineFormat(path: path) } catch {
      throw Console.failure("\(error)", .usage)
    }
    file = try OutputFile(path)
    self.window = window
  }

  /// Writes what the probe holds, with what was named since.
  ///
  /// - Parameter table: what an exporter must know; asked once.
  func consume(_ machine: borrowing Machine, table: (borrowing Machine) -> TraceTable) throws {
    if writer == nil { begin(table(machine), machine.runningForTrace) }
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

  private func begin(_ table: TraceTable, _ running: [Int]) {
    let file = file
    writer = TimelineWriter(
      format, table, window: window.from..<window.to,
      cpus: window.cpus.isEmpty ? nil : window.cpus, initiallyRunning: running,
      sink: { try file.write($0) })
    (knownNames, knownThreads) = (table.names.count, table.threads.count)
  }

  /// Ends the file and gives it its name.
  func finish(_ machine: borrowing Machine, table: (borrowing Machine) -> TraceTable) throws {
    try consume(machine, table: table)
    try writer?.finish(at: machine.now)
    try file.commit()
  }
}
