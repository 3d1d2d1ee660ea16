import Kernel

/// Steps that take and give up locks.
extension Body {
  /// A lock that is held: by which word, and so by which other it is given up.
  struct HeldLock {
    var lock: Int
    var irqs: IRQs
    var reads: Bool
    /// As its scenario calls it.
    var name: String
    /// The step that gives it up.
    var giver: String
  }

  /// `lock` and `unlock`: a spinlock, interrupts as the step says.
  func lock(_ fields: Tree) -> Bool {
    var irqs = IRQs.kept
    if let tree = fields["irqs"],
      let word = reading.word(tree, "irqs", among: ["off", "kept"]), word == "off"
    {
      irqs = .off
    }
    let word = LockWord(
      name: "lock", action: .take, kinds: [.spinlock, .rawSpinlock], irqs: irqs)
    return take(word, fields, giver: "unlock")
  }

  func unlock(_ fields: Tree) -> Bool { give("unlock", fields) }

  /// A step in the kernel's spelling.
  func lockStep(_ word: LockWord, _ fields: Tree, _ span: Span) -> Bool {
    checkRelease(word, span)
    return switch word.action {
    case .take: take(word, fields, giver: word.other)
    case .give: give(word.name, fields)
    case .tryToTake: tryToTake(word, fields)
    }
  }

  private func checkRelease(_ word: LockWord, _ span: Span) {
    guard let version = builder.version, word.kinds == [.localLock] else { return }
    let (has, since) =
      word.action == .tryToTake
      ? (version.locks.hasLocalTryLock, "6.15") : (version.locks.hasLocalLock, "5.8")
    guard !has else { return }
    findings.add(
      .kernel, "Linux \(version.name) has no \(word.name)", at: span,
      label: "it came with \(since)", notes: ["`preempt_disable` does what it does since"])
  }

  /// The lock that a step names, if it is of a kind that the step is for.
  private func lock(_ word: LockWord, _ fields: Tree) -> Int? {
    guard let tree = fields["lock"], let lock = builder.lock(tree) else { return nil }
    let kind = builder.program.lockKinds[lock]
    guard word.kinds.contains(kind) else {
      let fitting = LockWord.all.filter { $0.kinds == [kind] && $0.action == word.action }
      findings.add(
        .wrongKind,
        "`\(word.name)` is for a \(word.kinds[0].text), and `\(builder.program.locks[lock])` is a "
          + "\(kind.text)", at: tree.span,
        notes: ["one says `\(fitting.first?.name ?? "lock")` to a \(kind.text)"])
      return nil
    }
    guard heldLocks < ScenarioLimits.locksHeldMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.locksHeldMax) locks held at a time", at: tree.span)
      return nil
    }
    return lock
  }

  private var heldLocks: Int {
    (outerHeld + held).count { if case .lock = $0 { true } else { false } }
  }

  private func take(_ word: LockWord, _ fields: Tree, giver: String) -> Bool {
    guard let lock = lock(word, fields) else { return false }
    emit(
      word.reads ? .lockShared(Int32(lock), irqs: word.irqs) : .lock(Int32(lock), irqs: word.irqs))
    held.append(
      .lock(
        HeldLock(
          lock: lock, irqs: word.irqs, reads: word.reads, name: builder.program.locks[lock],
          giver: giver)))
    return builder.program.lockKinds[lock] != .localLock
  }

  private func give(_ name: String, _ fields: Tree) -> Bool {
    guard let tree = fields["lock"], let lock = builder.lock(tree) else { return false }
    for (place, entry) in held.enumerated().reversed() {
      guard case .lock(let taken) = entry, taken.lock == lock else { continue }
      if taken.giver != name {
        findings.add(
          .unbalanced, "`\(taken.name)` is given up by `\(taken.giver)`", at: tree.span,
          notes: ["what took it has that as its other half"])
      }
      held.remove(at: place)
      giveUp(taken)
      return false
    }
    let taker = LockWord.byName[name]?.other ?? "lock"
    findings.add(
      .unbalanced, "`\(builder.program.locks[lock])` is not taken in this list of steps",
      at: tree.span, notes: ["`\(taker)` and its `\(name)` stand in one list"])
    return false
  }

  func giveUp(_ taken: HeldLock) {
    emit(
      taken.reads
        ? .unlockShared(Int32(taken.lock), irqs: taken.irqs)
        : .unlock(Int32(taken.lock), irqs: taken.irqs))
  }

  /// `then` has the lock from the start, and gives it up.
  private func tryToTake(_ word: LockWord, _ fields: Tree) -> Bool {
    guard let lock = lock(word, fields), let then = fields["then"] else { return false }
    let test = emit(.end)
    let giver =
      LockWord.all.first { $0.action == .give && $0.kinds == word.kinds && !$0.reads }?.name
      ?? "unlock"
    let taken = HeldLock(
      lock: lock, irqs: word.irqs, reads: false, name: builder.program.locks[lock], giver: giver)
    _ = inner(then, "`then`", holding: .lock(taken))
    let skip = emit(.end)
    builder.program.code[test] = .tryLock(Int32(lock), irqs: word.irqs, otherwise: Int32(here))
    if let other = fields["else"] { _ = inner(other, "`else`") }
    builder.program.code[skip] = .jump(Int32(here))
    // To try takes time itself, but not for a CPU's own lock.
    return builder.program.lockKinds[lock] != .localLock
  }
}
