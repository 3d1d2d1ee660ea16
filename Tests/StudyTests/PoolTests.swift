import Foundation
import Report
import Run
import Scenario
import Synchronization
import Testing

@testable import Study

@Suite struct PoolTests {
  @Test(arguments: [1, 3, 16])
  func jobsDoNotShow(_ jobs: Int) throws {
    let study = try Samples.study(["cpus=1,2,4,8", "params.size=64B,256B"], repeats: 3)
    let alone = Samples.finished(study)
    var other = study
    StudyPool.run(
      &other, jobs: jobs,
      execute: { run in
        // The later begun, the sooner over.
        usleep(UInt32(2000 - 80 * run.point))
        return Samples.answer(run, of: study)
      }, save: { bytes, _ in Samples.outcome(bytes) })
    #expect(StudyCSV.render(other) == StudyCSV.render(alone))
    #expect(StudyManifest.render(other) == StudyManifest.render(alone))
    #expect(StudyChart.render(other) == StudyChart.render(alone))
  }

  /// Whole runs on threads of one process: the emulator shares nothing between them.
  @Test func emulatedRunsDoNotMeet() throws {
    let study = try Samples.study(["cpus=1,2"], repeats: 2, scenario: "kmalloc-example")
    func run(jobs: Int) throws -> [StudyKey: [UInt8]] {
      let results = Mutex<[StudyKey: [UInt8]]>([:])
      var copy = study
      let plan = study.plan
      StudyPool.run(
        &copy, jobs: jobs,
        execute: { run in
          guard let bytes = try? Self.emulated(run, of: plan) else {
            return .failed(message: "refused", status: 65)
          }
          return .result(bytes)
        },
        save: { bytes, key in
          results.withLock { $0[key] = bytes }
          return Samples.outcome(bytes)
        })
      #expect(copy.finishedCount == 4)
      return results.withLock { $0 }
    }
    #expect(try run(jobs: 1) == run(jobs: 4))
  }

  private static func emulated(_ run: StudyRun, of plan: StudyPlan) throws -> [UInt8] {
    var overrides = plan.overrides(at: plan.points[run.point])
    overrides.seed = "\(run.seed)"
    let checked = try Scenarios.load(plan.scenario, overrides)
    var runner = Runner(checked.plan)
    try runner.run()
    return Array(try RunJSON.render(checked.judge(runner.result(wallS: 0))).utf8)
  }

  @Test func aRefusedPointIsRecordedAndTheOthersGoOn() throws {
    let study = Samples.finished(try Samples.study(["cpus=2,100000,4"]))
    #expect(study.finishedCount == 2)
    #expect(study.firstFailure?.status == 65)
    let rows = StudyCSV.render(study).split(separator: "\n")
    #expect(rows.count == 4)
    #expect(rows[2].hasPrefix("100000,1,,failed,"))
    #expect(StudyManifest.render(study).contains("\"status\": \"failed\""))
    #expect(StudyText.render(study).contains("failed at cpus=100000"))
  }

  @Test func aRunThatDiesIsRecordedAndTheOthersGoOn() throws {
    var study = try Samples.study(["cpus=1,2,4"])
    let plan = study
    StudyPool.run(
      &study, jobs: 2,
      execute: { run in
        run.point == 1
          ? .failed(message: "its process was ended by signal 9", status: 70)
          : Samples.answer(run, of: plan)
      }, save: { bytes, _ in Samples.outcome(bytes) })
    #expect(study.runs.map { $0.figures != nil } == [true, false, true])
    #expect(study.firstFailure?.status == 70)
  }

  @Test func whatIsFinishedIsKeptAndNotRunAgain() throws {
    let store = try StudyStore(try Samples.folder())
    var study = try Samples.study(["cpus=1,2,4"], repeats: 2)
    let plan = study
    let begun = Mutex(0)
    let save: @Sendable ([UInt8], StudyKey) -> StudyRun.Outcome = { bytes, key in
      try? store.save(Data(bytes), of: key)
      return Samples.outcome(bytes)
    }
    StudyPool.run(
      &study, jobs: 1,
      execute: { run in
        begun.withLock { $0 += 1 }
        return run.point == 1 && run.number == 2 ? .interrupted : Samples.answer(run, of: plan)
      }, save: save, shouldStop: { begun.withLock { $0 } > 3 })
    #expect(study.finishedCount == 3)
    #expect(study.pendingCount == 3)
    #expect(StudyCSV.render(study).split(separator: "\n").count == 4)

    var again = plan
    again.reuse(store)
    #expect(again.finishedCount == 3)
    let rest = Mutex(0)
    StudyPool.run(
      &again, jobs: 2,
      execute: { run in
        rest.withLock { $0 += 1 }
        return Samples.answer(run, of: plan)
      }, save: save)
    #expect(rest.withLock { $0 } == 3)
    #expect(StudyCSV.render(again) == StudyCSV.render(Samples.finished(plan)))
  }

  @Test func aBrokenResultIsRunAgain() throws {
    let store = try StudyStore(try Samples.folder())
    var study = try Samples.study(["cpus=1"])
    let key = try #require(study.runs[0].key)
    try Data("{\"seed\": 1".utf8).write(to: URL(filePath: store.path(of: key)))
    study.reuse(store)
    #expect(study.pendingCount == 1)
  }

  @Test func nothingHalfWrittenIsLeft() throws {
    let folder = try Samples.folder()
    let store = try StudyStore(folder)
    let left = folder + "/results/0123.json.999999999.part"
    try Data("x".utf8).write(to: URL(filePath: left))
    _ = try StudyStore(folder)
    #expect(!FileManager.default.fileExists(atPath: left))
    try store.write("a", as: "study.csv")
    try store.write("b", as: "study.csv")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
        "results", "study.csv",
      ])
  }

  /// Two names of one release are one run, and both have its figures.
  @Test func equalRunsRunOnce() throws {
    var study = try Samples.study(["run.duration=1ms,1000us"])
    let plan = study
    let begun = Mutex(0)
    StudyPool.run(
      &study, jobs: 2,
      execute: { run in
        begun.withLock { $0 += 1 }
        return Samples.answer(run, of: plan)
      }, save: { bytes, _ in Samples.outcome(bytes) })
    #expect(begun.withLock { $0 } == 1)
    #expect(study.finishedCount == 2)
  }
}
