import Hardware
import Simulation

/// Locks that readers have together: rwlocks, which spin, and semaphores, which sleep.
///
/// Kernel: `queued_read_lock_slowpath()`, `queued_write_lock_slowpath()` (kernel/locking/qrwlock.c,
/// 6.12), `__read_lock_failed()` (arch/x86/lib/rwlock_64.S, 2.6.24), `rwsem_down_read_slowpath()`,
/// `rwsem_down_write_slowpath()`, `rwsem_mark_wake()` (kernel/locking/rwsem.c, 6.12). Not modelled:
/// writers that spin on readers for a while (from 5.3), readers that spin (5.3 to 5.10), downgrading.
extension Machine {
  @inline(never)
  mutating func acquireOther(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    switch world.locks.locks[lock].kind {
    case .rwlock: return acquireRWLock(lock, irqs, reads: false, on: cpu)
    case .rwsem: return acquireSemaphore(lock, reads: false, on: cpu)
    case .localLock: return acquireLocal(lock, irqs, on: cpu)
    default: return acquireMutex(lock, on: cpu)
    }
  }

  @inline(never)
  mutating func acquireShared(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    world.locks.locks[lock].kind == .rwlock
      ? acquireRWLock(lock, irqs, reads: true, on: cpu)
      : acquireSemaphore(lock, reads: true, on: cpu)
  }

  @inline(never)
  mutating func releaseOther(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    switch world.locks.locks[lock].kind {
    case .rwlock: return releaseRWLock(lock, irqs, reads: false, on: cpu)
    case .rwsem: return releaseSemaphore(lock, reads: false, on: cpu)
    case .localLock: return releaseLocal(lock, irqs, on: cpu)
    default: return releaseMutex(lock, on: cpu)
    }
  }

  @inline(never)
  mutating func releaseShared(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    world.locks.locks[lock].kind == .rwlock
      ? releaseRWLock(lock, irqs, reads: true, on: cpu)
      : releaseSemaphore(lock, reads: true, on: cpu)
  }

  // MARK: rwlocks

  private mutating func acquireRWLock(
    _ lock: LockID, _ irqs: IRQs, reads: Bool, on cpu: CPUID
  ) -> Reply? {
    // An interrupt's reader waits for no queue: who interrupted it may be a reader.
    let mayPass =
      world.locks.rules.rwlock == .counter || reads && world.cpus[cpu].preemptCount.inInterrupt
    mask(irqs, on: cpu)
    let context = cpu.context(world.cpus[cpu].depth)
    check(lock, context, isSure: !reads)
    if world.locks.takeRWLock(lock, by: context, reads: reads, mayPass: mayPass, at: now) {
      claimShared(lock, on: cpu)
    } else {
      world.locks.isReader[context.index] = reads
      wait(for: lock, context)
    }
    return nil
  }

  /// As `claim`, but a hold begins with the first reader.
  private mutating func claimShared(_ lock: LockID, on cpu: CPUID) {
    if world.locks.locks[lock].sharers <= 1 { return claim(lock, on: cpu) }
    let line = world.locks.locks[lock].line
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    mix(cpu, here, 4)
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  private mutating func releaseRWLock(
    _ lock: LockID, _ irqs: IRQs, reads: Bool, on cpu: CPUID
  ) -> Reply? {
    let context = cpu.context(world.cpus[cpu].depth)
    dropShared(lock, context, reads: reads)
    // A reader leaves by an atomic operation, a writer by a store.
    let line = world.locks.locks[lock].line
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    while true {
      let heir = world.locks.takeRWHeir(of: lock)
      guard !heir.isNone else { break }
      let reads = world.locks.isReader[heir.index]
      world.locks.ownRWLock(lock, heir, reads: reads, at: now)
      handOverShared(lock, from: cpu, to: heir)
      if !reads { break }
    }
    world.cpus[cpu].preemptCount.subtract(PreemptCount.preemption)
    return unmask(irqs, on: cpu, readyAt: reads ? here : nil)
  }

  /// Ends a hold; of readers, that of the last one.
  private mutating func dropShared(_ lock: LockID, _ context: ContextID, reads: Bool) {
    let isLast = !reads || world.locks.locks[lock].sharers == 1
    if world.probe.isOn, isLast { traceHold(.lockHoldEnd, lock, context.cpu, at: now) }
    if reads {
      world.locks.dropShared(lock, context, at: now)
    } else {
      world.locks.drop(lock, context, at: now)
    }
  }

  private mutating func handOverShared(_ lock: LockID, from cpu: CPUID, to heir: ContextID) {
    if world.node(of: cpu) != world.node(of: heir.cpu) { world.locks.locks[lock].crossNode += 1 }
    let line = world.locks.locks[lock].line
    let here =
      world.lines.claim(line, by: heir.cpu.index, at: now, world.layout) + costs[.lockHandOff]
    let isFirst = world.locks.locks[lock].sharers <= 1
    if isFirst { world.locks.locks[lock].acquiredAt = here }
    world.locks.locks[lock].wasHanded = false
    world.locks.noteWait(lock, here - contexts[heir].waitingSince)
    mix(cpu, here, 7)
    if world.probe.isOn {
      traceWait(.lockWaitEnd, lock, heir.cpu, waiter: heir.index, at: here)
      if isFirst { traceHold(.lockHoldBegin, lock, heir.cpu, at: here) }
    }
    endWait(of: heir, at: here)
  }

  // MARK: Semaphores

  private mutating func acquireSemaphore(
    _ lock: LockID, reads: Bool, on cpu: CPUID
  ) -> Reply? {
    let (context, task) = (cpu.context(world.cpus[cpu].depth), world.cpus[cpu].current)
    let isOfTask = world.cpus[cpu].depth == 0 && !task.isNone
    if isOfTask, world.tasks.all[task].awaits == lock {
      guard reads else { return acquireMutex(lock, on: cpu) }
      return askAgainToRead(lock, task, on: cpu)
    }
    if !contexts[context].polls {
      world.mightSleep(on: cpu, "a semaphore may only be taken where the task may sleep")
      if world.hasComplaint { completeComplaints(on: cpu) }
      check(lock, context, isSure: true)
    }
    if world.locks.takeSemaphore(lock, by: context, reads: reads, at: now) {
      contexts[context].polls = false
      if !reads { world.locks.locks[lock].holderTask = task }
      claimShared(lock, on: cpu)
      return nil
    }
    guard world.cpus[cpu].maySleep else {
      pollMutex(lock, context, reads: reads)
      return nil
    }
    beginWait(for: lock, task, on: cpu)
    waitForSemaphore(lock, task, reads: reads, on: cpu)
    return nil
  }

  /// A writer spins while the owner runs, in releases that spin; everybody else sleeps.
  mutating func waitForSemaphore(_ lock: LockID, _ task: TaskID, reads: Bool, on cpu: CPUID) {
    let isListed = world.tasks.all[task].isListed
    let waited = now - world.tasks.all[task].waitingSince
    if isListed, !reads, world.locks.rules.rwsemHandsOff, waited >= Machine.rwsemPatience {
      world.locks.locks[lock].handsOff = true
    }
    let owner = world.locks.locks[lock].holderTask
    let ownerRuns =
      !owner.isNone && world.tasks.all[owner].state == .running
      && world.cpus[world.tasks.all[owner].cpu].current == owner
    if !reads, !isListed, world.locks.rules.rwsemSpinning != .none, ownerRuns,
      !world.locks.locks[lock].handsOff, !world.cpus[cpu].wantsSwitch
    {
      return spin(for: lock, task, on: cpu)
    }
    sleep(for: lock, task, reads: reads, on: cpu)
  }

  /// How long the first waiter lets others pass him. Kernel: `RWSEM_WAIT_TIMEOUT`, `HZ/250` rounded
  /// up, at HZ=250.
  static var rwsemPatience: Duration { .nanoseconds(4_000_000) }

  /// A reader that was woken has the semaphore: who wakes readers lets them in.
  private mutating func askAgainToRead(
    _ lock: LockID, _ task: TaskID, on cpu: CPUID
  ) -> Reply? {
    guard world.tasks.all[task].isListed else {
      world.tasks.all[task].awaits = .none
      return Reply.none
    }
    sleep(for: lock, task, reads: true, on: cpu)
    return nil
  }

  private mutating func releaseSemaphore(
    _ lock: LockID, reads: Bool, on cpu: CPUID
  ) -> Reply? {
    let context = cpu.context(world.cpus[cpu].depth)
    dropShared(lock, context, reads: reads)
    if !reads { world.locks.locks[lock].holderTask = .none }
    let line = world.locks.locks[lock].line
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    guard world.locks.locks[lock].sharers == 0 else { return afterAtomic(here, on: cpu) }
    let first = world.locks.locks[lock].firstTask
    if !first.isNone, world.tasks.all[first].reads, world.locks.locks[lock].first.isNone {
      return letReadersIn(lock, from: cpu)
    }
    if !world.locks.locks[lock].first.isNone, !world.locks.locks[lock].handsOff || first.isNone {
      passToSpinner(lock, from: cpu, to: world.locks.locks[lock].first)
      return afterAtomic(here, on: cpu)
    }
    guard !first.isNone else { return afterAtomic(here, on: cpu) }
    return passOn(lock, from: cpu)
  }

  private mutating func afterAtomic(_ here: Instant, on cpu: CPUID) -> Reply? {
    mix(cpu, here, 4)
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
    return nil
  }

  /// Readers a release lets in at most. Kernel: `MAX_READERS_WAKEUP` (kernel/locking/rwsem.c, 5.3).
  static var readersLetIn: Int { 256 }

  /// Lets the readers in that wait before the next writer, and wakes them.
  private mutating func letReadersIn(_ lock: LockID, from cpu: CPUID) -> Reply? {
    var count: Int32 = 0
    while count < Int32(Machine.readersLetIn) {
      let task = world.locks.locks[lock].firstTask
      guard !task.isNone, world.tasks.all[task].reads else { break }
      world.locks.leave(lock, task, &world.tasks)
      endWait(for: lock, task, at: now)
      world.tasks.all[task].awaits = lock
      world.locks.letIn(task, to: lock, &world.tasks, at: now)
      if count == 0, world.probe.isOn {
        traceHold(.lockHoldBegin, lock, world.tasks.all[task].cpu, at: now)
      }
      _ = wake(task, from: cpu)
      count += 1
    }
    world.locks.locks[lock].handsOff = false
    schedule(
      cpu, at: now + world.runAhead.price(.wakeUp, count), .computing,
      as: base(cpu) == .workload ? .scheduler : base(cpu))
    return nil
  }

  // MARK: Local locks

  /// A CPU's own lock: preemption or interrupts go off, and nobody else can want it.
  ///
  /// Kernel: `local_lock()`, `local_trylock()` (include/linux/local_lock_internal.h; 6.12, 6.18).
  private mutating func acquireLocal(
    _ lock: LockID, _ irqs: IRQs, isSure: Bool = true, on cpu: CPUID
  ) -> Reply? {
    maskLocally(irqs, on: cpu)
    let context = cpu.context(world.cpus[cpu].depth)
    check(lock, context, isSure: isSure)
    if world.probe.isOn, world.locks.locks[lock].sharers == 0 {
      traceHold(.lockHoldBegin, lock, cpu, at: now)
    }
    world.locks.ownShared(lock, context, at: now)
    return Reply.none
  }

  private mutating func maskLocally(_ irqs: IRQs, on cpu: CPUID) {
    guard !world.locks.isRT else { return }
    if irqs == .off {
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffBegin, on: cpu) }
      world.cpus[cpu].irqsOff += 1
    } else {
      world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
    }
  }

  private mutating func releaseLocal(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    dropShared(lock, cpu.context(world.cpus[cpu].depth), reads: true)
    guard !world.locks.isRT else { return Reply.none }
    if irqs == .off {
      world.cpus[cpu].irqsOff -= 1
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffEnd, on: cpu) }
    } else {
      world.cpus[cpu].preemptCount.subtract(PreemptCount.preemption)
    }
    return Reply.none
  }

  /// Takes a lock of any kind but a spinlock if it is free. Returns: the answer; nil when it takes
  /// time to know.
  @inline(never)
  mutating func tryAcquireOther(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    let context = cpu.context(world.cpus[cpu].depth)
    var isTaken = false
    switch world.locks.locks[lock].kind {
    case .localLock:
      guard world.locks.locks[lock].sharers == 0 else { return .bool(false) }
      _ = acquireLocal(lock, irqs, isSure: false, on: cpu)
      return .bool(true)
    case .rwlock:
      isTaken = world.locks.takeRWLock(lock, by: context, reads: false, mayPass: false, at: now)
      if isTaken { mask(irqs, on: cpu) }
    default:
      isTaken = world.locks.isFree(lock) && world.locks.take(lock, by: context, at: now)
      if isTaken { world.locks.locks[lock].holderTask = world.cpus[cpu].current }
    }
    world.cpus[cpu].answer = isTaken ? .yes : .no
    if isTaken {
      check(lock, context, isSure: false)
      claim(lock, on: cpu)
    } else {
      failTry(lock, on: cpu)
    }
    return nil
  }
}
