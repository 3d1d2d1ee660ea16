import Kernel
import Run
import Simulation
import Testing

@testable import Scenario

/// Steps that go through a pool in turn, and touch somewhere.
@Suite struct PickNextTests {
  private func run(_ steps: [String], kernel: String = "6.12") throws -> RunResult {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      threads:
        - name: t
          on: first
          slots: {name: pool, count: 8}
          steps:
      \(steps.map { "      - \($0)" }.joined(separator: "\n"))
      """
    let checked = try check(text, machine: "core:2 pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    #expect(runner.machine.checkInvariants() == nil)
    return checked.judge(runner.result(wallS: 1))
  }

  @Test("Each slot is picked once in turn, and the first after the last")
  func inTurn() throws {
    let result = try run([
      "repeat: {times: 8, do: [pick_next: pool, kmalloc: {size: 64B, as: picked}]}",
      "repeat: {times: 4, do: [pick_next: pool, pick_next: pool, kfree: picked, work: 1ns]}",
      // Every second is empty now.
      "repeat: {times: 4, do: [pick_next: pool, when: {empty: picked, then: [count: early]}]}",
      "repeat: {times: 8, do: [pick_next: pool, when: {full: picked, then: [count: kept]}]}",
    ])
    #expect(result.violations.isEmpty)
    #expect(result.operations["kfree"]?.count == 4)
    #expect(result.counters["early"] == 2 && result.counters["kept"] == 4)
  }

  @Test("A touch at random misses a TLB that a walk from end to end fills")
  func atRandom() throws {
    let result = try run([
      "vmalloc: {size: 16MiB, as: a}",
      "repeat: {times: 200, do: [touch: {object: a, at: random}]}", "vfree: a",
    ])
    #expect(result.violations.isEmpty)
    #expect(result.operations["touch"]?.count == 200)
    #expect(result.vmalloc.tlbMisses > 180)
  }

  @Test("What a touch cannot do is told")
  func errors() {
    for step in ["touch: {object: a, at: end}", "touch: {object: a, at: random, stride: 64B}"] {
      let text = """
        scenario: 1
        threads: [{name: t, on: first, steps: [kmalloc: {size: 64B, as: a}, \(step)]}]
        """
      guard case .failure(let error) = check(text) else {
        Issue.record("\(step) is taken")
        continue
      }
      #expect(error.diagnostics.count == 1)
    }
  }

  /// From 5.11 to 6.8 what touches is one area; before and after each is one of the purge.
  /// Kernel: `free_vmap_area_noflush()` (mm/vmalloc.c; 5.10, 5.11, 6.6, 6.9).
  @Test(
    "Lazy areas that touch merge from 5.11 to 6.8",
    arguments: [("5.10", 4), ("5.11", 1), ("6.6", 1), ("6.9", 4)])
  func lazyAreasMerge(kernel: String, purged: Int) throws {
    let result = try run(
      [
        "repeat: {times: 4, do: [pick_next: pool, vmalloc: {size: 4KiB, as: picked}]}",
        "repeat: {times: 4, do: [pick_next: pool]}",
        "repeat: {times: 4, do: [pick_next: pool, vfree: picked, work: 1ns]}", "vm_unmap_aliases",
      ], kernel: kernel)
    #expect(result.violations.isEmpty)
    #expect(result.vmalloc.lazyFrees == 4 && result.vmalloc.purgedAreas == UInt64(purged))
  }
}
