import Foundation
import Testing

@Suite struct StudyCommandTests {
  private static let study =
    "study run kmalloc-example --machine 'package:1 core:4 pu:1' --vary cpus=1,2,4 --repeat 2"

  private func results(_ kmemu: borrowing Kmemu, _ folder: String) throws -> [String: String] {
    let path = kmemu.folder.appending(path: folder + "/results").path
    var files: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: path) {
      let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
      files[name] = text.split(separator: "\n").filter {
        !$0.contains("\"wall_s\"") && !$0.contains("\"events_per_s\"")
      }.joined(separator: "\n")
    }
    return files
  }

  private func text(_ kmemu: borrowing Kmemu, _ name: String) throws -> String {
    try String(contentsOf: kmemu.folder.appending(path: name), encoding: .utf8)
  }

  /// The one and only difference that the number of jobs makes is the time it takes.
  @Test func anyNumberOfJobsGivesTheSameFiles() throws {
    let kmemu = try Kmemu()
    for jobs in [1, 5] {
      let outcome = try kmemu.run("\(Self.study) --jobs \(jobs) -o j\(jobs)")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("kmalloc(128)"))
    }
    for name in ["study.csv", "study.json", "study.svg"] {
      #expect(try text(kmemu, "j1/\(name)") == text(kmemu, "j5/\(name)"))
    }
    #expect(try results(kmemu, "j1") == results(kmemu, "j5"))
    #expect(try results(kmemu, "j1").count == 6)
  }

  /// The same of every bundled scenario, on machines of one and four CPUs.
  @Test func everyScenarioStudiedWithAnyNumberOfJobsIsTheSame() throws {
    let kmemu = try Kmemu()
    let list = try kmemu.run("list scenarios").output
    let names = list.split(separator: "\n").compactMap { $0.split(separator: " ").first }
    #expect(names.count >= 7)
    for name in names {
      // Those that end by themselves keep their time.
      let length = name.hasSuffix("example") ? "" : "--set run.warmup=0ns --set run.duration=60us"
      let study = "study run \(name) --machine 'package:2 numa:1 core:2 pu:1' --vary cpus=1,4"
      for jobs in [1, 4] {
        _ = try kmemu.run("\(study) \(length) --jobs \(jobs) -o \(name)-\(jobs)")
      }
      let csv = try text(kmemu, "\(name)-1/study.csv")
      #expect(csv.split(separator: "\n").count == 3, "\(name): \(csv)")
      #expect(try text(kmemu, "\(name)-4/study.csv") == csv, "\(name)")
      #expect(try results(kmemu, "\(name)-1") == results(kmemu, "\(name)-4"), "\(name)")
      #expect(try results(kmemu, "\(name)-1").count == 2, "\(name)")
    }
  }

  /// `study.json` says how to get each result again, and that is what comes.
  @Test func aResultIsWhatItsCommandGives() throws {
    let kmemu = try Kmemu()
    #expect(try kmemu.run("\(Self.study) -o s").status == 0)
    let json = try JSONSerialization.jsonObject(with: Data(text(kmemu, "s/study.json").utf8))
    let runs = (json as? [String: Any])?["runs"] as? [[String: Any]]
    let run = try #require(runs?[3])
    let command = try #require(run["command"] as? String).dropFirst("kmemu ".count)
    let file = try #require(run["result"] as? String)
    let outcome = try kmemu.run("\(command) --format json")
    func stable(_ text: String) -> [Substring] {
      text.split(separator: "\n").filter {
        !$0.contains("\"wall_s\"") && !$0.contains("\"events_per_s\"")
      }
    }
    #expect(try stable(outcome.output) == stable(text(kmemu, "s/\(file)")))
  }

  @Test func aFailingPointIsRecordedAndTheOthersGoOn() throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(
      "study run kmalloc-example --machine 'package:1 core:4 pu:1' --vary cpus=1,64,2 -o s")
    #expect(outcome.status == 65)
    #expect(outcome.output.contains("failed at cpus=64"))
    #expect(try results(kmemu, "s").count == 2)
    #expect(try text(kmemu, "s/study.csv").contains("\n64,1,,failed,"))
  }

  @Test func ctrlCKeepsWhatIsFinished() throws {
    let kmemu = try Kmemu()
    let study =
      "study run kmalloc-storm --machine 'package:1 core:4 pu:1' --vary cpus=1,2,4"
      + " --set run.warmup=0ns --vary run.duration=10us,30s --jobs 1 -o s"
    let outcome = try kmemu.run(study) { process in
      // The first point takes a moment; the second one would take minutes.
      let results = kmemu.folder.appending(path: "s/results").path
      for _ in 0..<600 where process.isRunning {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: results)) ?? []
        if files.contains(where: { $0.hasSuffix(".json") }) { break }
        usleep(50_000)
      }
      kill(process.processIdentifier, SIGINT)
    }
    #expect(outcome.status == 130)
    #expect(outcome.errors.contains("1 of 6 results"))
    #expect(try results(kmemu, "s").keys.allSatisfy { $0.hasSuffix(".json") })
    #expect(try text(kmemu, "s/study.csv").split(separator: "\n").count == 2)
  }

  @Test(arguments: [
    ("study run kmalloc-example --vary cpus", Int32(64)),
    ("study run kmalloc-example --vary cpus=1,1", 64),
    ("study run kmalloc-example --vary cpus=1 --jobs 0", 64),
    ("study run kmalloc-example --vary cpus=1 --repeat 0", 64),
    ("study run kmalloc-example --vary no-such-key=1,2", 65),
    ("study run no-such-scenario --vary cpus=1,2", 66),
    ("study run kmalloc-example --vary cpus=1 -o /dev/null/s", 74),
  ])
  func whatIsWrongIsSaidAndNothingIsMade(_ arguments: String, _ status: Int32) throws {
    let kmemu = try Kmemu()
    let outcome = try kmemu.run(arguments)
    #expect(outcome.status == status)
    #expect(outcome.output == "")
    #expect(outcome.errors.contains("error"))
    #expect(kmemu.files == [])
  }
}
