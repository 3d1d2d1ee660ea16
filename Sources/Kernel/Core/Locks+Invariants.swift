import Simulation

extension Locks {
  /// Walks all queues of locks, and what each context and sleeping task holds.
  ///
  /// Complexity: O(locks + contexts).
  func checkInvariants(_ tasks: borrowing Tasks) throws(BrokenInvariant) {
    try locks.checkInvariants("locks")
    var waits = Buffer<UInt8>(next.count, 0)
    for index in 0..<locks.highWater {
      let lock = locks[LockID(index)]
      // Sleepers are woken, and then ask again.
      try ensure(
        lock.first.isNone || isTaken(LockID(index)), "lock \(index): a queue, and nobody has it")
      try checkQueue(lock, index, &waits)
      guard !lock.holder.isNone else { continue }
      let isKnown =
        holds(LockID(index), lock.holder)
        || !lock.holderTask.isNone && holds(LockID(index), tasks.all[lock.holderTask])
      try ensure(isKnown, "lock \(index): its holder does not know that it has it")
    }
    for context in 0..<heldCount.count {
      for place in 0..<Int(heldCount[context]) {
        let lock = held[context * Locks.heldMax + place]
        try ensure(
          locks[lock].holder == ContextID(context) || locks[lock].sharers > 0,
          "lock \(lock.index): context \(context) believes that it has it")
      }
    }
  }

  private func checkQueue(
    _ lock: Lock, _ index: Int, _ waits: inout Buffer<UInt8>
  ) throws(BrokenInvariant) {
    var (waiter, last) = (lock.first, ContextID.none)
    while !waiter.isNone {
      try ensure(waits[waiter.index] == 0, "lock \(index): who waits is in two queues")
      waits[waiter.index] = 1
      (last, waiter) = (waiter, next[waiter.index])
    }
    try ensure(last.isNone || last == lock.last, "lock \(index): its queue ends elsewhere")
  }

  private func holds(_ lock: LockID, _ context: ContextID) -> Bool {
    (0..<Int(heldCount[context.index])).contains {
      held[context.index * Locks.heldMax + $0] == lock
    }
  }

  private func holds(_ lock: LockID, _ task: Task) -> Bool {
    (0..<Int(task.heldCount)).contains { task.held[$0] == lock }
  }
}
