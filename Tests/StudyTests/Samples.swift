import Foundation
import Scenario

@testable import Study

/// Studies without a machine that runs: figures as a function of point and seed.
enum Samples {
  static func plan(
    _ axes: [String], repeats: Int = 1, scenario: String = "kmalloc-storm"
  ) throws -> StudyPlan {
    var base = Overrides()
    base.machine = "package:2 l3:2 core:4 pu:1"
    return try StudyPlan(
      scenario: scenario, base: base, axes: axes.map { try StudyAxis.parse($0) }, repeats: repeats)
  }

  static func study(
    _ axes: [String], repeats: Int = 1, scenario: String = "kmalloc-storm"
  ) throws -> StudyRuns {
    let plan = try plan(axes, repeats: repeats, scenario: scenario)
    return StudyRuns(plan, build: "test") { overrides throws(ScenarioError) in
      try Scenarios.load(plan.scenario, overrides)
    }
  }

  static func result(seed: UInt64, rate: Double, p99: Double, operation: String) -> Data {
    Data(
      """
      {"seed": \(seed), "title": "A storm", "kernel": "6.12", "costs": "generic-x86",
       "machine": {"source": "somewhere", "cpus": 8, "nodes": 1}, "time_ns": 1000000,
       "events": 1234, "fingerprint": "00c0ffee", "ended": "complete", "wall_s": 0.5,
       "events_per_s": 2468.0,
       "operations": {
         "\(operation)": {"count": 500, "failed": 1, "throughput_per_s": \(rate),
           "latency_ns": {"min": 1, "mean": 3, "p50": 2.5, "p90": 9, "p99": \(p99), "max": 99}},
         "kfree": {"count": 499, "failed": 0, "throughput_per_s": \(rate / 2),
           "latency_ns": {"min": 1, "mean": 3, "p50": 4, "p90": 9, "p99": 30, "max": 99}}},
       "cpu_time": {"idle_ns": 250000, "slab_ns": 750000}, "counters": {"pgfree": 7},
       "locks": [{"name": "a", "acquisitions": 10, "contended": 3,
         "wait_ns": {"total": 12.5, "mean": 1, "max": 2}}],
       "tlb": {"shootdowns": 2, "ipis_sent": 6, "wait_ns": {"mean": 1.5, "max": 3}},
       "violations": [], "violation_count": 0, "would_reclaim": 0,
       "expectations": [{"text": "x", "held": true, "value": "1"}]}
      """.utf8)
  }

  /// A result that depends on the point and the seed alone.
  static func answer(_ run: StudyRun, of study: StudyRuns) -> StudyPool.Answer {
    let place = study.mainOperation
    return .result(
      Array(
        result(
          seed: run.seed, rate: 1e6 * Double(run.point + 1) + Double(run.seed),
          p99: 100 + Double(run.seed % 7), operation: study.operationName(place, at: run.point))))
  }

  static func outcome(_ bytes: [UInt8]) -> StudyRun.Outcome {
    StudyFigures.read(Data(bytes)).map { .finished($0) } ?? .failed(message: "bad", status: 70)
  }

  /// All runs of a study, as made-up figures have them.
  static func finished(_ study: StudyRuns) -> StudyRuns {
    var study = study
    let plan = study
    StudyPool.run(
      &study, jobs: 2, execute: { answer($0, of: plan) }, save: { bytes, _ in outcome(bytes) })
    return study
  }

  static func folder() throws -> String {
    let url = FileManager.default.temporaryDirectory.appending(path: "study-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url.path
  }
}
