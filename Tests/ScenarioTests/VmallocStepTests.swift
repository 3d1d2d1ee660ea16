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

  @Test("memory of kvmalloc grows in its slot", arguments: ["5.15", "6.12", "7.2"])
  func kvrealloc(kernel: String) throws {
    let end = try run(
      [
        "kvmalloc: {size: 1KiB, as: a}", "kvrealloc: {object: a, size: 6MiB}", "touch: a",
        "kvrealloc: {object: a, size: 9MiB}", "touch: a", "kvrealloc: {object: a, size: 1KiB}",
        "is_vmalloc_addr: {object: a, then: [count: area], else: [count: object]}", "kvfree: a",
        "vm_unmap_aliases",
      ], kernel: kernel)
    #expect(end.result.violations.isEmpty && end.mapped == 0 && end.lazy == 0)
    #expect(end.result.counters["area"] == 1 && end.result.counters["object"] ?? 0 == 0)
  }

  @Test("vrealloc of no bytes frees; an empty slot is NULL; what cannot be had leaves the object")
  func vrealloc() throws {
    let end = try run([
      "vrealloc: {object: a, size: 8KiB}", "vrealloc: {object: a, size: 64TiB}", "touch: a",
      "vrealloc: {object: a, size: 0B}", "vfree: a",
      "is_vmalloc_addr: {object: a, then: [count: area]}", "vm_unmap_aliases",
    ])
    #expect(end.result.violations.isEmpty && end.mapped == 0 && end.lazy == 0)
    #expect(end.result.counters["area"] ?? 0 == 0)
  }

  @Test("vfree_atomic frees under a lock, by a worker, where vfree complains")
  func vfreeAtomic() throws {
    for (free, count) in [("vfree_atomic", 0), ("vfree", 1)] {
      let end = try run([
        "vmalloc: {size: 8KiB, as: a}", "preempt_disable", "\(free): a", "preempt_enable",
        "sleep: 1ms", "vm_unmap_aliases",
      ])
      #expect(end.result.violations.count == count && end.mapped == 0 && end.lazy == 0, "\(free)")
    }
  }

  @Test("where an object is: the right question of each kind of address, and the wrong one")
  func addresses() throws {
    let right = try run([
      "vmalloc: {size: 8KiB, as: area}", "kmalloc: {size: 64B, as: object}",
      "vmalloc_to_page: {object: area, offset: 4KiB}", "virt_to_page: object",
      "virt_to_phys: object", "vfree: area", "kfree: object",
    ])
    #expect(right.result.violations.isEmpty)
    for wrong in [
      "virt_to_phys: area", "virt_to_page: area", "vmalloc_to_page: object",
      "vmalloc_to_page: {object: area, offset: 8KiB}",
    ] {
      let end = try run([
        "vmalloc: {size: 8KiB, as: area}", "kmalloc: {size: 64B, as: object}", wrong,
        "vfree: area", "kfree: object",
      ])
      #expect(end.result.violations.map(\.kind) == ["bad-address"], "\(wrong)")
    }
    let stale = try run(["vmalloc: {size: 8KiB, as: a}", "vfree: a", "vmalloc_to_page: a"])
    #expect(stale.result.violations.map(\.kind) == ["use-after-free"])
  }

  /// Kernel: `alloc_vmap_area()` (mm/vmalloc.c; 6.18, 7.0).
  @Test(
    "a task that may not sleep has vmalloc memory from 6.19 on",
    arguments: [
      ("6.12", "GFP_ATOMIC", false), ("7.0", "GFP_ATOMIC", true), ("7.0", "GFP_NOWAIT", true),
      ("7.0", "GFP_KERNEL", false),
    ])
  func atomicTasks(kernel: String, mask: String, isLegal: Bool) throws {
    let end = try run(
      [
        "preempt_disable", "__vmalloc: {size: 16KiB, gfp: \(mask), as: a}", "preempt_enable",
        "vfree: a", "vm_unmap_aliases",
      ], kernel: kernel)
    #expect(end.result.violations.isEmpty == isLegal, "\(end.result.violations.map(\.message))")
    #expect(end.mapped == 0 && end.lazy == 0)
  }

  /// Kernel: `vmalloc_fix_flags()` (mm/vmalloc.c; 6.19, 7.0, 7.1).
  @Test(
    "bits of a mask that vmalloc does not know are taken away",
    arguments: [
      ("6.18", "GFP_KERNEL | __GFP_THISNODE", 0), ("7.0", "GFP_KERNEL | __GFP_THISNODE", 1),
      ("7.0", "GFP_KERNEL | __GFP_RETRY_MAYFAIL", 1),
      ("7.1", "GFP_KERNEL | __GFP_RETRY_MAYFAIL", 0),
      ("7.1", "GFP_NOFS | __GFP_ZERO | __GFP_NOFAIL", 0),
    ])
  func masks(kernel: String, mask: String, warnings: Int) throws {
    let step = "__vmalloc: {size: 8KiB, gfp: \(mask), as: a}"
    let end = try run([step, "vfree: a", step, "vfree: a"], kernel: kernel)
    #expect(end.result.warnings.count == warnings && end.result.violations.isEmpty)
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
    for (step, kernel) in [
      ("kvrealloc: {object: a, size: 8KiB}", "5.10"), ("vrealloc: {object: a, size: 8KiB}", "6.6"),
      ("vfree_atomic: a", "4.4"),
    ] {
      #expect(throws: ScenarioError.self) {
        try run(["vmalloc: {size: 4KiB, as: a}", step], kernel: kernel)
      }
    }
  }

  @Test(
    "objects keep their whole address on every architecture",
    arguments: [
      ("cpu: neoverse-n1", "6.12", ""), ("cpu: neoverse-n1", "4.19", ""),
      ("cpu: neoverse-v1", "6.12", "va-bits: 39, "), ("cpu: zen4", "6.12", "va-bits: 57, "),
      ("cpu: cortex-a15", "6.12", ""), ("cpu: skylake", "6.12", "architecture: x86-32, "),
      ("cpu: skylake", "2.6.24", ""),
    ])
  func everyArchitecture(_ cpu: String, _ release: String, _ more: String) throws {
    let text = """
      scenario: 1
      machine: {memory: 2GiB, \(cpu)}
      kernel: {\(more)version: "\(release)"}
      threads:
        - name: t
          on: first
          steps:
            - kmalloc: {size: 256B, as: a}
            - kmalloc: {size: 64KiB, as: b}
            - vmalloc: {size: 12KiB, as: c}
            - vmalloc_32: {size: 12KiB, as: d}
            - touch: a
            - touch: b
            - touch: c
            - kfree: a
            - kfree: b
            - vfree: c
            - vfree: d
            - vm_unmap_aliases
      """
    let checked = try check(text, machine: "core:2 pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let result = checked.judge(runner.result(wallS: 1))
    #expect(result.violations.isEmpty, "\(result.violations)")
    #expect(result.operations.values.allSatisfy { $0.failed == 0 }, "\(result.operations)")
    let mapped = runner.machine.world.vmalloc.pageTable.mappedPages
    #expect(mapped == 0 && result.vmalloc.areas == 0)
  }

  @Test("large pages fill few entries of the TLB", arguments: ["5.17", "5.18"])
  func largePages(_ release: String) throws {
    let end = try run(
      [
        "vmalloc_huge: {size: 8MiB, as: a}",
        "repeat: {times: 30, do: [touch: {object: a, stride: 4KiB}]}", "vfree: a",
      ], kernel: release)
    #expect(end.result.vmalloc.tlbMisses < 100 || release == "5.17")
    #expect(end.result.vmalloc.tlbMisses > 40_000 || release == "5.18")
  }
}
