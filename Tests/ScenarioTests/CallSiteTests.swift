import Kernel
import Run
import Testing

@testable import Scenario

/// What a run says by call site, and of what it leaks.
@Suite struct CallSiteTests {
  private func run(
    _ text: String, machine: String = "pu:1", runsAhead: Bool = true
  ) throws -> RunResult {
    let checked = try check(text, machine: machine).get()
    var options = RunOptions()
    options.runsAhead = runsAhead
    var runner = Runner(checked.plan, options: options)
    runner.run(drain: { _ in }, shouldStop: { _, _ in false })
    let broken = runner.machine.checkInvariants()
    #expect(broken == nil)
    let result = checked.judge(runner.result(wallS: 1))
    for expectation in result.expectations { #expect(expectation.held, "\(expectation)") }
    return result
  }

  @Test("a site has what it asked for, what it wasted, what it leaked, by its name")
  func one() throws {
    let result = try run(
      """
      scenario: 1
      threads:
        - name: t
          on: first
          slots: {name: pool, count: 8}
          steps:
            - kmalloc: {size: 100B, as: a, site: small}
            - kmalloc: {size: 100B, as: b, site: small}
            - kmalloc: {size: 9KiB, as: c, site: large}
            - kvmalloc: {size: 64KiB, as: d}
            - krealloc: {object: a, size: 120B, site: small}
            - krealloc: {object: a, size: 1KiB, site: grown}
            - forget: b
            - kfree: c
            - kfree_rcu: d
      run: {duration: 1ms}
      expect:
        - sites.small.requested == 320B
        - sites.small.wasted == 64B
        - sites.large.allocated == 16KiB
        - sites.large.wasted == 7KiB
        - sites.small.leaked == 1
        - sites.grown.live == 1
        - sites.grown.leaked == 0
        - sites.large.frees == 1
        - sites.large.live == 0
        - violations.leak == 1
      """)
    let unnamed = try #require(result.callSites.first { $0.name == "t:10" })
    #expect(unnamed.requestedBytes == 65536 && unnamed.frees == 1 && unnamed.liveObjects == 0)
    let leak = try #require(result.violations.first)
    #expect(leak.kind == "leak" && leak.message.contains("small"))
    let small = try #require(result.callSites.first { $0.name == "small" })
    #expect(small.newSlabs == 1 && small.slowPath == 1)
  }

  @Test("running ahead changes no figure of a site", arguments: ["slub-remote-storm", "leak-hunt"])
  func ahead(name: String) throws {
    let text = try #require(Scenarios.bundled.first { $0.name == name }).text
      .replacing("duration: 2ms", with: "duration: 200us")
      .replacing("duration: 500us", with: "duration: 100us")
    let machine = "package:2 numa:1 core:2 pu:1"
    let (a, b) = (
      try run(text, machine: machine), try run(text, machine: machine, runsAhead: false)
    )
    #expect(a.fingerprint == b.fingerprint)
    #expect("\(a.callSites)" == "\(b.callSites)")
    #expect(!a.callSites.isEmpty)
  }

  @Test("without a name no site is followed, and nothing is a leak")
  func off() throws {
    let result = try run(
      """
      scenario: 1
      threads:
        - name: t
          on: first
          steps: [kmalloc: {size: 100B, as: a}, forget: a]
      expect: [violations == 0]
      """)
    #expect(result.callSites.isEmpty)
  }
}
