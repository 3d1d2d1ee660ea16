import Kernel

/// The steps that take and give up locks, by the kernel's spelling: which kinds of lock each is for.
package struct LockWord: Sendable {
  package enum Action: Sendable { case take, tryToTake, give }
  package let name: String
  package let action: Action
  package let kinds: [LockKind]
  package var irqs = IRQs.kept
  /// Together with other readers.
  package var reads = false

  /// The step that gives up what this one takes, or that takes what this one gives up.
  package var other = "unlock"

  private static func family(
    _ kinds: [LockKind], _ take: String, _ give: String, _ irqs: IRQs = .kept, reads: Bool = false
  ) -> [LockWord] {
    [
      LockWord(
        name: take, action: .take, kinds: kinds, irqs: irqs, reads: reads, other: give),
      LockWord(
        name: give, action: .give, kinds: kinds, irqs: irqs, reads: reads, other: take),
    ]
  }

  private static func spinning(
    _ kind: LockKind, _ stem: String, _ end: String, reads: Bool = false
  ) -> [LockWord] {
    family([kind], stem + end, stem + "un" + end, reads: reads)
      + family([kind], stem + end + "_irq", stem + "un" + end + "_irq", .off, reads: reads)
      + family(
        [kind], stem + end + "_irqsave", stem + "un" + end + "_irqrestore", .off, reads: reads)
      + family(
        [kind], stem + end + "_bh", stem + "un" + end + "_bh", .bottomHalvesOff, reads: reads)
  }

  /// All but `lock` and `unlock`, which are kmemu's own.
  package static let all: [LockWord] =
    spinning(.spinlock, "spin_", "lock") + spinning(.rawSpinlock, "raw_spin_", "lock")
    + spinning(.rwlock, "read_", "lock", reads: true) + spinning(.rwlock, "write_", "lock")
    + family([.mutex], "mutex_lock", "mutex_unlock")
    + family([.rwsem], "down_read", "up_read", reads: true)
    + family([.rwsem], "down_write", "up_write")
    + family([.localLock], "local_lock", "local_unlock")
    + family([.localLock], "local_lock_irqsave", "local_unlock_irqrestore", .off)
    + [
      LockWord(name: "spin_trylock", action: .tryToTake, kinds: [.spinlock]),
      LockWord(name: "raw_spin_trylock", action: .tryToTake, kinds: [.rawSpinlock]),
      LockWord(name: "write_trylock", action: .tryToTake, kinds: [.rwlock]),
      LockWord(name: "mutex_trylock", action: .tryToTake, kinds: [.mutex]),
      LockWord(name: "down_write_trylock", action: .tryToTake, kinds: [.rwsem]),
      LockWord(name: "local_trylock", action: .tryToTake, kinds: [.localLock]),
    ]

  /// The steps as the language lists them.
  static let steps: [Words.Step] = all.map {
    let tries = $0.action == .tryToTake
    return Words.Step(
      name: $0.name, keys: tries ? ["lock", "then", "else"] : ["lock"],
      required: tries ? ["lock", "then"] : ["lock"], main: tries ? nil : "lock")
  }

  static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}
