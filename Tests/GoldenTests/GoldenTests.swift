import Foundation
import Run
import Scenario
import Testing

/// Figures of every bundled scenario stay what they were, unless a change of them is meant.
///
/// A change of the model changes them rightly; write them anew and say in the commit why:
/// `KMEMU_UPDATE_GOLDENS=1 swift test --filter RewriteGoldens`.
@Suite struct GoldenTests {
  static let update = "if that is meant: KMEMU_UPDATE_GOLDENS=1 swift test --filter RewriteGoldens"

  @Test(arguments: GoldenRun.all)
  func figuresStay(run: GoldenRun) throws {
    let result = try run.result()
    try expectWorth(run, result)
    let row = GoldenRow(run, result)
    guard let kept = try GoldenRow.read()[row.key] else {
      Issue.record("Scenarios/fingerprints.csv has no row \(row.key); \(Self.update)")
      return
    }
    guard row != kept else { return }
    let names = ["events", "time_ns", "fingerprint", "violations"]
    let was = [kept.events, kept.timeNs, kept.fingerprint, kept.violations]
    let now = [row.events, row.timeNs, row.fingerprint, row.violations]
    let differences = zip(names, zip(was, now)).filter { $1.0 != $1.1 }
    let list = differences.map { "\($0) was \($1.0), is \($1.1)" }.joined(separator: "; ")
    let kind =
      differences.map(\.0) == ["events"]
      ? "the same steps took another number of passes through the queue"
      : "the machine does something else than before"
    Issue.record("\(run): \(list). So \(kind). Replay: \(run.command). \(Self.update)")
  }

  @Test func theFileHasTheseRunsAndNoOther() throws {
    let kept = Set(try GoldenRow.read().keys)
    let runs = Set(GoldenRun.all.map(GoldenRow.key))
    #expect(kept == runs, "\(Self.update)")
    for scenario in Scenarios.bundled {
      #expect(GoldenRun.all.contains { $0.scenario == scenario.name }, "\(scenario.name)")
    }
  }

  /// A golden of a run in which nothing happens would hold nothing.
  private func expectWorth(_ run: GoldenRun, _ result: RunResult) throws {
    let ends = run.scenario == "abba-deadlock" ? "deadlock" : "complete"
    #expect(result.ended == ends)
    switch run.scenario {
    case "vmalloc-shootdown": #expect(result.tlb.shootdowns > 0, "\(run)")
    case "sleep-in-atomic": #expect(result.violationCount >= 2, "\(run)")
    case "kmalloc-storm" where result.machine.cpus > 1:
      let cache = try #require(result.caches.first { $0.name == "kmalloc-256" })
      #expect(cache.stats["free_slowpath", default: 0] > 0, "\(run)")
      #expect(cache.stats["alloc_slab", default: 0] > 0, "\(run)")
    default: #expect(result.events > 10, "\(run)")
    }
  }
}

/// Not a test: writes the file anew, when it is asked to by name and by the environment. The tests
/// above are never switched off for it.
@Suite struct RewriteGoldens {
  @Test func rewrite() throws {
    guard ProcessInfo.processInfo.environment["KMEMU_UPDATE_GOLDENS"] == "1" else { return }
    let rows = try GoldenRun.all.map { GoldenRow($0, try $0.result()) }
    try GoldenRow.write(rows)
    print("wrote \(rows.count) rows to \(GoldenRow.file.path)")
  }
}
