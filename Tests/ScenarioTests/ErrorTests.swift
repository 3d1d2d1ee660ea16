import Testing

@testable import Scenario

/// Each error is found, has its code, and stands where it should.
@Suite struct ErrorTests {
  /// Goal: the form of DESIGN section 5, to the character.
  @Test func looksLikeRustc() {
    let text = steps("[{kmalloc: {size: 2KiB, gfp: GFP_ATOMC, as: data}}]")
    #expect(
      firstError(text) == """
        error[S104]: unknown GFP flag `GFP_ATOMC`
         --> test.yaml:6:41
          |
        6 |     steps: [{kmalloc: {size: 2KiB, gfp: GFP_ATOMC, as: data}}]
          |                                         ^^^^^^^^^ did you mean `GFP_ATOMIC`?
          = note: several are joined with |, as in GFP_KERNEL | __GFP_ZERO
        """)
  }

  /// A list of steps, the code of its only error, and a part of the message.
  static let stepErrors: [(String, String, String)] = [
    ("[kmaloc: {size: 1B, as: a}]", "S116", "did you mean `kmalloc`?"),
    ("[msleep: 1ms]", "S116", "it is called `sleep` here"),
    ("[mempool_alloc: {}]", "S115", "this version does not have `mempool_alloc` yet"),
    ("[kmemdup: {size: 4KiB}]", "S115", "this version does not have `kmemdup` yet"),
    ("[kmalloc: {size: 128, as: a}]", "S112", "as in `128B`"),
    ("[kmalloc: {size: 128b, as: a}]", "S112", "did you mean `B`?"),
    ("[kmalloc: {size: 1Kib, as: a}]", "S112", "did you mean `KiB`?"),
    ("[kmalloc: {size: 128 B, as: a}]", "S112", "write `128B`"),
    ("[kmalloc: {size: 5ns, as: a}]", "S112", "is a time: size needs a size"),
    ("[kmalloc: {size: many, as: a}]", "S112", "`many` is no number"),
    ("[kmalloc: {size: -5B, as: a}]", "S112", "is no number"),
    ("[kmalloc: {size: 0.3B, as: a}]", "S113", "whole number of bytes"),
    ("[kmalloc: {size: 99999999999999999999GiB, as: a}]", "S113", "too large"),
    ("[kmalloc: {size: [1B], as: a}]", "S111", "has a list"),
    ("[kmalloc: {size: 1B}]", "S110", "`kmalloc` needs `as:`"),
    ("[kmalloc: {as: a}]", "S110", "`kmalloc` needs `size:`"),
    ("[kmalloc]", "S110", "`kmalloc` needs `size:`"),
    ("[kmalloc: {size: 1B, as: a, sise: 2B}]", "S109", "did you mean `size`?"),
    ("[vmalloc: {size: 1B, as: a, gfp: GFP_KERNEL}]", "S109", "unknown key"),
    ("[kmalloc: {size: 1B, as: a, on-failure: panic}]", "S114", "unknown on-failure"),
    ("[{kmalloc: {size: 1B, as: abc}}, {kfree: acb}]", "S114", "did you mean `abc`?"),
    ("[{kmalloc: {size: 1B, as: x}}, {kfree: {object: x, by: {}}}]", "S115", "hand_over"),
    ("[kmem_cache_alloc: {cache: skb, as: a}]", "S114", "describe it under `caches:`"),
    ("[kmalloc_node: {size: 1B, node: 9, as: a}]", "S113", "there is no node 9"),
    ("[kmalloc_node: {size: 1B, node: heer, as: a}]", "S114", "did you mean `here`?"),
    ("[alloc_pages: {order: 64, as: a}]", "S113", "from 0 to 63"),
    ("[lock: l]", "S114", "name it under `locks:`"),
    ("[local_irq_disable]", "S125", "`local_irq_disable` is still in force"),
    ("[local_irq_enable]", "S125", "without its disable"),
    ("[local_irq_enable: 5]", "S111", "takes nothing"),
    ("[raise: net-rx]", "S114", "no interrupt has a `softirq:`"),
    ("[raise: net_rx]", "S114", "did you mean `net-rx`?"),
    ("[pick: pool]", "S114", "slots: {name: pool, count: 64}"),
    ("[kfree: picked]", "S114", "no meaning before a `pick:`"),
    ("[hand_over: {to: u, objects: [a]}]", "S114", "unknown thread"),
    ("[work: {uniform: [5ns]}]", "S111", "needs two ends"),
    ("[work: {uniform: [5ns, 2ns]}]", "S113", "must not be above"),
    ("[work: {zipf: 2}]", "S115", "distribution `zipf`"),
    ("[work: {unifrom: [1ns, 2ns]}]", "S109", "did you mean `uniform`?"),
    ("[work: 5cyc]", "S112", "cycles need a clock"),
    ("[work: 40m]", "S112", "unknown unit `m`"),
    ("[work: 3000s]", "S113", "37 minutes"),
    ("[repeat: {times: 0, do: []}]", "S113", "from 1 to"),
    ("[repeat: {times: 2}]", "S110", "needs `do:`"),
    ("[when: {then: []}]", "S110", "either `full:` or `empty:`"),
    ("[choose: []]", "S113", "one to 1024"),
    ("[{work: 1ns, sleep: 1ns}]", "S111", "indentation"),
    ("[5]", "S116", "unknown step `5`"),
    ("[[work]]", "S111", "a step is"),
    ("work", "S111", "needs a list"),
    ("{work: 1ns}", "S111", "needs a list"),
  ]

  @Test(arguments: stepErrors)
  func stepErrorsAreFound(steps list: String, code: String, part: String) {
    let text = steps(list)
    #expect(codes(text) == [code])
    #expect(firstError(text).contains(part), "\(firstError(text))")
  }

  static let fileErrors: [(String, String, String)] = [
    ("", "S129", "is empty"),
    ("# nothing\n", "S129", "is empty"),
    ("5", "S111", "a scenario is a mapping"),
    ("[]", "S111", "a scenario is a mapping"),
    ("scenario: 2", "S129", "reads version 1"),
    ("title: x", "S129", "`scenario: 1` is missing"),
    ("scenario: 1", "S110", "does nothing"),
    ("scenario: 1\nscenario: 1", "S106", "stands twice"),
    ("scenario: 1\n\tthreads: []", "S105", "begins with a tab"),
    ("scenario: 1\nthreads: [", "S105", "no YAML"),
    ("scenario: 1\nthreads: &a [*a]", "S105", "no YAML"),
    ("scenario: 1\ntitle: &a x\ndescription: *a", "S107", "anchors"),
    ("scenario: 1\nmachine: {<<: {cpus: 1}}", "S107", "merge keys"),
    ("scenario: 1\n---\nscenario: 1", "S105", "another document"),
    ("scenario: 1\nthreds: []", "S109", "did you mean `threads`?"),
    ("scenario: 1\nkernel: \"2.6.9\"", "S119", "2.6.24 to"),
    ("scenario: 1\nkernel: {version: \"6.12\", slab: slab}", "S119", "it has: slub"),
    ("scenario: 1\nkernel: {version: \"6.4\", slab: slob}", "S119", "it has: slub, slab"),
    ("scenario: 1\nkernel: {version: \"6.4\", slab: slup}", "S114", "slub, slab"),
    ("scenario: 1\ncosts: generic-x68", "S120", "did you mean `generic-x86`?"),
    ("scenario: 1\nmachine: {topology: 'core:2 pu'}", "T108", "not a synthetic machine"),
    ("scenario: 1\nmachine: {topology: 'file:no.xml'}", "T101", "there is no file"),
    ("scenario: 1\nmachine: {topology: no.xml}", "S118", "write `file:no.xml`"),
    ("scenario: 1\nmachine: {cpus: 9}", "T114", "machine that has 4"),
    ("scenario: 1\nmachine: {cpus: 0}", "S113", "from 1 to 4096"),
    ("scenario: 1\nmachine: {memory: 64}", "S112", "has no unit"),
    ("scenario: 1\nmachine: {memory: 1KiB}", "T116", "too few"),
    ("scenario: 1\nmachine: {clock: 3}", "S112", "as in `3Hz`"),
    ("scenario: 1\nstudy: {}", "S115", "--vary"),
    ("scenario: 1\ntitle: $x", "S132", "unknown parameter"),
    ("scenario: 1\nparams: {size: 1B}\ntitle: $sise", "S132", "did you mean `$size`?"),
    ("scenario: 1\ninclude: no.yaml", "S121", "there is no such file"),
    ("scenario: 1\nlocks: [a, a]", "S128", "two locks"),
    ("scenario: 1\ncaches: {c: {size: 5GiB}}", "S113", "at most 2MiB"),
    ("scenario: 1\ncaches: {c: {align: 8B}}", "S110", "needs `size:`"),
    ("scenario: 1\ncaches: {c: {size: 8B, flags: [ctro]}}", "S114", "did you mean `ctor`?"),
  ]

  @Test(arguments: fileErrors)
  func fileErrorsAreFound(text: String, code: String, part: String) {
    let found = codes(text)
    #expect(found.first == code || found.contains(code), "\(found)")
    guard case .failure(let error) = check(text) else { return }
    #expect(error.rendered().contains(part), "\(error.rendered())")
  }

  static let cpusets: [(String, String)] = [
    ("al", "did you mean `all`?"), ("7", "CPUs 0 to 3"), ("3-1", "names no CPUs"),
    ("node:5", "no CPU belongs to node 5"), ("nod:0", "did you mean `node:0`?"),
    ("{count: 9}", "9 CPUs asked"), ("{share: 0%}", "more than 0%"), ("{node: 7}", "node 7"),
    ("[]", "is empty"), ("[others]", "stands alone"), ("{}", ""), ("{cuont: 2}", "`count`"),
  ]

  @Test(arguments: cpusets)
  func badCPUSetsAreFound(set: String, part: String) {
    let text = "scenario: 1\nthreads:\n  - {name: t, on: \(set), steps: [work: 1ns]}"
    guard case .failure(let error) = check(text) else {
      #expect(part.isEmpty)
      return
    }
    #expect(error.diagnostics[0].span?.line == 3)
    #expect(error.rendered().contains(part), "\(error.rendered())")
  }

  /// Goal: one run of the checker tells everything, from top to bottom.
  @Test func allErrorsAtOnce() {
    let text = """
      scenario: 1
      titel: x
      kernel: "9.9"
      costs: none
      threads:
        - name: t
          on: node:9
          loop:
            - kmaloc: {size: 1}
            - kmalloc: {size: 1, gfp: GFP_X, as: a}
            - kfree: b
      run: {duration: 5}
      expect:
        - latency.kmalloc.p98 < 2us
        - violations = 0
      """
    guard case .failure(let error) = check(text) else {
      Issue.record("no error")
      return
    }
    let places = error.diagnostics.compactMap(\.span?.line)
    #expect(places == places.sorted())
    #expect(
      error.diagnostics.map(\.code) == [
        "S109", "S119", "S120", "S117", "S116", "S112", "S104", "S114", "S112", "S124", "S123",
      ])
    #expect(error.rendered().hasSuffix("11 errors; `kmemu explain CODE` says more"))
  }

  @Test func loopsTakeTimeAndRunsEnd() {
    func loop(_ loop: String, _ run: String = "run: {duration: 1ms}") -> [String] {
      codes("scenario: 1\nthreads:\n  - {name: t, on: all, loop: \(loop)}\n\(run)")
    }
    #expect(loop("[work: 1ns]") == [])
    #expect(loop("[work: 1ns]", "") == ["S127"])
    #expect(loop("[work: 0ns]") == ["S127"])
    #expect(loop("[]") == ["S127"])
    #expect(loop("[count: c]") == ["S127"])
    #expect(loop("[{choose: [{weight: 1, do: [work: 1ns]}, {weight: 1, do: []}]}]") == ["S127"])
    #expect(loop("[{repeat: {times: 5000, do: [count: c]}}, work: 1ns]") == ["S127"])
  }

  @Test func locksStayInTheirLists() {
    let more = "locks: [a, b]"
    #expect(codes(steps("[{lock: a, unlock: a}]", more: more)) == ["S111"])
    #expect(codes(steps("[{lock: a}, {unlock: a}]", more: more)) == [])
    #expect(codes(steps("[{lock: a}, {lock: b}, {unlock: a}, {unlock: b}]", more: more)) == [])
    #expect(codes(steps("[{unlock: a}]", more: more)) == ["S125"])
    let inner = "[{lock: a}, {repeat: {times: 2, do: [{unlock: a}]}}]"
    #expect(codes(steps(inner, more: more)) == ["S125", "S125"])
  }

  /// Every code has an explanation, and none is used twice.
  @Test func codesAreExplained() {
    for code in ErrorCode.allCases { #expect(code.explanation.count > 30, "\(code)") }
    #expect(Set(ErrorCode.allCases.map(\.rawValue)).count == ErrorCode.allCases.count)
  }
}
