import Foundation
import Testing

/// A run of the built binary with its timelines, in a folder of its own.
struct TracedRun: ~Copyable {
  let folder = FileManager.default.temporaryDirectory.appending(path: "traced-\(UUID())")
  let result: [String: Any]
  var perfetto: String { folder.appending(path: "a.pftrace").path }
  var chrome: String { folder.appending(path: "a.json").path }

  /// - Parameters:
  ///   - scenario: a bundled one's name, or the text of one.
  ///   - settings: values for `--set`.
  init(
    _ scenario: String, on machine: String, _ settings: [String] = [], _ more: [String] = [],
    isTraced: Bool = true, interruptedAfter seconds: Double? = nil
  ) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var name = scenario
    if scenario.contains("\n") {
      name = "own.yaml"
      try Data(scenario.utf8).write(to: folder.appending(path: name))
    }
    let process = Process()
    process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "kmemu")
    process.arguments =
      ["run", name, "--machine", machine, "--format", "json"] + settings.flatMap { ["--set", $0] }
      + (isTraced ? ["--timeline", "a.pftrace", "--timeline", "a.json"] : []) + more
    process.currentDirectoryURL = folder
    let output = folder.appending(path: "result.json")
    try Data().write(to: output)
    process.standardOutput = try FileHandle(forWritingTo: output)
    try process.run()
    if let seconds {
      Thread.sleep(forTimeInterval: seconds)
      process.interrupt()
    }
    process.waitUntilExit()
    // 1 and 2 judge what the scenario found.
    let isGood = seconds == nil ? 0...2 : 130...130 as ClosedRange<Int32>
    try #require(isGood.contains(process.terminationStatus), "\(process.arguments ?? [])")
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: output))
    result = try #require(json as? [String: Any])
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// A number of the result, by the names on the way to it.
  func number(_ path: String...) -> Int {
    var value: Any? = result
    for key in path { value = (value as? [String: Any])?[key] }
    return (value as? NSNumber)?.intValue ?? -1
  }

  func list(_ key: String) -> [[String: Any]] { result[key] as? [[String: Any]] ?? [] }

  /// The result of a run without timelines, for comparison.
  static func untraced(_ scenario: String, on machine: String, _ arguments: [String]) throws
    -> String
  {
    let run = try TracedRun(scenario, on: machine, [], arguments, isTraced: false)
    return try run.comparable()
  }

  /// The result without what may differ between two runs.
  func comparable(without keys: Set<String> = []) throws -> String {
    let rest = result.filter { !keys.union(["wall_s", "events_per_s"]).contains($0.key) }
    let data = try JSONSerialization.data(withJSONObject: rest, options: .sortedKeys)
    return String(decoding: data, as: UTF8.self)
  }

  func chromeEvents() throws -> [[String: Any]] {
    let data = try Data(contentsOf: URL(filePath: chrome))
    let whole = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    return try #require(whole?["traceEvents"] as? [[String: Any]])
  }

  /// The lines of the Chrome file, one an event, sorted.
  func chromeLines() throws -> [Substring] {
    let text = try String(contentsOfFile: chrome, encoding: .utf8)
    return text.split(separator: "\n").map { $0.hasSuffix(",") ? $0.dropLast() : $0 }.sorted()
  }
}

/// Many small areas, each purged at once, by CPUs that contend for the purge; interrupts and tasks
/// that take turns beside them. So every lane has what makes it hard.
let purges = """
  scenario: 1
  title: Purges of small areas, with interrupts and tasks that take turns
  threads:
    - name: mapper
      on: {share: 50%}
      loop:
        - vmalloc: {size: 16KiB, as: area}
        - touch: area
        - vfree: area
        - vm_unmap_aliases: {}
        - sleep: {uniform: [1us, 3us]}
    - name: second
      on: {share: 50%}
      loop:
        - sleep: {uniform: [100ns, 3us]}
        - vmalloc: {size: 400KiB, as: area}
        - vfree: area
        - vm_unmap_aliases: {}
    - name: other
      on: all
      loop:
        - kmalloc: {size: 700B, as: object}
        - work: {uniform: [200ns, 2us]}
        - kfree: object
        - sleep: {uniform: [1us, 6us]}
  run: {duration: 300us, seed: 3}
  expect:
    - violations == 0

  """
