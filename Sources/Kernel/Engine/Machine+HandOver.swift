import Hardware
import Simulation

/// How a spinlock that is waited for passes from CPU to CPU: what the line of its word does.
///
/// A release stores into the word, and who polls its line reads it again: the store, the end of his
/// copy and his new one are the one line transfer that is measured between cores, and that a cost file
/// has. How many poll is what the kinds differ in: all who wait for a
/// ticket or a test-and-set lock, at most two of those who wait for a queued one. So nothing here is
/// done once for each waiter, and a hand-over among thousands costs the emulator what one among two
/// does.
///
/// Kernel: `queued_spin_lock_slowpath()` (kernel/locking/qspinlock.c, 6.12), `__ticket_spin_lock()`
/// (arch/x86/include/asm/spinlock.h, 3.10), `__raw_spin_lock()` (include/asm-x86/spinlock_64.h,
/// 2.6.24). Not modelled: the word polled anew at each arrival at a ticket lock; a fifth node of a
/// CPU, which cannot be needed here; a release and an acquisition that meet without a waiter; locks
/// of guests (`pv_queued_spin_lock_slowpath()`, `virt_spin_lock()`).
extension Machine {
  /// The atomic operation with which `waiter` finds `lock` taken, and where it polls from then on.
  mutating func arrive(at lock: LockID, _ waiter: ContextID) {
    let (line, cpu) = (world.locks.locks[lock].line, waiter.cpu.index)
    let waiting = world.locks.locks[lock].depth
    if waiting == 0 { world.lines.forgetPollers(line) }
    let here = world.lines.claimPolled(line, by: cpu, at: now, world.layout)
    guard world.locks.discipline(of: lock) == .queued else {
      return world.lines.poll(line, by: cpu, world.layout)
    }
    if waiting == 0 {
      world.locks.locks[lock].hasPending = true
    } else if waiting == 1, world.locks.locks[lock].hasPending {
      world.locks.locks[lock].headPollsFrom = here
    } else {
      return  // on a line of its own
    }
    world.lines.poll(line, by: cpu, world.layout)
  }

  /// `heir`, out of the queue already, gets `lock` from `cpu`. Returns: when it knows.
  mutating func pass(_ lock: LockID, from cpu: CPUID, to heir: ContextID) -> Instant {
    if world.node(of: cpu) != world.node(of: heir.cpu) { world.locks.locks[lock].crossNode += 1 }
    let line = world.locks.locks[lock].line
    // Operations of newcomers that came before the store are done before it.
    let stored = max(now, world.lines.freeFrom(line))
    switch world.locks.discipline(of: lock) {
    case .queued: return passQueued(lock, line, stored, from: cpu, to: heir)
    case .ticket: return passTicket(lock, line, stored, from: cpu, to: heir)
    case .testAndSet: return passAny(lock, line, stored, from: cpu, to: heir)
    }
  }

  /// The second has spun on the word itself, and so has the head of the queue. Who was promoted to
  /// be the head polls the word from `headPollsFrom` on: he was told by a store to his own node's line,
  /// while his predecessor had the lock.
  private mutating func passQueued(
    _ lock: LockID, _ line: LineID, _ stored: Instant, from cpu: CPUID, to heir: ContextID
  ) -> Instant {
    let wasPending = world.locks.locks[lock].hasPending
    let seen = wasPending ? stored : max(stored, world.locks.locks[lock].headPollsFrom)
    let here = seen + price(from: cpu, to: heir.cpu)
    world.locks.locks[lock].hasPending = false
    // He marks the word as taken; nobody waits for that store.
    world.lines.handTo(line, heir.cpu.index, at: here)
    let next = world.locks.locks[lock].first
    guard !next.isNone else { return here }
    if !wasPending {
      world.locks.locks[lock].headPollsFrom = here + price(from: heir.cpu, to: next.cpu)
    }
    world.lines.poll(line, by: next.cpu.index, world.layout)
    return here
  }

  /// What one CPU writes for another that polls. Contexts of one CPU never meet here.
  private func price(from cpu: CPUID, to other: CPUID) -> Duration {
    world.layout.linePrice(from: cpu.index, to: other.index)
  }

  /// All who wait for the word read it again, and one of them finds his number: he comes after a random
  /// part of his domain's readers.
  private mutating func passTicket(
    _ lock: LockID, _ line: LineID, _ stored: Instant, from cpu: CPUID, to heir: ContextID
  ) -> Instant {
    let readers = Int(world.locks.locks[lock].depth) + 1
    let domains = world.lines.pollingDomains(line)
    let place = world.locks.stream.below((readers + domains - 1) / domains)
    let here = world.lines.write(
      line, by: cpu.index, at: stored, for: heir.cpu.index, place: place, of: readers,
      world.layout)
    if readers == 1 { world.lines.forgetPollers(line) }
    return here
  }

  /// All who wait read the word again. The first of them to write it has it; those who read it while
  /// his write was on its way write it for nothing.
  private mutating func passAny(
    _ lock: LockID, _ line: LineID, _ stored: Instant, from cpu: CPUID, to heir: ContextID
  ) -> Instant {
    let readers = Int(world.locks.locks[lock].depth) + 1
    let oneWay = price(from: cpu, to: heir.cpu)
    let inTime =
      world.lines.pollingDomains(line) * world.lines.readsDuring(oneWay, world.layout)
    let here = world.lines.claimPolled(
      line, by: heir.cpu.index, at: stored + oneWay, world.layout)
    world.lines.occupy(line, for: oneWay * Int32(min(readers - 1, inTime)))
    if readers == 1 { world.lines.forgetPollers(line) }
    return here
  }
}
