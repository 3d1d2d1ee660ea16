import Foundation
import Testing

/// The built binary, run as a user runs it, in an empty folder of its own.
struct Kmemu: ~Copyable {
  let folder = FileManager.default.temporaryDirectory.appending(path: "kmemu-\(UUID())")

  /// What the test runner was built beside.
  static let binary = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appending(path: "kmemu")

  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: folder) }

  /// - Parameter after: is called with the running process.
  func run(
    _ arguments: String, limit: String = "", shell: String = "exec",
    after: (Process) -> Void = { _ in }
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "\(limit) \(shell) '\(Self.binary.path)' \(arguments)"]
    process.currentDirectoryURL = folder
    let (output, errors) = (folder.appending(path: "out"), folder.appending(path: "err"))
    for file in [output, errors] { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    after(process)
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
      errors: try String(contentsOf: errors, encoding: .utf8))
  }

  /// The files that runs left.
  var files: [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return all.filter { $0 != "out" && $0 != "err" }.sorted()
  }
}

private let sudoIsHere = FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")

@Suite struct RunCommandTests {
  private static let short = "run kmalloc-example --machine 'package:1 pu:2'"

  @Test func theReportGoesToStdoutAndNothingElse() throws {
    let outcome = try Kmemu().run(Self.short)
    #expect(outcome.output.hasPrefix("kmalloc-example: "))
    #expect(outcome.output.contains("fingerprint"))
    #expect(outcome.errors == "")
    for line in outcome.output.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }

  @Test func theResultIsOneDocument() throws {
    let outcome = try Kmemu().run("\(Self.short) --format json")
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    #expect((json as? [String: Any])?["schema"] as? String == "kmemu.run/1")
  }

  /// Every nanosecond of every CPU is somewhere, with a warm-up that ends in the middle of things.
  @Test(arguments: ["remote-free", "nic-atomic", "vmalloc-shootdown"])
  func cpuTimeAddsUpExactly(_ name: String) throws {
    let outcome = try Kmemu().run(
      "run \(name) --machine 'package:2 core:2 pu:1' --set run.warmup=33us --set run.duration=77us"
        + " --format json")
    try Self.expectWholeTime(Data(outcome.output.utf8))
  }

  private static func expectWholeTime(_ data: Data) throws {
    let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let time = try #require(json["time_ns"] as? Int)
    let cpus = try #require((json["machine"] as? [String: Any])?["cpus"] as? Int)
    let spent = try #require(json["cpu_time"] as? [String: Int])
    #expect(spent.values.reduce(0, +) == cpus * time)
  }

  @Test func twoRunsDifferInWallTimeOnly() throws {
    func lines() throws -> [Substring] {
      try Kmemu().run("\(Self.short) --format json").output.split(separator: "\n").filter {
        !$0.contains("\"wall_s\"") && !$0.contains("\"events_per_s\"")
      }
    }
    #expect(try lines() == lines())
  }

  @Test func allFilesAreWritten() throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "\(Self.short) -o o --proc p --timeline a.pftrace --timeline b.json --trace-from 1us"
        + " --trace-for 1ms --trace-cpus 0")
    #expect(outcome.errors == "")
    #expect(kmemu.files == ["a.pftrace", "b.json", "o", "p"])
    func names(_ folder: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(
        atPath: kmemu.folder.appending(path: folder).path
      ).sorted()
    }
    #expect(try names("o") == ["manifest.json", "report.txt", "result.json"])
    #expect(
      try names("p") == [
        "buddyinfo", "interrupts", "slabinfo", "vmallocinfo", "vmstat", "zoneinfo",
      ])
    let report = try String(
      contentsOf: kmemu.folder.appending(path: "o/report.txt"), encoding: .utf8)
    #expect(report == outcome.output)
  }

  @Test(arguments: [
    ("explain slab", 64, "did you mean `slabs`?"), ("explain cache", 64, "`cache NAME`?"),
    ("explain nonsense", 64, "topics: slabs, cache NAME, pcp"),
    ("run", 64, "SCENARIO"), ("run kmalloc-example --frobnicate", 64, "frobnicate"),
    ("run no-such-scenario", 66, "no-such-scenario"), ("run ./none.yaml", 66, "none.yaml"),
    ("run kmalloc-example --machine none.xml", 65, "none.xml"),
    ("run kmalloc-example --set nothing.here=1", 65, "nothing"),
    ("run kmalloc-example --timeline a.txt", 64, ".pftrace"),
    ("run kmalloc-example --trace-from 1us", 64, "--timeline"),
    ("run kmalloc-example --timeline a.json --trace-from 1", 64, "unit"),
    ("run kmalloc-example --timeline a.json --trace-cpus 4096", 64, "4096"),
    ("run kmalloc-example --timeline none/a.json", 74, "none/a.json"),
    ("run kmalloc-example --timeline /proc/a.json", 74, "/proc/a.json"),
    ("run kmalloc-example --timeline folder.json", 74, "directory"),
    ("run kmalloc-example --proc file", 74, "file"),
    ("run kmalloc-example -o file/o", 74, "file/o"),
  ]) func badInputIsToldAndLeavesNothing(
    _ arguments: String, _ status: Int32, _ word: String
  ) throws {
    let kmemu = try Kmemu()
    try FileManager.default.createDirectory(
      at: kmemu.folder.appending(path: "folder.json"), withIntermediateDirectories: false)
    try Data().write(to: kmemu.folder.appending(path: "file"))
    let outcome = try kmemu.run(arguments)
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(outcome.errors.lowercased().contains(word.lowercased()), "\(outcome.errors)")
    #expect(outcome.output == "")
    #expect(kmemu.files == ["file", "folder.json"])
  }

  /// A full device is no regular file, by whatever name.
  @Test func aTimelineIsNotWrittenOverADevice() throws {
    let kmemu = try Kmemu()
    let link = kmemu.folder.appending(path: "a.pftrace").path
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: "/dev/full")
    let outcome = try kmemu.run("\(Self.short) --timeline b.json --timeline a.pftrace")
    #expect(outcome.status == 74)
    #expect(outcome.errors.contains("a.pftrace: it is not a regular file"))
    #expect(outcome.output == "")
    #expect(kmemu.files == ["a.pftrace"])
  }

  @Test func aFullStandardOutputIsToldAndFilesAreKept() throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run("\(Self.short) --timeline a.json -o o > /dev/full")
    #expect(outcome.status == 74)
    #expect(outcome.errors.contains("standard output"))
    #expect(outcome.errors.contains("No space left on device"))
    #expect(kmemu.files == ["a.json", "o"])
  }

  /// Both at once: each is dropped, whichever fails first. In the middle, and at the end.
  @Test(arguments: [("nic-atomic --set run.duration=2ms", 16), ("kmalloc-example", 1)])
  func aFullDiskLeavesNoTimeline(_ scenario: String, _ blocks: Int) throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "run \(scenario) --machine 'package:1 pu:2' --timeline a.pftrace --timeline b.json",
      limit: "ulimit -f \(blocks);")
    #expect(outcome.status == 74, "\(outcome.errors)")
    #expect(outcome.errors.contains("nothing half-written is left"))
    #expect(outcome.output == "")
    #expect(kmemu.files == [])
  }

  /// Who may write anywhere is not refused by a folder's mode.
  @Test(.enabled(if: geteuid() != 0 || sudoIsHere))
  func anUnwritableFolderIsTold() throws {
    let kmemu = try Kmemu()
    try FileManager.default.createDirectory(
      at: kmemu.folder.appending(path: "shut"), withIntermediateDirectories: false,
      attributes: [.posixPermissions: 0o555])
    let asNobody = geteuid() == 0 ? "chmod 777 .; setpriv --reuid 65534 --clear-groups" : "exec"
    let outcome = try kmemu.run(
      "\(Self.short) --timeline shut/a.pftrace", limit: "", shell: asNobody)
    #expect(outcome.status == 74, "\(outcome.errors)")
    #expect(outcome.errors.contains("shut/a.pftrace: Permission denied"), "\(outcome.errors)")
    #expect(kmemu.files == ["shut"])
  }

  /// The first Ctrl-C ends the run, the second the process; neither leaves a temporary file.
  @Test(arguments: [1, 2])
  func anInterruptedTraceLeavesNoTemporaryFile(signals: Int) throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "run kmalloc-storm --machine 'package:1 pu:2' --set run.duration=100ms -o o"
        + " --timeline a.pftrace --timeline b.json"
    ) { process in
      let folder = kmemu.folder.path
      func isWriting() -> Bool {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.contains { $0.hasPrefix("b.json.") }
      }
      while process.isRunning, !isWriting() { usleep(10_000) }
      usleep(500_000)
      for _ in 0..<signals { process.interrupt() }
    }
    #expect(outcome.status == 130)
    // The second may come when the first has ended the run.
    if signals == 1 || !outcome.output.isEmpty {
      #expect(kmemu.files == ["a.pftrace", "b.json", "o"])
      #expect(outcome.output.contains("interrupted after"))
    } else {
      #expect(kmemu.files.allSatisfy { !$0.hasSuffix(".part") }, "\(kmemu.files)")
    }
  }

  /// A limit of file size stands for a full disk, which a test cannot make.
  @Test func aFullDiskLeavesNothingHalfWritten() throws {
    let kmemu = try Kmemu()
    try Data("before".utf8).write(to: kmemu.folder.appending(path: "a.json"))
    let outcome = try kmemu.run(
      "run nic-atomic --machine 'package:1 pu:2' --set run.duration=2ms --timeline a.json",
      limit: "ulimit -f 16;")
    #expect(outcome.status == 74, "\(outcome.errors)")
    #expect(outcome.errors.contains("a.json"))
    #expect(kmemu.files == ["a.json"])
    let text = try String(contentsOf: kmemu.folder.appending(path: "a.json"), encoding: .utf8)
    #expect(text == "before")
  }

  @Test func anInterruptedRunKeepsWhatItHas() throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "run kmalloc-storm --machine 'package:1 pu:2' --set run.duration=100ms -o o"
    ) { process in
      // Its own folder is made when all input was read; the signal is watched for soon after.
      let folder = kmemu.folder.appending(path: "o").path
      while process.isRunning, !FileManager.default.fileExists(atPath: folder) { usleep(10_000) }
      usleep(1_000_000)
      process.interrupt()
    }
    #expect(outcome.status == 130)
    #expect(outcome.output.contains("interrupted after"))
    let data = try Data(contentsOf: kmemu.folder.appending(path: "o/result.json"))
    let json = try JSONSerialization.jsonObject(with: data)
    #expect((json as? [String: Any])?["ended"] as? String == "interrupted")
    try Self.expectWholeTime(data)
  }

  @Test func aReaderWhoLeavesEarlyIsNoError() throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "",
      limit: """
        '\(Kmemu.binary.path)' \(Self.short) --format json | head -c 10 >/dev/null;
        exit ${PIPESTATUS:-0};
        """)
    #expect(outcome.status == 0)
    #expect(outcome.errors == "")
  }
}
