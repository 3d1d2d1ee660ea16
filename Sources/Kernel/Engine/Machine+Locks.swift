import Hardware
import Simulation

/// Locks: taking, waiting, handing over, and lockdep's rules at each taking.
extension Machine {
  @inline(__always)
  mutating func acquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    guard world.locks.locks.items[lock].kind.spinsAlone else {
      return acquireOther(lock, irqs, on: cpu)
    }
    mask(irqs, on: cpu)
    let context = cpu.context(world.cpus[cpu].depth)
    check(lock, context, isSure: true)
    if world.locks.take(lock, by: context, at: now) {
      claim(lock, on: cpu)
    } else {
      wait(for: lock, context)
    }
    return nil
  }

  @inline(__always)
  mutating func mask(_ irqs: IRQs, on cpu: CPUID) {
    if irqs == .off {
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffBegin, on: cpu) }
      world.cpus[cpu].irqsOff += 1
    } else if irqs == .bottomHalvesOff {
      disableBottomHalves(on: cpu)
    }
    world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
  }

  /// Lifts what `mask` masked but preemption; the CPU goes on at `ready`, or at once.
  @inline(__always)
  mutating func unmask(_ irqs: IRQs, on cpu: CPUID, readyAt ready: Instant? = nil) -> Reply? {
    if irqs == .off {
      world.cpus[cpu].irqsOff -= 1
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffEnd, on: cpu) }
    } else if irqs == .bottomHalvesOff, enableBottomHalves(on: cpu, readyAt: ready ?? now) {
      return nil
    }
    guard let ready else { return Reply.none }
    mix(cpu, ready, 4)
    schedule(cpu, at: ready, .indivisible, as: .cacheLines)
    return nil
  }

  /// - Parameter isSure: whether the taker waits for the lock if he must.
  @inline(__always)
  mutating func check(_ lock: LockID, _ context: ContextID, isSure: Bool) {
    let cpu = context.cpu
    let broken = world.locks.check(
      lock, by: context, irqsOn: world.cpus[cpu].irqsOff == 0,
      inHardIRQ: isSure && world.cpus[cpu].preemptCount.inHardIRQ)
    if let broken { complainOfLock(broken, lock, cpu) }
  }

  @inline(never)
  private mutating func complainOfLock(_ broken: Locks.Finding, _ lock: LockID, _ cpu: CPUID) {
    let name = world.locks.name(of: lock)
    let message =
      switch broken {
      case .order: "\(name) is taken in both orders with a lock held here"
      case .irqUse:
        "inconsistent lock state: \(name) is taken in a hardirq, and elsewhere with interrupts on. "
          + "Take it with interrupts off everywhere"
      }
    world.complain(.lockOrder, message, on: cpu)
    completeComplaints(on: cpu)
  }

  /// The lock is ours when its line has come.
  @inline(__always)
  mutating func claim(_ lock: LockID, on cpu: CPUID) {
    let line = world.locks.locks.items[lock].line
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    world.locks.locks.items[lock].acquiredAt = here
    mix(cpu, here, 4)
    if world.probe.isOn { traceHold(.lockHoldBegin, lock, cpu, at: here) }
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  @inline(never)
  mutating func wait(for lock: LockID, _ waiter: ContextID) {
    let cpu = waiter.cpu
    let holder = world.locks.locks[lock].holder
    if !holder.isNone, holder.cpu == cpu {
      stop(
        .selfDeadlock, "CPU \(cpu.index) waits for \(world.locks.name(of: lock)), which it holds",
        cpu)
    } else if isRing(from: lock, to: cpu) {
      stop(.deadlock, ring(from: lock, to: cpu), cpu)
    }
    arrive(at: lock, waiter)
    world.locks.noteContention(lock)
    world.locks.enqueue(waiter, for: lock)
    contexts[waiter].waitingSince = now
    mix(cpu, now, 5)
    if world.probe.isOn { traceWait(.lockWaitBegin, lock, cpu, waiter: waiter.index, at: now) }
    schedule(cpu, at: .never, .queuedForLock, as: .lockWait)
  }

  /// Ends the run: nobody could go on.
  mutating func stop(_ kind: Violation.Kind, _ message: String, _ cpu: CPUID) {
    world.complain(kind, message, on: cpu)
    completeComplaints(on: cpu)
    world.isStopped = true
  }

  /// Follows who waits for whom from the holder of `lock`. Returns: whether that leads back to `cpu`.
  private func isRing(from lock: LockID, to cpu: CPUID) -> Bool {
    var wanted = lock
    for _ in 0..<cpuCount {
      guard let (holder, next) = link(behind: wanted) else { return false }
      if holder == cpu { return true }
      guard !next.isNone else { return false }
      wanted = next
    }
    return false
  }

  /// The CPU that has `lock`, and what it waits for itself; nil where it goes on. A holder waits for
  /// what a context of its CPU from his own up spins for; what an interrupt has put above that comes
  /// to an end.
  private func link(behind lock: LockID) -> (CPUID, LockID)? {
    let holder = world.locks.locks[lock].holder
    guard !holder.isNone else { return nil }
    var wanted = LockID.none
    for depth in holder.depth...max(holder.depth, world.cpus[holder.cpu].depth) {
      let awaited = world.locks.awaited[holder.cpu.context(depth).index]
      if !awaited.isNone { wanted = awaited }
    }
    return (holder.cpu, wanted)
  }

  /// A ring in words.
  private func ring(from lock: LockID, to cpu: CPUID) -> String {
    var (links, wanted, waiter) = ([String](), lock, cpu)
    while let (holder, next) = link(behind: wanted) {
      links.append(
        "CPU \(waiter.index) waits for \(world.locks.name(of: wanted)), which CPU "
          + "\(holder.index) holds")
      if holder == cpu || next.isNone { break }
      (waiter, wanted) = (holder, next)
    }
    return links.joined(separator: "; ")
  }

  /// The same for who sleeps or spins as a task: from the owner of `lock` on, back to `task`.
  func isRing(from lock: LockID, of task: TaskID) -> Bool {
    var wanted = lock
    for _ in 0..<world.tasks.all.highWater {
      let owner = world.locks.locks[wanted].holderTask
      if owner == task { return true }
      guard !owner.isNone, world.tasks.all[owner].waits else { return false }
      wanted = world.tasks.all[owner].awaits
    }
    return false
  }

  func ring(from lock: LockID, of task: TaskID) -> String {
    var (links, wanted, waiter) = ([String](), lock, task)
    while true {
      let owner = world.locks.locks[wanted].holderTask
      links.append(
        "\(world.tasks.name(of: waiter)) waits for \(world.locks.name(of: wanted)), which "
          + "\(world.tasks.name(of: owner)) holds")
      if owner == task { return links.joined(separator: "; ") }
      (waiter, wanted) = (owner, world.tasks.all[owner].awaits)
    }
  }

  /// Books waits and holds that go on at `end`, as far as they have come.
  mutating func settleLocks(at end: Instant) {
    world.locks.settleHolds(at: end)
    for index in 0..<world.locks.awaited.count where !world.locks.awaited[index].isNone {
      let (lock, since) = (world.locks.awaited[index], contexts[ContextID(index)].waitingSince)
      guard since < end, !world.locks.locks[lock].kind.maySleep else { continue }
      world.locks.noteWait(lock, end - since)
      contexts[ContextID(index)].waitingSince = end
    }
    for index in 0..<world.tasks.all.highWater where world.tasks.all[TaskID(index)].waits {
      let since = world.tasks.all[TaskID(index)].waitingSince
      guard since < end else { continue }
      world.locks.noteWait(world.tasks.all[TaskID(index)].awaits, end - since)
      world.tasks.all[TaskID(index)].waitingSince = end
    }
  }

  mutating func tryAcquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    guard world.locks.locks.items[lock].kind.spinsAlone else {
      return tryAcquireOther(lock, irqs, on: cpu)
    }
    let context = cpu.context(world.cpus[cpu].depth)
    if world.locks.take(lock, by: context, at: now) {
      mask(irqs, on: cpu)
      check(lock, context, isSure: false)
      world.cpus[cpu].answer = .yes
      claim(lock, on: cpu)
    } else {
      world.cpus[cpu].answer = .no
      failTry(lock, on: cpu)
    }
    return nil
  }

  /// Finds a lock taken, which costs a look at its line.
  mutating func failTry(_ lock: LockID, on cpu: CPUID) {
    let line = world.locks.locks[lock].line
    let here = world.lines.read(line, by: cpu.index, at: now, world.layout)
    mix(cpu, here, 6)
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  @inline(__always)
  mutating func release(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    guard world.locks.locks.items[lock].kind.spinsAlone else {
      return releaseOther(lock, irqs, on: cpu)
    }
    if world.probe.isOn { traceHold(.lockHoldEnd, lock, cpu, at: now) }
    let heir = world.locks.release(lock, by: cpu.context(world.cpus[cpu].depth), at: now)
    if !heir.isNone { handOver(lock, from: cpu, to: heir) }
    world.cpus[cpu].preemptCount.subtract(PreemptCount.preemption)
    return unmask(irqs, on: cpu)
  }

  @inline(never)
  private mutating func handOver(_ lock: LockID, from cpu: CPUID, to heir: ContextID) {
    let here = pass(lock, from: cpu, to: heir) + costs[.lockHandOff]
    world.locks.locks[lock].acquiredAt = here
    world.locks.noteWait(lock, here - contexts[heir].waitingSince)
    // Into the giver's fingerprint: the heir's CPU may have run ahead in an interrupt above it.
    mix(cpu, here, 7)
    if world.probe.isOn {
      traceWait(.lockWaitEnd, lock, heir.cpu, waiter: heir.index, at: here)
      traceHold(.lockHoldBegin, lock, heir.cpu, at: here)
    }
    endWait(of: heir, at: here)
    if world.cpus[heir.cpu].depth > heir.depth { stopIfCovered(heir, lock) }
  }

  /// Who got `lock` is covered by an interrupt that spins: for the same lock, or for one whose holder
  /// waits for this one.
  private mutating func stopIfCovered(_ heir: ContextID, _ lock: LockID) {
    guard let (_, wanted) = link(behind: lock), !wanted.isNone else { return }
    guard wanted == lock || isRing(from: wanted, to: heir.cpu) else { return }
    stop(
      wanted == lock ? .selfDeadlock : .deadlock, ring(from: wanted, to: heir.cpu), heir.cpu)
  }

  /// Ends the spinning of `context`, which an interrupt may have covered meanwhile.
  @inline(__always)
  mutating func endWait(of context: ContextID, at time: Instant) {
    let cpu = context.cpu
    if world.cpus[cpu].depth == context.depth {
      queue.set(cpu.programLeaf, time)
      world.cpus[cpu].activity = .indivisible
    } else {
      contexts[context].pause = .ready(at: time)
    }
  }
}
