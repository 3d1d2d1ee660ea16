import Kernel
import Run
import Testing

@testable import Scenario

/// The steps of the kmalloc family, each as a user writes it.
@Suite struct KmallocStepTests {
  private func run(_ text: String, machine: String = "pu:1") throws -> RunResult {
    let checked = try check(text, machine: machine).get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let result = checked.judge(runner.result(wallS: 1))
    #expect(result.ended == "complete")
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    return result
  }

  private func scenario(
    _ steps: [String], expect: [String] = [], kernel: String = "\"6.12\""
  ) -> String {
    """
    scenario: 1
    kernel: \(kernel)
    caches: {skb: {size: 200B}}
    threads:
      - name: t
        on: first
        slots: {name: pool, count: 64}
        steps:
    \(steps.map { "      - " + $0 }.joined(separator: "\n"))
    expect:
      - violations == 0
    \(expect.map { "  - " + $0 }.joined(separator: "\n"))
    """
  }

  @Test("krealloc moves an object that outgrows its class, and a failed one leaves it")
  func krealloc() throws {
    let result = try run(
      scenario(
        [
          "krealloc: {object: a, size: 100B}", "krealloc: {object: a, size: 128B}",
          "krealloc: {object: a, size: 4KiB}", "krealloc_array: {object: a, n: 3, size: 4KiB}",
          // Too much for any block of pages: NULL, and the object stays.
          "krealloc: {object: a, size: 1GiB, gfp: GFP_KERNEL | __GFP_NOWARN}",
          "krealloc_array: {object: a, n: 18000000000000000000, size: 8B}",
          "when: {full: a, then: [count: kept]}", "kfree: a",
        ],
        expect: [
          "kept == 1", "operations.krealloc(1GiB).failed == 1",
          "operations.krealloc(100).failed == 0", "operations.kfree.count == 1",
          "caches.kmalloc-128.slabs == 1", "caches.kmalloc-4k.slabs == 1",
        ]))
    #expect(result.caches.allSatisfy { $0.activeObjects == 0 || $0.slabs > 0 })
  }

  /// The CPU keeps the slab that node 1 gave: who asks for no node gets it.
  @Test("allocations on a node, of a zeroed object, and frees that leave nothing to read")
  func variants() throws {
    _ = try run(
      scenario(
        [
          "kzalloc_node: {size: 64B, node: 1, as: a}",
          "kcalloc_node: {n: 4, size: 64B, node: 0, as: b}",
          "kmalloc_array_node: {n: 2, size: 64B, node: here, as: c}",
          "kmem_cache_alloc_node: {cache: skb, node: 1, as: d}",
          "kmem_cache_zalloc: {cache: skb, as: e}", "ksize: a", "kfree_sensitive: a", "kfree: b",
          "kfree: c", "kmem_cache_free: d", "kmem_cache_free: e",
        ],
        expect: [
          "operations.ksize.count == 1", "operations.kfree_sensitive.count == 1",
          "operations.kfree.count == 2",
          "caches.skb.slabs == 1",
        ]), machine: "package:2 numa:1 core:1 pu:1")
  }

  @Test("calls from different places get different copies of the kmalloc caches")
  func randomCaches() throws {
    let lines = (0..<24).map { "kmalloc: {size: 64B, as: a\($0)}" }
    let frees = (0..<24).map { "kfree: a\($0)" }
    let on = "{version: \"6.6\", config: {random-kmalloc-caches: on}}"
    let result = try run(scenario(lines + frees, kernel: on))
    let copies = result.caches.filter { $0.name.hasSuffix("-64") && $0.slabs > 0 }
    #expect(copies.count > 5)
    let off = try run(scenario(lines + frees, kernel: "\"6.6\""))
    #expect(off.caches.filter { $0.name.hasPrefix("kmalloc-rnd") }.isEmpty)
    #expect(
      codes(scenario(lines, kernel: "{version: \"6.1\", config: {random-kmalloc-caches: on}}"))
        == ["S119"])
  }
}

/// Classes where kmalloc aligns to more than 8 bytes.
@Suite struct KmallocMinAlignTests {
  /// Kernel: `setup_kmalloc_cache_index_table()` (mm/slab_common.c, 6.1).
  @Test(
    "arm64's 128 bytes leave no smaller class and none of 192; 64 bytes none of 96",
    arguments: [
      (8, ["kmalloc-8", "kmalloc-96", "kmalloc-192"]),
      (64, ["kmalloc-64", "kmalloc-128", "kmalloc-192"]),
      (128, ["kmalloc-128", "kmalloc-128", "kmalloc-256"]),
    ])
  func classes(least: Int, caches: [String]) throws {
    let text = """
      scenario: 1
      kernel: {version: "6.1", config: {kmalloc-min-align: \(least)B}}
      threads:
        - name: t
          on: first
          steps:
            - kmalloc: {size: 8B, as: a, site: small}
            - kmalloc: {size: 70B, as: b, site: middle}
            - kmalloc: {size: 180B, as: c, site: large}
            - kfree: a
            - kfree: b
            - kfree: c
      expect: [violations == 0, caches.\(caches[2]).slabs == 1]
      """
    let checked = try check(text, machine: "pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let result = checked.judge(runner.result(wallS: 1))
    #expect(Set(result.caches.filter { $0.slabs > 0 }.map(\.name)) == Set(caches))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    let small = try #require(result.callSites.first { $0.name == "small" })
    #expect(small.wastedBytes == UInt64(least - 8))
  }

  @Test func otherAlignmentsAreRefused() {
    func found(_ config: String) -> [String] {
      codes("scenario: 1\nkernel: {\(config)}\nthreads: [{name: t, on: first, steps: [work: 1ns]}]")
    }
    #expect(found("config: {kmalloc-min-align: 96B}").count == 1)
    #expect(found("config: {kmalloc-min-align: 256B}").count == 1)
    #expect(found("version: \"6.1\", slab: slob, config: {kmalloc-min-align: 128B}").count == 1)
    #expect(found("version: \"6.1\", slab: slab, config: {kmalloc-min-align: 128B}").isEmpty)
  }
}

/// Kmalloc caches that one user has for itself.
@Suite struct BucketTests {
  private func text(_ kernel: String, _ buckets: String = "buckets: [msg_msg, user]") -> String {
    """
    scenario: 1
    kernel: \(kernel)
    \(buckets)
    threads:
      - name: t
        on: first
        steps:
          - kmem_buckets_alloc: {buckets: msg_msg, size: 100B, gfp: GFP_KERNEL_ACCOUNT, as: a}
          - kmem_buckets_alloc: {buckets: user, size: {uniform: [65B, 96B]}, as: b}
          - kmem_buckets_alloc: {buckets: user, size: 9KiB, as: c}
          - kmalloc: {size: 100B, as: d}
          - kfree: a
          - kfree: b
          - kfree: c
          - kfree: d
    expect: [violations == 0, operations.kfree.count == 4]
    """
  }

  private func slabs(_ kernel: String) throws -> [String: Int] {
    let checked = try check(text(kernel), machine: "pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let result = checked.judge(runner.result(wallS: 1))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    let used = result.caches.filter { $0.slabs > 0 }
    return Dictionary(uniqueKeysWithValues: used.map { ($0.name, $0.slabs) })
  }

  @Test("a set's objects come from its own caches, whatever family the mask says")
  func own() throws {
    let found = try slabs("\"6.12\"")
    #expect(found == ["msg_msg-128": 1, "user-96": 1, "kmalloc-128": 1])
    #expect(try slabs("{version: \"6.11\", config: {random-kmalloc-caches: on}}")["user-96"] == 1)
  }

  @Test("without CONFIG_SLAB_BUCKETS it is kmalloc, by family")
  func off() throws {
    let found = try slabs("{version: \"6.12\", config: {slab-buckets: off}}")
    #expect(found == ["kmalloc-cg-128": 1, "kmalloc-96": 1, "kmalloc-128": 1])
  }

  @Test("they came with 6.11, and a set has a name of its own")
  func refused() {
    #expect(codes(text("\"6.9\"")) == ["S119"])
    let config = "{version: \"6.6\", config: {slab-buckets: on}}"
    #expect(codes(text(config)).filter { $0 == "S119" }.count == 2)
    #expect(codes(text("\"6.12\"", "buckets: [user, user]")).count == 2)
  }

  /// Source: slab_params_6.18.csv of the ground truth recordings: `msg_msg-96`, `memdup_user-1k`.
  @Test func theyAreAlignedAsAnyCacheIs() throws {
    let checked = try check(text("\"6.18\""), machine: "pu:2").get()
    let runner = Runner(checked.plan, options: RunOptions())
    for (name, shape) in [("msg_msg-96", [96, 42, 0]), ("user-1k", [1024, 16, 2])] {
      let id = runner.machine.world.slab.cache(named: name)
      let sizing = runner.machine.world.slab.caches[try #require(id)].sizing
      #expect([sizing.size, sizing.objects, sizing.order.index] == shape && sizing.align == 8)
    }
  }
}

/// Caches that are alike: apart by default, one on request.
@Suite struct SlabMergeTests {
  private func caches(_ config: String, release: String = "6.12") throws -> RunResult {
    let text = """
      scenario: 1
      kernel: {version: "\(release)", config: {\(config)}}
      caches:
        first: {size: 200B}
        alike: {size: 196B}
        aligned: {size: 200B, flags: [hwcache-align]}
        counted: {size: 200B, flags: [reclaim-account]}
        rcu: {size: 192B, flags: [typesafe-by-rcu]}
        built: {size: 200B, flags: [ctor]}
      threads:
        - name: t
          on: first
          steps:
            - kmem_cache_alloc: {cache: first, as: a}
            - kmem_cache_alloc: {cache: alike, as: b}
            - kmem_cache_alloc: {cache: rcu, as: c}
            - kmem_cache_free: {cache: alike, object: b}
            - kmem_cache_destroy: alike
            - kmem_cache_free: {cache: first, object: a}
            - kmem_cache_free: {cache: rcu, object: c}
      expect:
        - violations == 0
      """
    let checked = try check(text, machine: "pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    return checked.judge(runner.result(wallS: 1))
  }

  @Test("a cache merges with one of its size, alignment and accounting, and with nothing else")
  func merges() throws {
    let result = try caches("slab-merge: on")
    let names = Set(result.caches.map(\.name))
    let first = try #require(result.caches.first { $0.name == "first" })
    // The name that was merged and destroyed stays: the kernel leaves its link in /sys/kernel/slab,
    // which `sysfs_slab_alias()` made and only another cache of that name replaces (mm/slub.c, 6.12).
    #expect(first.aliases == ["alike"])
    #expect(!names.contains("alike"))
    for apart in ["aligned", "counted", "rcu", "built"] { #expect(names.contains(apart)) }
    #expect(result.violations.isEmpty)
  }

  @Test("without it each has slabs of its own")
  func apart() throws {
    let result = try caches("slab-merge: off")
    #expect(Set(result.caches.map(\.name)).isSuperset(of: ["first", "rcu", "built", "counted"]))
    #expect(result.caches.allSatisfy { $0.aliases.isEmpty })
  }

  /// Kernel: the normal kmalloc caches have been kept apart since 5.14, for accounting.
  @Test("kmalloc caches take others in up to 5.13", arguments: [("5.10", true), ("6.12", false)])
  func kmalloc(release: String, isMerged: Bool) throws {
    let text = """
      scenario: 1
      kernel: {version: "\(release)", config: {slab-merge: on}}
      caches: {small: {size: 64B, align: 64B}}
      threads:
        - {name: t, on: first, steps: [kmem_cache_alloc: {cache: small, as: a}, kfree: a]}
      """
    let checked = try check(text, machine: "pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let result = runner.result(wallS: 1)
    let kmalloc = try #require(result.caches.first { $0.name == "kmalloc-64" })
    #expect(kmalloc.aliases == (isMerged ? ["small"] : []))
  }
}

/// Bulk calls as steps: all of the objects or none, lists and pools.
@Suite struct BulkStepTests {
  private func run(_ steps: [String], kernel: String, expect: [String]) throws -> RunResult {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      caches: {skb: {size: 232B}}
      threads:
        - name: t
          on: first
          slots: {name: pool, count: 40}
          steps:
      \(steps.map { "      - " + $0 }.joined(separator: "\n"))
      expect:
        - violations == 0
      \(expect.map { "  - " + $0 }.joined(separator: "\n"))
      """
    let checked = try check(text, machine: "pu:1").get()
    var runner = Runner(checked.plan, options: RunOptions())
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let named = runner.machine.world.slab.cache(named: "skb")
    let left = runner.machine.world.slab.allocatedCount(of: try #require(named))
    #expect(left == 0)
    let result = checked.judge(runner.result(wallS: 1))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    return result
  }

  @Test("objects come and go together", arguments: ["4.19", "6.12"])
  func togetherAndBack(kernel: String) throws {
    let result = try run(
      [
        "kmem_cache_alloc_bulk: {cache: skb, as: [a, b, c], site: three}",
        "kmem_cache_alloc_bulk: {cache: skb, as: pool, site: many}", "kmem_cache_free: b",
        "kmem_cache_free_bulk: {cache: skb, objects: [a, b, c]}", "kfree_bulk: pool",
        "kfree_bulk: [a, b, c]",
      ], kernel: kernel,
      expect: [
        "operations.kmem_cache_alloc_bulk.count == 2", "sites.three.allocations == 3",
        "sites.many.allocations == 40", "sites.many.frees == 40", "sites.three.live == 0",
      ])
    #expect(result.violations.isEmpty)
  }
}
