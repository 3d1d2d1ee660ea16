import Hardware
import Simulation

/// Locks that several may have at a time: rwlocks and semaphores for readers, a CPU's local lock for
/// the contexts stacked there. One hold of all of them together is booked: from the first to the last.
extension Locks {
  /// Whether anybody has `lock`.
  func isTaken(_ lock: LockID) -> Bool {
    !locks.items[lock].holder.isNone || locks.items[lock].sharers > 0
  }

  /// One more has `lock`.
  mutating func ownShared(_ lock: LockID, _ owner: ContextID, at now: Instant) {
    letIn(lock, at: now)
    push(lock, onto: owner)
  }

  private mutating func letIn(_ lock: LockID, at now: Instant) {
    if locks[lock].sharers == 0 { locks[lock].acquiredAt = now }
    locks[lock].sharers += 1
    locks[lock].acquisitions += 1
  }

  /// One more has `lock`: a task that is off its CPU.
  mutating func letIn(_ task: TaskID, to lock: LockID, _ tasks: inout Tasks, at now: Instant) {
    letIn(lock, at: now)
    push(lock, onto: task, &tasks)
  }

  /// One has it no longer.
  mutating func dropShared(_ lock: LockID, _ owner: ContextID, at now: Instant) {
    precondition(locks[lock].sharers > 0, "given up by a reader that does not have it")
    locks[lock].sharers -= 1
    pop(lock, of: owner)
    guard locks[lock].sharers == 0 else { return }
    let since = locks[lock].acquiredAt
    guard since < now else { return }
    locks[lock].holdTotal += now - since
    locks[lock].holdMax = max(locks[lock].holdMax, now - since)
  }

  // MARK: rwlocks

  /// Takes a rwlock if it may be had now. `mayPass`: even if others wait.
  mutating func takeRWLock(
    _ lock: LockID, by taker: ContextID, reads: Bool, mayPass: Bool, at now: Instant
  ) -> Bool {
    guard locks[lock].holder.isNone, reads || locks[lock].sharers == 0,
      mayPass || locks[lock].first.isNone
    else { return false }
    ownRWLock(lock, taker, reads: reads, at: now)
    return true
  }

  mutating func ownRWLock(_ lock: LockID, _ owner: ContextID, reads: Bool, at now: Instant) {
    if reads { ownShared(lock, owner, at: now) } else { own(lock, owner, at: now) }
  }

  /// Takes out of the queue of a rwlock who may have it now: in a queued one the first, if it may; in
  /// one that only counts any reader, a writer when there is none. Returns: `none` if nobody may.
  mutating func takeRWHeir(of lock: LockID) -> ContextID {
    guard locks[lock].holder.isNone else { return .none }
    var (before, heir) = (ContextID.none, locks[lock].first)
    if rules.rwlock == .counter {
      while !heir.isNone, !isReader[heir.index] { (before, heir) = (heir, next[heir.index]) }
      if heir.isNone { (before, heir) = (.none, locks[lock].first) }
    }
    guard !heir.isNone, isReader[heir.index] || locks[lock].sharers == 0 else { return .none }
    unlink(heir, behind: before, from: lock)
    return heir
  }

  /// Takes a context out of a queue, wherever it stands. Complexity: O(queue).
  mutating func remove(_ waiter: ContextID, from lock: LockID) {
    var (before, place) = (ContextID.none, locks[lock].first)
    while place != waiter { (before, place) = (place, next[place.index]) }
    unlink(waiter, behind: before, from: lock)
    locks[lock].wasHanded = false
  }

  // MARK: Semaphores

  /// Takes a semaphore if a newcomer may have it. A writer may pass those that sleep where writers
  /// spin.
  mutating func takeSemaphore(
    _ lock: LockID, by taker: ContextID, reads: Bool, at now: Instant
  ) -> Bool {
    guard locks[lock].holder.isNone, !locks[lock].handsOff, reads || locks[lock].sharers == 0
    else { return false }
    guard locks[lock].firstTask.isNone || !reads && rules.rwsemSpinning != .none else {
      return false
    }
    ownRWLock(lock, taker, reads: reads, at: now)
    return true
  }
}
