import Foundation
import Simulation
import Testing

@testable import Timeline

/// Formats as the kernel declares them; raw values are their numbers.
enum Event: UInt16, CaseIterable {
  case kmalloc, kfree, schedSwitch, schedWaking, irqEntry, irqExit, softirqEntry, softirqExit
  case allocVmapArea, mmPageAlloc
  case lockWait, lockHold, lockRelease
  case shootdown, sendIPI, shootdownEnd, handleIPI, handleIPIEnd
  case freePages, pcpCount, purge, function, functionEnd

  var format: EventFormat {
    switch self {
    case .kmalloc:
      EventFormat(
        "kmalloc", system: "kmem", track: .tracepoint,
        fields: [
          .init("ptr", word: 0, .pointer), .init("bytes_req", word: 1, width: 32),
          .init("bytes_alloc", word: 1, shift: 32, width: 32),
          .init("gfp_flags", word: 2, width: 32, .gfp),
          .init("node", word: 2, shift: 32, width: 32, .signed),
        ])
    case .kfree:
      EventFormat(
        "kfree", system: "kmem", track: .tracepoint, fields: [.init("ptr", word: 0, .pointer)])
    case .schedSwitch:
      EventFormat(
        "sched_switch", system: "sched", track: .threadSwitch,
        fields: [
          .init("prev_pid", word: 0, width: 32, .signed),
          .init("next_pid", word: 0, shift: 32, width: 32, .signed),
          .init("prev_state", word: 1, width: 32),
        ])
    case .schedWaking:
      EventFormat(
        "sched_waking", system: "sched", track: .tracepoint,
        fields: [
          .init("pid", word: 0, width: 32, .signed), .init("target_cpu", word: 1, width: 32),
        ])
    case .irqEntry:
      EventFormat(
        "irq_handler_entry", system: "irq", track: .entry(lane: "irq"),
        fields: [.init("irq", word: 0, width: 32, .signed), .init("name", word: 1, .name)])
    case .irqExit:
      EventFormat(
        "irq_handler_exit", system: "irq", track: .exit(lane: "irq"),
        fields: [
          .init("irq", word: 0, width: 32, .signed), .init("ret", word: 1, width: 32, .signed),
        ])
    case .softirqEntry:
      EventFormat(
        "softirq_entry", system: "irq", track: .entry(lane: "softirq"),
        fields: [.init("vec", word: 0, width: 32)])
    case .softirqExit:
      EventFormat(
        "softirq_exit", system: "irq", track: .exit(lane: "softirq"),
        fields: [.init("vec", word: 0, width: 32)])
    case .allocVmapArea:
      EventFormat(
        "alloc_vmap_area", system: "vmalloc", track: .tracepoint,
        fields: [
          .init("addr", word: 0, .pointer), .init("size", word: 1),
          .init("failed", word: 2, width: 32, .signed), .init("who", word: 2, shift: 32, .name),
        ])
    case .mmPageAlloc:
      EventFormat(
        "mm_page_alloc", system: "kmem", track: .tracepoint,
        fields: [
          .init("pfn", word: 0), .init("order", word: 1, width: 8),
          .init("migratetype", word: 1, shift: 8, width: 8, .signed),
          .init("gfp_flags", word: 1, shift: 32, width: 32, .gfp),
        ])
    case .lockWait:
      EventFormat(
        "wait", system: "lock", track: .begin(lane: "lock"),
        fields: [.init("label", word: 0, width: 32, .name)])
    case .lockHold:
      EventFormat(
        "hold", system: "lock", track: .begin(lane: "lock"),
        fields: [
          .init("label", word: 0, width: 32, .name), .init("gfp", word: 1, width: 32, .gfp),
          .init("cache", word: 2, width: 32, .name),
          .init("depth", word: 2, shift: 32, width: 32, .signed),
        ])
    case .lockRelease:
      EventFormat("release", system: "lock", track: .end(lane: "lock"), fields: [])
    case .shootdown:
      EventFormat(
        "shootdown", system: "tlb", track: .begin(lane: "tlb"),
        fields: [.init("pages", word: 0)])
    case .sendIPI:
      EventFormat(
        "send", system: "tlb", track: .instantOut(lane: "tlb"),
        fields: [.init("flow", word: 0), .init("target", word: 1)])
    case .shootdownEnd:
      EventFormat("shootdown_end", system: "tlb", track: .end(lane: "tlb"), fields: [])
    case .handleIPI:
      EventFormat(
        "flush", system: "tlb", track: .flowIn(lane: "tlb"), fields: [.init("flow", word: 0)])
    case .handleIPIEnd:
      EventFormat("flush_end", system: "tlb", track: .end(lane: "tlb"), fields: [])
    case .freePages:
      EventFormat(
        "nr_free_pages", system: "kmem", track: .counter(unit: "pages"),
        fields: [.init("value", word: 0), .init("label", word: 1, .name)])
    case .pcpCount:
      EventFormat(
        "pcp_count", system: "kmem", track: .counter(unit: "pages"),
        fields: [.init("value", word: 0, width: 32, .signed)])
    case .function:
      EventFormat(
        "function", system: "kmemu", track: .begin(lane: "kernel"),
        fields: [
          .init("label", word: 0, width: 32, .name), .init("key", word: 1), .init("order", word: 2),
        ])
    case .functionEnd:
      EventFormat(
        "function", system: "kmemu", track: .end(lane: "kernel"),
        fields: [
          .init("label", word: 0, width: 32, .name), .init("key", word: 1),
          .init("ret", word: 2, .signed),
        ])
    case .purge:
      EventFormat(
        "purge", system: "vmalloc", track: .instant(lane: "vmalloc"),
        fields: [.init("npurged", word: 0)])
    }
  }
}

enum Name: UInt64, CaseIterable {
  case listLock, zoneLock, eth0, kmalloc64, normal0
  var text: String {
    switch self {
    case .listLock: "list_lock"
    case .zoneLock: "zone->lock"
    case .eth0: "eth0"
    case .kmalloc64: "kmalloc-64 \"quoted\""
    case .normal0: "node 0 Normal"
    }
  }
}

func table(cpus: Int, nodes: Int = 2) -> TraceTable {
  TraceTable(
    formats: Event.allCases.map(\.format), names: Name.allCases.map(\.text),
    threads: [.init(pid: 100, name: "mapper"), .init(pid: 101, name: "bystander")],
    cpuCount: cpus, nodeOfCPU: (0..<cpus).map { $0 * nodes / cpus },
    gfpNames: [("GFP_KERNEL", 0xCC0), ("__GFP_IO", 0x40), ("__GFP_ZERO", 0x100)],
    title: "synthetic: 6.12 on \(cpus) CPUs")
}

/// Records in the order of time, as the probe would hand them over.
struct Recording {
  var records: [ProbeRecord] = []
  let from: UInt64
  let to: UInt64

  /// The window, in nanoseconds.
  init(from: UInt64 = 0, to: UInt64) { (self.from, self.to) = (from, to) }

  /// `time` in nanoseconds, `picoseconds` beyond it.
  mutating func add(
    _ event: Event, at time: UInt64, picoseconds: UInt64 = 0, cpu: Int, a: UInt64 = 0,
    b: UInt64 = 0, c: UInt64 = 0
  ) {
    records.append(
      ProbeRecord(
        time: Instant(picoseconds: time * 1000 + picoseconds), cpu: Int32(cpu),
        event: event.rawValue, a: a, b: b, c: c))
  }

  mutating func addSwitch(from: UInt64, to: UInt64, at time: UInt64, cpu: Int, state: UInt64 = 1) {
    add(.schedSwitch, at: time, cpu: cpu, a: from | to << 32, b: state)
  }

  struct Written {
    let bytes: [UInt8]
    let tallies: [TimelineTally]
    let arrows: Int
    func tally(_ event: Event) -> TimelineTally { tallies[Int(event.rawValue)] }
  }

  /// Writes a timeline through a probe, `chunk` records at a time.
  func write(
    _ format: TimelineFormat, _ table: TraceTable, cpus: [Int]? = nil,
    initiallyRunning: [Int] = [], chunk: Int = 1000
  ) throws -> Written {
    var bytes: [UInt8] = []
    let (start, end) = (Instant(picoseconds: from * 1000), Instant(picoseconds: to * 1000))
    var writer = TimelineWriter(
      format, table, window: start..<end, cpus: cpus, initiallyRunning: initiallyRunning
    ) { $0.withUnsafeBufferPointer { bytes += $0 } }
    var probe = Probe()
    probe.start(from: start, to: end, selected: Buffer(0, 0))
    for record in records {
      probe.note(
        record.event, at: record.time, cpu: Int(record.cpu), a: record.a, b: record.b, c: record.c)
      if probe.count == chunk {
        try writer.consume(probe)
        probe.clear()
      }
    }
    try writer.consume(probe)
    try writer.finish(at: end)
    let tallies = table.formats.indices.map { writer.tally(of: $0) }
    return Written(bytes: bytes, tallies: tallies, arrows: writer.arrowCount)
  }
}

/// Perfetto's own trace processor, asked through `tools/perfetto-sql`.
struct Reader {
  let path: String

  init(_ bytes: [UInt8], _ format: TimelineFormat) throws {
    path = NSTemporaryDirectory() + "kmemu-\(UUID().uuidString)\(format.suffix)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// A file that is there already, and stays.
  init(path: String) { self.path = path }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// Rows of several queries in one go, each a dictionary of columns. A trace in which the reader
  /// counted an error or lost data is refused.
  func rows(_ queries: [String]) throws -> [[[String: Any]]] {
    let mistakes =
      "select count(*) n, group_concat(name) names from stats "
      + "where severity in ('error', 'data_loss') and value > 0"
    // An answer may be empty, so each ends with a row that no query gives.
    let asked = ([mistakes] + queries).flatMap { [$0, "select 1 as \"end of answer\""] }
    let (status, text) = try Self.run([path] + asked)
    try #require(status == 0, "perfetto-sql: \(text)")
    var answers: [[[String: Any]]] = [[]]
    for line in text.split(separator: "\n") {
      let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
      if row["end of answer"] == nil {
        answers[answers.count - 1].append(row)
      } else {
        answers.append([])
      }
    }
    answers.removeLast()
    #expect(answers[0][0].int("n") == 0, "the reader complains: \(answers[0])")
    try #require(answers.count == queries.count + 1, "\(text)")
    return Array(answers[1...])
  }

  /// What the reader counted as errors or lost data, as it prints it.
  func errors() throws -> String { try Self.run(["--errors", path]).text }

  private static func run(_ arguments: [String]) throws -> (status: Int32, text: String) {
    let process = Process()
    process.executableURL = root.appendingPathComponent("tools/perfetto-sql")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Whether the reader can run. In CI it must: there the tests are always tried.
  ///
  /// Asks it once, alone, since its first call makes the environment that it lives in.
  static let isHere: Bool = {
    let answer = Result {
      let trace = try Reader(Array(#"{"traceEvents":[]}"#.utf8), .chrome)
      defer { trace.remove() }
      return try run([trace.path, "select 1"])
    }
    if let answer = try? answer.get(), answer.status == 0 { return true }
    print("tools/perfetto-sql cannot run (it needs node, python3 and python3-venv): \(answer)")
    if ProcessInfo.processInfo.environment["CI"] == "true" { return true }
    print("skipped: what Perfetto's own trace processor says about timelines")
    return false
  }()
}

extension [String: Any] {
  func int(_ key: String) -> Int { (self[key] as? NSNumber)?.intValue ?? -1 }
  func text(_ key: String) -> String { self[key] as? String ?? "" }
}
