import Hardware
import Simulation

/// All locks, and the queue node of each context (the kernel has four a CPU, for the same use).
///
/// Mechanism: it knows the order of owners, what each context holds, and lockdep's two rules. It
/// knows no time but what its statistics are told. Invariants:
/// 1. who waits is in one queue, and only a held lock has a queue;
/// 2. a context holds what it acquired and did not release, at most `heldMax` locks;
/// 3. `after[A]` has the bit of class B once B was taken while A was held, or C was, after which B is.
package struct Locks: ~Copyable {
  /// Locks one context may hold at a time.
  static let heldMax = 8

  package internal(set) var locks: Pool<Lock>
  var next: Buffer<ContextID>
  /// For each context, the locks it holds, bottom first, and how many.
  var held: Buffer<LockID>
  var heldCount: Buffer<UInt8>
  /// Lockdep: classes taken while a class was held, one bit each; and the irq use of each class.
  var after: Buffer<UInt64>
  var takenInHardIRQ: UInt64
  var takenWithIRQsOn: UInt64
  /// Classes whose irq use was reported.
  private var reportedUse: UInt64
  /// What each context spins for, from asking to handing over.
  var awaited: Buffer<LockID>
  /// The next lock of the workload gets this class; the last one is shared by all after it.
  private var nextOrder: UInt8
  package private(set) var names: LockNames
  /// How this release's spinlocks pass from CPU to CPU on this architecture.
  let spinlock: LockRules.Spinlock
  let rules: LockRules
  /// Which of those that spin want a lock together with other readers.
  var isReader: Buffer<Bool>
  /// CONFIG_PREEMPT_RT: spinlocks that are not raw sleep.
  let isRT: Bool
  /// Who wins where nothing orders those who wait.
  var stream: RandomStream

  init(
    contextCount: Int, _ rules: LockRules = KernelVersion.standard.locks,
    on architecture: Architecture.Name = .x86_64, isRT: Bool = false, seed: UInt64 = 1
  ) {
    self.isRT = isRT
    self.rules = rules
    spinlock = rules.spinlock(on: architecture)
    stream = RandomStream(seed: seed, name: "locks", index: 0)
    let blank = Lock(name: 0, lockClass: .workload, kind: .spinlock, order: 0, line: .none)
    locks = Pool(capacity: 256, blank: blank)
    next = Buffer(contextCount, .none)
    isReader = Buffer(contextCount, false)
    held = Buffer(contextCount * Locks.heldMax, .none)
    heldCount = Buffer(contextCount, 0)
    after = Buffer(64, 0)
    (takenInHardIRQ, takenWithIRQsOn, reportedUse) = (0, 0, 0)
    awaited = Buffer(contextCount, .none)
    nextOrder = UInt8(LockClass.allCases.count)
    names = LockNames()
  }

  private init(cloning other: borrowing Locks) {
    locks = other.locks.clone()
    next = other.next.clone()
    held = other.held.clone()
    heldCount = other.heldCount.clone()
    after = other.after.clone()
    (takenInHardIRQ, takenWithIRQsOn) = (other.takenInHardIRQ, other.takenWithIRQsOn)
    (reportedUse, nextOrder) = (other.reportedUse, other.nextOrder)
    awaited = other.awaited.clone()
    names = other.names
    isReader = other.isReader.clone()
    isRT = other.isRT
    (spinlock, rules, stream) = (other.spinlock, other.rules, other.stream)
  }
  func clone() -> Locks { Locks(cloning: self) }

  /// A new lock with a line of its own. `name` is what reports and timelines show.
  package mutating func make(
    _ lockClass: LockClass, name: String, lines: inout CacheLines, node: Int = 0,
    kind: LockKind? = nil
  ) -> LockID {
    let line = lines.make(node: node)
    var order = lockClass.rawValue
    if lockClass == .workload {
      order = nextOrder
      nextOrder = min(nextOrder + 1, 63)
    }
    return locks.take(
      Lock(
        name: names.add(name), lockClass: lockClass, kind: effective(kind ?? lockClass.kind),
        order: order,
        line: line))
  }

  /// A new lock on a line that is there, with a name of `addName`: one of many alike.
  mutating func make(_ lockClass: LockClass, named name: Int32, line: LineID) -> LockID {
    locks.take(
      Lock(
        name: name, lockClass: lockClass, kind: effective(lockClass.kind),
        order: lockClass.rawValue,
        line: line))
  }

  /// Another lock of the same name, kind and class, for another CPU.
  mutating func makeLike(_ lock: LockID, _ lines: inout CacheLines) -> LockID {
    let like = locks[lock]
    return locks.take(
      Lock(
        name: like.name, lockClass: like.lockClass, kind: like.kind, order: like.order,
        line: lines.make()))
  }

  private func effective(_ kind: LockKind) -> LockKind { isRT ? kind.onRT : kind }

  /// Gives a lock back that nobody holds.
  package mutating func give(_ lock: LockID, lines: inout CacheLines) {
    precondition(locks[lock].holder.isNone, "a lock is given back while held")
    lines.give(locks[lock].line)
    locks.give(lock)
  }

  /// A name that is no lock's, for trace events: one table of names numbers all.
  mutating func addName(_ name: String) -> Int32 { names.add(name) }

  package func name(of lock: LockID) -> String { names.all[Int(locks[lock].name)] }

  /// What `context` spins for, else the lock that it took last of those it holds.
  func innermost(of context: ContextID) -> LockID {
    if !awaited[context.index].isNone { return awaited[context.index] }
    let count = Int(heldCount[context.index])
    return count > 0 ? held[context.index * Locks.heldMax + count - 1] : .none
  }

  @inline(__always) package func isHeld(_ lock: LockID) -> Bool { !locks.items[lock].holder.isNone }

  /// Whether a context of `cpu` holds `lock`: the proof that a list may be edited.
  package func isHeld(_ lock: LockID, on cpu: CPUID) -> Bool {
    let holder = locks.items[lock].holder
    return !holder.isNone && holder.cpu == cpu
  }

  /// Takes `lock` if it is free. Returns: whether it was taken.
  @inline(__always)
  mutating func take(_ lock: LockID, by taker: ContextID, at now: Instant) -> Bool {
    guard locks.items[lock].holder.isNone else { return false }
    own(lock, taker, at: now)
    return true
  }

  @inline(__always)
  mutating func own(_ lock: LockID, _ owner: ContextID, at now: Instant) {
    locks.items[lock].holder = owner
    locks.items[lock].acquiredAt = now
    locks.items[lock].acquisitions &+= 1
    push(lock, onto: owner)
  }

  /// `owner` has one lock more.
  @inline(__always)
  mutating func push(_ lock: LockID, onto owner: ContextID) {
    let count = Int(heldCount[owner.index])
    precondition(count < Locks.heldMax, "one context holds more locks than there is room for")
    held[owner.index &* Locks.heldMax &+ count] = lock
    heldCount[owner.index] = UInt8(count &+ 1)
  }

  /// Joins the queue of `lock`, at its end or before all others.
  mutating func enqueue(_ waiter: ContextID, for lock: LockID, first isFirst: Bool = false) {
    awaited[waiter.index] = lock
    next[waiter.index] = .none
    if isFirst, !locks.items[lock].first.isNone {
      next[waiter.index] = locks.items[lock].first
      locks.items[lock].first = waiter
      return
    }
    if locks.items[lock].first.isNone {
      locks.items[lock].first = waiter
    } else {
      next[locks.items[lock].last.index] = waiter
    }
    locks.items[lock].last = waiter
  }

  /// One more waits.
  mutating func noteContention(_ lock: LockID) {
    locks.items[lock].contended += 1
    locks.items[lock].depth += 1
    locks.items[lock].depthMax = max(locks.items[lock].depthMax, locks.items[lock].depth)
  }

  /// Gives a spinlock up. Returns: who has it now, `none` when nobody waited.
  @inline(__always)
  mutating func release(_ lock: LockID, by holder: ContextID, at now: Instant) -> ContextID {
    drop(lock, holder, at: now)
    guard !locks.items[lock].first.isNone else { return .none }
    let heir = takeWinner(of: lock)
    own(lock, heir, at: now)
    return heir
  }

  /// How `lock`, a spinlock, passes on: a lock bit is a bit that is set in all releases. Kernel:
  /// `bit_spin_lock()` (include/linux/bit_spinlock.h, 2.6.24).
  func discipline(of lock: LockID) -> LockRules.Spinlock {
    locks[lock].lockClass == .slabLock ? .testAndSet : spinlock
  }

  /// Takes out of the queue of a spinlock who gets it: the first, or with test-and-set any.
  @inline(never)
  private mutating func takeWinner(of lock: LockID) -> ContextID {
    var before = ContextID.none
    var winner = locks[lock].first
    if discipline(of: lock) == .testAndSet {
      for _ in 0..<stream.below(Int(locks[lock].depth)) {
        (before, winner) = (winner, next[winner.index])
      }
    }
    unlink(winner, behind: before, from: lock)
    return winner
  }

  /// Takes `waiter` out of the queue of `lock`. `before` is the one before it, if any.
  mutating func unlink(_ waiter: ContextID, behind before: ContextID, from lock: LockID) {
    if before.isNone {
      locks[lock].first = next[waiter.index]
    } else {
      next[before.index] = next[waiter.index]
    }
    if locks[lock].last == waiter { locks[lock].last = before }
    awaited[waiter.index] = .none
    locks[lock].depth -= 1
    locks[lock].wasHanded = true
  }

  @inline(__always)
  mutating func drop(_ lock: LockID, _ holder: ContextID, at now: Instant) {
    precondition(locks.items[lock].holder == holder, "released by one who does not hold it")
    locks.items[lock].holder = .none
    locks.items[lock].wasHanded = false
    let length = now - locks.items[lock].acquiredAt
    locks.items[lock].holdTotal += length
    if length > locks.items[lock].holdMax { locks.items[lock].holdMax = length }
    pop(lock, of: holder)
  }

  /// `holder` has one lock less, of those it has the last it took or any other.
  @inline(__always)
  mutating func pop(_ lock: LockID, of holder: ContextID) {
    var place = Int(heldCount[holder.index]) &- 1
    let base = holder.index &* Locks.heldMax
    var above = held[base &+ place]
    while above != lock {
      place &-= 1
      swap(&above, &held[base &+ place])
    }
    heldCount[holder.index] &-= 1
  }

  /// Notes that a wait for `lock` took `length`.
  mutating func noteWait(_ lock: LockID, _ length: Duration) {
    locks.items[lock].waitTotal += length
    if length > locks.items[lock].waitMax { locks.items[lock].waitMax = length }
  }

  /// What lockdep has to say about taking a lock.
  package enum Finding { case order, irqUse }

  /// Lockdep's rules for taking `lock` now; one who only tries cannot wait, so his being in a hardirq
  /// is no use of it. Returns: the rule that it breaks, seen for the first time for this pair of
  /// classes, or this class.
  @inline(__always)
  mutating func check(
    _ lock: LockID, by taker: ContextID, irqsOn: Bool, inHardIRQ: Bool
  ) -> Finding? {
    // A lock bit is nothing that lockdep knows of.
    guard locks.items[lock].order != LockClass.slabLock.rawValue else { return nil }
    let bit: UInt64 = 1 << UInt64(locks.items[lock].order)
    if inHardIRQ { takenInHardIRQ |= bit } else if irqsOn { takenWithIRQsOn |= bit }
    if takenInHardIRQ & takenWithIRQsOn & bit & ~reportedUse != 0 {
      reportedUse |= bit
      return .irqUse
    }
    guard heldCount[taker.index] != 0 else { return nil }
    return checkOrder(lock, taker, bit)
  }

  private mutating func checkOrder(
    _ lock: LockID, _ taker: ContextID, _ bit: UInt64
  ) -> Finding? {
    var broken: Finding?
    let mine = Int(locks.items[lock].order)
    for place in 0..<Int(heldCount[taker.index]) {
      let other = locks.items[held[taker.index * Locks.heldMax + place]].order
      guard Int(other) != mine, after[Int(other)] & bit == 0 else { continue }
      if after[mine] & 1 << UInt64(other) != 0 { broken = .order }
      // What a hardirq takes must not wait for what is taken with interrupts on.
      if takenInHardIRQ >> UInt64(other) & 1 == 1, takenWithIRQsOn & bit != 0 { broken = .irqUse }
      let reach = after[mine] | bit
      for before in 0..<64 where before == Int(other) || after[before] >> UInt64(other) & 1 == 1 {
        after[before] |= reach
      }
    }
    return broken
  }

  /// Books holds that go on at `end`, as far as they have come. Who was given a lock and is on his
  /// way to it waits until he is there.
  mutating func settleHolds(at end: Instant) {
    for index in 0..<locks.highWater where isTaken(LockID(index)) {
      let lock = LockID(index)
      let since = locks.items[lock].acquiredAt
      guard since < end else {
        if locks.items[lock].wasHanded {
          locks.items[lock].waitTotal = locks.items[lock].waitTotal - (since - end)
        }
        continue
      }
      locks.items[lock].holdTotal += end - since
      locks.items[lock].holdMax = max(locks.items[lock].holdMax, end - since)
      locks.items[lock].acquiredAt = end
    }
  }

  /// Forgets how often and how long, from `now` on; who holds and waits stays, and who waits counts
  /// as doing so.
  mutating func resetStatistics(at now: Instant) {
    for index in 0..<locks.highWater {
      let lock = LockID(index)
      locks[lock].acquisitions = 0
      locks[lock].contended = UInt64(locks[lock].depth)
      locks[lock].depthMax = locks[lock].depth
      locks[lock].crossNode = 0
      (locks[lock].waitTotal, locks[lock].waitMax) = (.zero, .zero)
      (locks[lock].holdTotal, locks[lock].holdMax) = (.zero, .zero)
      if locks[lock].wasHanded, locks[lock].acquiredAt > now {
        locks[lock].waitTotal = locks[lock].acquiredAt - now
      }
    }
  }

  /// Unit: bytes of the host.
  var byteCount: Int {
    locks.byteCount + next.byteCount + held.byteCount + heldCount.byteCount + after.byteCount
  }

  /// How many locks a context holds.
  @inline(__always) func count(heldBy context: ContextID) -> Int { Int(heldCount[context.index]) }
}

/// Names of locks: many locks, few names a run, never looked up on a hot path.
package struct LockNames: Sendable {
  package private(set) var all: [String] = []
  mutating func add(_ name: String) -> Int32 {
    all.append(name)
    return Int32(all.count - 1)
  }
}
