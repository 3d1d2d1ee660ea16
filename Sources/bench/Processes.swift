import Foundation

/// Figures of whole processes: the built binary from its start to its end.
struct ProcessBench {
  let kmemu: String?
  let effort: Int

  func run(_ sheet: Sheet) throws {
    if sheet.wants("startup_ms") { try startup(sheet) }
    if sheet.wants("storm.64.instructions_per_event") { try instructions(sheet) }
  }

  /// Wall time, since a start is waiting too; the median of 20.
  private func startup(_ sheet: Sheet) throws {
    guard let kmemu else { return sheet.note("no binary to start: run tools/bench") }
    var times: [Double] = []
    for _ in 0..<(effort > 1 ? 20 : 3) {
      let run = try Child.timed(kmemu, ["run", "kmalloc-example"], acceptable: [0, 1, 2])
      let (seconds, attoseconds) = run.time.components
      times.append(Double(seconds) * 1e3 + Double(attoseconds) / 1e15)
    }
    sheet.add("startup_ms", median(times), "ms")
  }

  /// Instructions of two runs of different length: the difference is the loop's own.
  private func instructions(_ sheet: Sheet) throws {
    guard let kmemu, let valgrind = Child.find("valgrind"), let strip = Child.find("strip") else {
      return sheet.note(
        "storm.64.instructions_per_event needs valgrind, strip and the built binary")
    }
    // Valgrind gives up at debug information that it cannot read, such as this compiler's.
    let bare = FileManager.default.temporaryDirectory.appending(
      path: "kmemu-bare-\(ProcessInfo.processInfo.processIdentifier)")
    defer { try? FileManager.default.removeItem(at: bare) }
    try Child.output(strip, ["--strip-debug", "-o", bare.path, kmemu])
    let short = try counted(valgrind, bare.path, microseconds: 20)
    let long = try counted(valgrind, bare.path, microseconds: 60)
    guard long.events > short.events else { throw BenchError("callgrind: no more events") }
    sheet.add(
      "storm.64.instructions_per_event",
      (long.instructions - short.instructions) / (long.events - short.events), "instructions")
  }

  private func counted(
    _ valgrind: String, _ kmemu: String, microseconds: Int
  ) throws -> (instructions: Double, events: Double) {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "kmemu-callgrind-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let profile = folder.appending(path: "out").path
    let output = try Child.output(
      valgrind,
      [
        "--tool=callgrind", "--callgrind-out-file=\(profile)", kmemu, "run", "kmalloc-storm",
        "--machine", Machines.synthetic(64), "--set", "run.warmup=20us",
        "--set", "run.duration=\(microseconds)us", "--format", "json",
      ], acceptable: [0, 1, 2])
    let text = try String(contentsOfFile: profile, encoding: .utf8)
    let totals = text.split(separator: "\n").last { $0.hasPrefix("totals:") }
    let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
    guard let instructions = totals?.split(separator: " ").last.flatMap({ Double($0) }),
      let events = object?["events"] as? NSNumber
    else { throw BenchError("callgrind's answer cannot be read") }
    return (instructions, events.doubleValue)
  }
}
