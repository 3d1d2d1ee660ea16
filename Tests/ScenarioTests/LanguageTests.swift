import Kernel
import Simulation
import Testing

@testable import Scenario

/// What good scenarios mean.
@Suite struct LanguageTests {
  private func program(_ list: String, more: String = "") throws -> Program {
    try check(steps(list, more: more)).get().plan.program
  }

  static let sizes: [(String, UInt64)] = [
    ("0B", 0), ("64B", 64), ("1_024B", 1024), ("1.5KiB", 1536), ("2kB", 2000), ("4p", 16384),
    ("1GiB", 1 << 30), ("0.5TiB", 1 << 39), ("18446744073709551615B", .max),
  ]

  @Test(arguments: sizes) func readsSizes(text: String, bytes: UInt64) throws {
    let program = try program("[kmalloc: {size: \(text), as: a}]")
    #expect(program.distributions[Int(program.allocations[0].size)] == .constant(bytes))
  }

  static let times: [(String, UInt64)] = [
    ("1ps", 1), ("0.5ns", 500), ("150ns", 150_000), ("2us", 2_000_000), ("1.25ms", 1_250_000_000),
    ("1s", 1_000_000_000_000), ("3cyc", 1002),
  ]

  @Test(arguments: times) func readsTimes(text: String, picoseconds: UInt64) throws {
    let program = try program("[work: \(text)]", more: "machine: {clock: 2.99GHz}")
    #expect(program.distributions == [.constant(picoseconds)])
  }

  @Test func readsFlags() throws {
    let program = try program(
      "[{kzalloc: {size: 8B, as: a}}, {kmalloc: {size: 8B, gfp: GFP_ATOMIC|__GFP_NOWARN, as: a}}]")
    #expect(program.allocations[0].gfp == [.kernel, .zero])
    #expect(program.allocations[1].gfp == [.atomic, .noWarn])
    #expect(program.operations == ["kzalloc(8)", "kmalloc(8)"])
  }

  /// An overflowing kcalloc is a legal request: the kernel answers NULL.
  @Test func kcallocMayOverflow() throws {
    let program = try program(
      "[kcalloc: {n: 18446744073709551615, size: 2B, as: a, on-failure: stop}]")
    #expect(program.allocations[0].count == .max)
    #expect(program.allocations[0].onFailure == 2)
    #expect(program.operations == ["kcalloc(18446744073709551615,2)"])
    let none = try self.program("[kmalloc_array: {n: 0, size: 8B, as: a}]")
    #expect(none.distributions[Int(none.allocations[0].size)] == .constant(0))
    #expect(none.allocations[0].count == 1)
  }

  @Test func placesAreNodes() throws {
    let list = ["0", "1", "here", "elsewhere", "any"].map {
      "{kmalloc_node: {size: 8B, node: \($0), as: a}}"
    }
    let program = try program("[\(list.joined(separator: ", "))]")
    #expect(
      program.allocations.map(\.place) == [
        .node(NodeID(0)), .node(NodeID(1)), .here, .elsewhere, .any,
      ])
  }

  static let cpusets: [(String, [Int])] = [
    ("all", [0, 1, 2, 3, 4, 5, 6, 7]), ("first", [0]), ("last", [7]), ("3", [3]),
    ("\"0-2,5\"", [0, 1, 2, 5]), ("node:1", [4, 5, 6, 7]), ("package:0", [0, 1, 2, 3]),
    ("core:1", [2, 3]), ("first-node", [0, 1, 2, 3]), ("last-node", [4, 5, 6, 7]),
    ("first-half", [0, 1, 2, 3]), ("first-cpu-of-each-node", [0, 4]),
    ("first-cpu-of-each-core", [0, 2, 4, 6]), ("{node: 1, count: 2}", [4, 5]),
    ("{share: 25%}", [0, 1]), ("{share: 0.01}", [0]),
    ("{from: last-node, share: 50%}", [4, 5]), ("[first, last]", [0, 7]),
  ]

  @Test(arguments: cpusets) func readsCPUSets(text: String, cpus: [Int]) throws {
    let scenario = "scenario: 1\nthreads: [{name: t, on: \(text), steps: [work: 1ns]}]"
    let plan = try check(scenario, machine: "package:2 numa:1 core:2 pu:2").get().plan
    #expect(plan.program.threads.map(\.cpu) == cpus)
    #expect(plan.program.threads.map(\.index) == Array(cpus.indices))
  }

  @Test func othersAreTheRest() throws {
    let scenario = """
      scenario: 1
      threads:
        - {name: rest, on: others, steps: [work: 1ns]}
        - {name: one, on: "1", steps: [work: 1ns]}
      """
    let four = try check(scenario).get().plan.program
    #expect(four.threads.map(\.cpu) == [0, 2, 3, 1])
    #expect(four.groups.map(\.count) == [3, 1])
    #expect(four.threads[3].name == "one")
    #expect(four.threads[0].name == "rest/0")
  }

  /// Goal: a parameter takes its meaning from where it stands; the command line wins.
  @Test func parametersAndOverrides() throws {
    let scenario = """
      scenario: 1
      title: $size objects on $where
      params: {size: 64B, where: all, pause: {uniform: [1ns, 2ns]}, spare: 1}
      threads: [{name: t, on: $where, steps: [{work: $pause}, {kmalloc: {size: $size, as: a}}]}]
      expect: ["latency.kmalloc.max < 1ms", "operations.kmalloc.count == ${count}"]
      """
    var overrides = Overrides()
    overrides.sets = [
      "params.size=1KiB", "run.seed=7", "machine.cpus=2", "threads.t.start=5us",
      "expect=[violations == 0]", "kernel.config.memcg=off",
    ]
    overrides.kernel = "6.12.7"
    overrides.costs = "xeon-8375c"
    let checked = try check(scenario, overrides).get()
    let plan = checked.plan
    #expect(plan.title == "1KiB objects on all")
    #expect(plan.program.operations == ["kmalloc(1KiB)"])
    #expect(plan.settings.seed == 7)
    #expect(plan.boot.machine.cpus.count == 2)
    #expect(plan.boot.costs.name == "xeon-8375c")
    #expect(!plan.boot.config.memcg)
    #expect(plan.program.threads[0].start == Instant(picoseconds: 5_000_000))
    #expect(checked.expectations.map(\.text) == ["violations == 0"])
    #expect(plan.notes.contains("The parameter `spare` is not used."))
    #expect(plan.program.distributions[0] == .uniform(from: 1000, through: 2000))
    overrides.sets = ["params.sise=1B", "x", "threads.u.on=all", "title.x=1"]
    guard case .failure(let error) = check(scenario, overrides) else {
      Issue.record("wrong overrides were taken")
      return
    }
    #expect(error.diagnostics.filter { $0.code == "S122" }.count == 3)
    #expect(error.diagnostics.contains { $0.code == "S132" && $0.label.contains("`size`") })
  }

  /// Goal: what a failing step leaves behind is given back in the reverse order.
  @Test func dropUnlocksAndFrees() throws {
    let list = """
      [{kmalloc: {size: 8B, as: a}}, {lock: l}, local_bh_disable,
       {vmalloc: {size: 8B, as: b, on-failure: drop}}, local_bh_enable, {unlock: l}]
      """
    let program = try program(list, more: "locks: [l]")
    let exit = Int(program.allocations[1].onFailure)
    #expect(
      program.code[exit...].prefix(5).map { "\($0)".prefix(14) } == [
        "enable(Kernel.", "unlock(0, irqs", "whenFull(Kerne", "free(Kernel.Fr", "count(0)",
      ])
    #expect(program.counters == ["drops.t"])
  }

  @Test func handOversFindTheirReaders() throws {
    let scenario = """
      scenario: 1
      caches: {skb: {size: 200B, flags: [hwcache-align, ctor]}}
      threads:
        - name: reader
          on: last
          each: [{kmem_cache_free: head}, {kfree: data}]
        - name: writer
          on: first
          steps:
            - kmem_cache_create: skb
            - kmalloc: {size: 8B, as: data}
            - kmem_cache_alloc: {cache: skb, as: head}
            - hand_over: {to: reader, objects: [data, head]}
      run: {duration: 1ms}
      """
    let program = try check(scenario).get().plan.program
    #expect(program.handOvers[0].group == 0)
    #expect(program.handOvers[0].count == 2)
    guard case .receive = program.code[program.threads[0].entry] else {
      Issue.record("no receive")
      return
    }
    #expect(program.caches[0].isHardwareAligned && program.caches[0].hasConstructor)
    #expect(!program.caches[0].isMadeAtStart)
    #expect(program.threads[0].slotCount == 2)
    let toItself = codes(scenario.replacing("to: reader", with: "to: writer"))
    #expect(toItself.filter { $0 == "S126" }.count == 2)
    #expect(codes(scenario.replacing("skb, as: head", with: "bks, as: head")).contains("S114"))
  }
}
