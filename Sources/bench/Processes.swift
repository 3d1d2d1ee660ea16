import Foundation

/// Figures of whole processes: the built binary from its start to its end.
struct ProcessBench {
  let kmemu: String?
  let effort: Int

  func run(_ sheet: Sheet) throws {
    if sheet.wants("startup_ms") { try startup(sheet) }
    if sheet.wants("storm.64.instructions_per_event") || sheet.wants("pair.instructions") {
      try instructions(sheet)
    }
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

  /// A run of `kmemu` that callgrind counts: twice, to tell the loop from the start.
  private struct Counted {
    let figure: String
    let arguments: [String]
    /// Emulated time of the two runs. Unit: microseconds.
    let lengths: (Int, Int)
    /// What of a result the instructions are shared among.
    let unit: (Result) -> Double
  }

  private struct Result {
    var instructions: Double
    var events: Double
    var operations: Double
  }

  /// One CPU that allocates and frees one object for ever: the fast paths and nothing else.
  private static let pairs = """
    scenario: 1
    threads:
      - {name: pairs, on: all, loop: [kmalloc: {size: 256B, as: object}, kfree: object]}
    run: {warmup: 20us, duration: 1ms}
    """

  private func instructions(_ sheet: Sheet) throws {
    guard let kmemu, let valgrind = Child.find("valgrind"), let strip = Child.find("strip") else {
      return sheet.note("figures in instructions need valgrind, strip and the built binary")
    }
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "kmemu-callgrind-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Valgrind gives up at debug information that it cannot read, such as this compiler's.
    let bare = folder.appending(path: "kmemu").path
    try Child.output(strip, ["--strip-debug", "-o", bare, kmemu])
    let pairs = folder.appending(path: "pairs.yaml").path
    try Self.pairs.write(toFile: pairs, atomically: true, encoding: .utf8)
    let runs = [
      Counted(
        figure: "storm.64.instructions_per_event",
        arguments: ["kmalloc-storm", "--machine", Machines.synthetic(64)], lengths: (20, 60),
        unit: \.events),
      Counted(
        figure: "pair.instructions", arguments: [pairs, "--machine", "pu:1"],
        lengths: (1000, 3000), unit: { $0.operations / 2 }),
    ]
    for run in runs where sheet.wants(run.figure) {
      let short = try counted(run, run.lengths.0, valgrind, bare, folder)
      let long = try counted(run, run.lengths.1, valgrind, bare, folder)
      let units = run.unit(long) - run.unit(short)
      guard units > 0 else { throw BenchError("callgrind: the longer run did no more") }
      sheet.add(run.figure, (long.instructions - short.instructions) / units, "instructions")
    }
  }

  private func counted(
    _ run: Counted, _ microseconds: Int, _ valgrind: String, _ kmemu: String, _ folder: URL
  ) throws -> Result {
    let profile = folder.appending(path: "out").path
    let output = try Child.output(
      valgrind,
      ["--tool=callgrind", "--callgrind-out-file=\(profile)", kmemu, "run"] + run.arguments + [
        "--set", "run.warmup=20us", "--set", "run.duration=\(microseconds)us", "--format", "json",
      ], acceptable: [0, 1, 2])
    let text = try String(contentsOfFile: profile, encoding: .utf8)
    let totals = text.split(separator: "\n").last { $0.hasPrefix("totals:") }
    let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
    let operations = (object?["operations"] as? [String: [String: Any]])?.values.compactMap {
      ($0["count"] as? NSNumber)?.doubleValue
    }
    guard let instructions = totals?.split(separator: " ").last.flatMap({ Double($0) }),
      let events = object?["events"] as? NSNumber, let operations
    else { throw BenchError("callgrind's answer cannot be read") }
    return Result(
      instructions: instructions, events: events.doubleValue,
      operations: operations.reduce(0, +))
  }
}
