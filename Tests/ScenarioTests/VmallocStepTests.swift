import Kernel
import Run
import Simulation
import Testing

@testable import Scenario

/// The vmalloc family as scenarios have it.
@Suite struct VmallocStepTests {
  private func run(
    _ steps: [String], kernel: String = "6.12"
  ) throws -> (result: RunResult, mapped: Int, lazy: Int) {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      threads:
        - name: t
          on: first
          steps:
      \(steps.map { "      - \($0)" }.joined(separator: "\n"))
      """
    let checked = try check(text, machine: "core:2 pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let table = runner.machine.world.vmalloc.pageTable.mappedPages
    let lazy = runner.machine.world.vmalloc.purge.pages
    return (checked.judge(runner.result(wallS: 1)), table, lazy)
  }

  @Test("every call of the family gives what its free takes back")
  func allOfTheFamily() throws {
    let calls = [
      ("vmalloc: {size: 3KiB, as: a}", "vfree"), ("vzalloc: {size: 9KiB, as: a}", "vfree"),
      ("vmalloc_user: {size: 8KiB, as: a}", "vfree"), ("vmalloc_32: {size: 8KiB, as: a}", "vfree"),
      ("vmalloc_node: {size: 8KiB, node: 0, as: a}", "vfree"),
      ("vzalloc_node: {size: 8KiB, node: 0, as: a}", "vfree"),
      ("__vmalloc: {size: 8KiB, gfp: GFP_NOFS, as: a}", "vfree"),
      ("__vmalloc_node: {size: 8KiB, align: 64KiB, as: a}", "vfree"),
      ("vmalloc_huge: {size: 4MiB, as: a}", "vfree"),
      ("kvmalloc: {size: 6MiB, as: a}", "kvfree"), ("kvzalloc: {size: 1KiB, as: a}", "kvfree"),
      ("kvcalloc: {n: 300, size: 4KiB, as: a}", "kvfree"),
      ("kvmalloc_array: {n: 3, size: 1KiB, as: a}", "kvfree"),
      ("kvmalloc_node: {size: 8MiB, node: 0, as: a}", "kvfree"),
    ]
    for (call, free) in calls {
      let end = try run([call, "touch: a", "\(free): a", "vm_unmap_aliases"])
      #expect(end.result.violations.isEmpty && end.mapped == 0 && end.lazy == 0, "\(call)")
      #expect(end.result.operations.values.allSatisfy { $0.failed == 0 }, "\(call)")
    }
  }

  @Test("a product that overflows is NULL")
  func overflow() throws {
    let end = try run(["kvcalloc: {n: 4000000000, size: 1TiB, as: a, on-failure: continue}"])
    #expect(end.result.operations.values.map(\.failed) == [1])
  }

  @Test("mappings of a block of pages leave the pages", arguments: ["2.6.39", "6.1", "7.2"])
  func mappings(kernel: String) throws {
    let end = try run(
      [
        "alloc_pages: {order: 3, as: pages}", "vmap: {pages: pages, as: long}", "touch: long",
        "vm_map_ram: {pages: pages, as: short}", "touch: short", "vm_unmap_ram: short",
        "vunmap: long", "touch: pages", "free_pages: pages", "vm_unmap_aliases",
      ], kernel: kernel)
    #expect(end.result.violations.isEmpty && end.mapped == 0 && end.lazy == 0)
  }

  @Test("what is no block of pages cannot be mapped, and a release without vm_map_ram says so")
  func refusals() throws {
    #expect(throws: ScenarioError.self) {
      try run(["kmalloc: {size: 8KiB, as: a}", "vmap: {pages: a, as: b}", "kfree: a"])
    }
    #expect(throws: ScenarioError.self) {
      try run(
        ["alloc_pages: {order: 1, as: a}", "vm_map_ram: {pages: a, as: b}"], kernel: "2.6.24")
    }
    #expect(throws: ScenarioError.self) {
      try run(["__vmalloc_node: {size: 8KiB, align: 3KiB, as: a}"])
    }
  }
}
