import Kernel
import Run
import Testing

@testable import Scenario

/// The steps that take and give up locks: each for its kinds, in its releases, by its own other half.
@Suite struct LockStepTests {
  private func findings(
    _ steps: String, kernel: String = "6.15",
    locks: String = "{s: spinlock, q: raw_spinlock, r: rwlock, m: mutex, w: rwsem, p: local_lock}"
  ) -> String {
    let text = """
      scenario: 1
      kernel: "\(kernel)"
      locks: \(locks)
      threads: [{name: t, on: all, loop: [{work: 100ns}, \(steps)]}]
      run: {duration: 10us}
      """
    switch check(text, Overrides(), machine: "core:2 pu:1") {
    case .success: return ""
    case .failure(let error): return error.rendered()
    }
  }

  @Test(arguments: [
    "{spin_lock: s}, {spin_unlock: s}", "{spin_lock_bh: s}, {spin_unlock_bh: s}",
    "{spin_lock_irqsave: s}, {spin_unlock_irqrestore: s}",
    "{raw_spin_lock_irq: q}, {raw_spin_unlock_irq: q}", "{lock: s}, {unlock: s}",
    "{lock: {lock: q, irqs: off}}, {unlock: q}", "{read_lock: r}, {read_unlock: r}",
    "{write_lock_irqsave: r}, {write_unlock_irqrestore: r}", "{mutex_lock: m}, {mutex_unlock: m}",
    "{down_read: w}, {up_read: w}", "{down_write: w}, {up_write: w}",
    "{local_lock_irqsave: p}, {local_unlock_irqrestore: p}",
    "{spin_trylock: {lock: s, then: [{spin_unlock: s}], else: [{count: busy}]}}",
    "{local_trylock: {lock: p, then: [{local_unlock: p}]}}",
  ])
  func everyStepHasItsLock(steps: String) { #expect(findings(steps) == "") }

  @Test(arguments: [
    ("{spin_lock: m}, {mutex_unlock: m}", "is for a spinlock, and `m` is a mutex"),
    ("{mutex_lock: s}, {spin_unlock: s}", "one says `spin_lock` to a spinlock"),
    ("{lock: r}, {unlock: r}", "is a rwlock"),
    ("{spin_lock_irqsave: s}, {spin_unlock: s}", "given up by `spin_unlock_irqrestore`"),
    ("{read_lock: r}, {write_unlock: r}", "given up by `read_unlock`"),
    ("{up_read: w}", "`down_read` and its `up_read` stand in one list"),
    ("{spin_trylock: {lock: s, then: [{work: 1ns}]}}", "the lock `s` is still held"),
  ])
  func whatDoesNotFitIsSaid(steps: String, said: String) {
    let text = findings(steps)
    #expect(text.contains(said), "\(text)")
  }

  @Test func olderReleasesLackSome() {
    let local = findings(
      "{local_lock: p}, {local_unlock: p}", kernel: "5.4", locks: "{p: local_lock}")
    #expect(local.contains("Linux 5.4 has no local_lock") && local.contains("it came with 5.8"))
    let tries = findings("{local_trylock: {lock: p, then: [{local_unlock: p}]}}", kernel: "6.12")
    #expect(tries.contains("Linux 6.12 has no local_trylock"))
    let kind = findings("{work: 1ns}", locks: "{s: spinlok}")
    #expect(kind.contains("did you mean `spinlock`?"), "\(kind)")
  }
}
