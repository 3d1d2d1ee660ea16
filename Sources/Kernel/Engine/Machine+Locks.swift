import Hardware
import Simulation

/// Locks: taking, waiting, handing over, and lockdep's rules at each taking.
extension Machine {
  @inline(__always)
  mutating func acquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    if world.locks.locks.items[lock].lockClass.isMutex { return acquireMutex(lock, on: cpu) }
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
  private mutating func mask(_ irqs: IRQs, on cpu: CPUID) {
    if irqs == .off {
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffBegin, on: cpu) }
      world.cpus[cpu].irqsOff += 1
    }
    world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
  }

  /// - Parameter isSure: whether the taker waits for the lock if he must.
  @inline(__always)
  private mutating func check(_ lock: LockID, _ context: ContextID, isSure: Bool) {
    let cpu = context.cpu
    let broken = world.locks.check(
      lock, by: context, irqsOn: world.cpus[cpu].irqsOff == 0,
      inHardIRQ: isSure && world.cpus[cpu].preemptCount.inHardIRQ)
    if let broken { complainOfLock(broken, lock, cpu) }
  }

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
  private mutating func claim(_ lock: LockID, on cpu: CPUID) {
    let line = world.locks.locks.items[lock].line
    let here = world.lines.claim(line, by: cpu.index, at: now, world.layout)
    world.locks.locks.items[lock].acquiredAt = here
    mix(cpu, here, 4)
    if world.probe.isOn { traceHold(.lockHoldBegin, lock, cpu, at: here) }
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  @inline(never)
  private mutating func wait(for lock: LockID, _ waiter: ContextID) {
    let cpu = waiter.cpu
    if world.locks.locks[lock].holder.cpu == cpu {
      stop(
        .selfDeadlock, "CPU \(cpu.index) waits for \(world.locks.name(of: lock)), which it holds",
        cpu)
    } else if let ring = ring(from: lock, to: cpu) {
      stop(.deadlock, ring, cpu)
    }
    world.locks.wait(for: lock, waiter)
    contexts[waiter].waitingSince = now
    mix(cpu, now, 5)
    if world.probe.isOn { traceWait(.lockWaitBegin, lock, cpu, waiter: waiter.index, at: now) }
    schedule(cpu, at: .never, .queuedForLock, as: .lockWait)
  }

  /// Ends the run: nobody could go on.
  private mutating func stop(_ kind: Violation.Kind, _ message: String, _ cpu: CPUID) {
    world.complain(kind, message, on: cpu)
    completeComplaints(on: cpu)
    world.isStopped = true
  }

  /// Follows who waits for whom from the holder of `lock`. Returns: the ring in words if it leads
  /// back to `cpu`. A holder waits for what a context of its CPU from his own up spins for; what an
  /// interrupt has put above that comes to an end.
  private func ring(from lock: LockID, to cpu: CPUID) -> String? {
    var (links, wanted, waiter) = ([String](), lock, cpu)
    for _ in 0..<cpuCount {
      let holder = world.locks.locks[wanted].holder
      guard !holder.isNone else { return nil }
      links.append(
        "CPU \(waiter.index) waits for \(world.locks.name(of: wanted)), which CPU "
          + "\(holder.cpu.index) holds")
      if holder.cpu == cpu { return links.joined(separator: "; ") }
      waiter = holder.cpu
      wanted = .none
      for depth in holder.depth...max(holder.depth, world.cpus[waiter].depth) {
        let awaited = world.locks.awaited[waiter.context(depth).index]
        if !awaited.isNone { wanted = awaited }
      }
      guard !wanted.isNone else { return nil }
    }
    return nil
  }

  /// Books waits and holds that go on at `end`, as far as they have come.
  mutating func settleLocks(at end: Instant) {
    world.locks.settleHolds(at: end)
    for index in 0..<world.locks.awaited.count where !world.locks.awaited[index].isNone {
      let since = contexts[ContextID(index)].waitingSince
      guard since < end else { continue }
      world.locks.noteWait(world.locks.awaited[index], end - since)
      contexts[ContextID(index)].waitingSince = end
    }
  }

  mutating func tryAcquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) {
    let context = cpu.context(world.cpus[cpu].depth)
    if world.locks.take(lock, by: context, at: now) {
      if world.locks.locks.items[lock].lockClass.isMutex {
        world.locks.locks[lock].holderTask = world.cpus[cpu].current
      } else {
        mask(irqs, on: cpu)
      }
      check(lock, context, isSure: false)
      world.cpus[cpu].answer = .yes
      return claim(lock, on: cpu)
    }
    world.cpus[cpu].answer = .no
    let line = world.locks.locks[lock].line
    let here = world.lines.read(line, by: cpu.index, at: now, world.layout)
    mix(cpu, here, 6)
    schedule(cpu, at: here, .indivisible, as: .cacheLines)
  }

  @inline(__always)
  mutating func release(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    if world.locks.locks.items[lock].lockClass.isMutex { return releaseMutex(lock, on: cpu) }
    if world.probe.isOn { traceHold(.lockHoldEnd, lock, cpu, at: now) }
    let heir = world.locks.release(lock, by: cpu.context(world.cpus[cpu].depth), at: now)
    if !heir.isNone { handOver(lock, from: cpu, to: heir) }
    world.cpus[cpu].preemptCount.subtract(PreemptCount.preemption)
    if irqs == .off {
      world.cpus[cpu].irqsOff -= 1
      if world.probe.isOn, world.cpus[cpu].irqsOff == 0 { traceIRQs(.irqsOffEnd, on: cpu) }
    }
    return Reply.none
  }

  @inline(never)
  private mutating func handOver(_ lock: LockID, from cpu: CPUID, to heir: ContextID) {
    let line = world.locks.locks[lock].line
    let here =
      world.lines.claim(line, by: heir.cpu.index, at: now, world.layout) + costs[.lockHandOff]
    world.locks.locks[lock].acquiredAt = here
    world.locks.noteWait(lock, here - contexts[heir].waitingSince)
    // Into the giver's fingerprint: the heir's CPU may have run ahead in an interrupt above it.
    mix(cpu, here, 7)
    if world.probe.isOn {
      traceWait(.lockWaitEnd, lock, heir.cpu, waiter: heir.index, at: here)
      traceHold(.lockHoldBegin, lock, heir.cpu, at: here)
    }
    endWait(of: heir, at: here)
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

  // MARK: Mutexes

  private mutating func acquireMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
    let context = cpu.context(world.cpus[cpu].depth)
    if !contexts[context].polls {
      world.mightSleep(on: cpu, "a mutex may only be taken where the task may sleep")
      if world.hasComplaint { completeComplaints(on: cpu) }
      check(lock, context, isSure: true)
    }
    if world.locks.take(lock, by: context, at: now) {
      contexts[context].polls = false
      world.locks.locks[lock].holderTask = world.cpus[cpu].current
      claim(lock, on: cpu)
      return nil
    }
    guard world.cpus[cpu].maySleep else {
      pollMutex(lock, context)
      return nil
    }
    world.locks.joinMutex(lock, world.cpus[cpu].current, &world.tasks, at: now)
    if world.probe.isOn {
      let task = world.cpus[cpu].current
      traceWait(.lockWaitBegin, lock, cpu, waiter: waiter(task), at: now)
    }
    switchAway(from: cpu, pausing: .ready(at: now), nextState: .blocked)
    return nil
  }

  /// Who must not sleep and finds a mutex taken asks for it again and again. Linux calls the
  /// scheduler all the same, from where it must not be called, and what comes of that is undefined.
  private mutating func pollMutex(_ lock: LockID, _ context: ContextID) {
    let cpu = context.cpu
    if !contexts[context].polls {
      contexts[context].polls = true
      let name = world.locks.name(of: lock)
      if world.locks.locks[lock].holderTask == world.cpus[cpu].current {
        stop(.selfDeadlock, "CPU \(cpu.index) waits for \(name), which the task below holds", cpu)
      } else {
        world.complain(
          .schedulingWhileAtomic, "\(name) is taken and the task may not sleep to wait for it",
          on: cpu)
        completeComplaints(on: cpu)
      }
    }
    contexts[context].held = .acquire(lock)
    schedule(cpu, at: now + costs[.contextSwitch], .asking, as: .lockWait)
  }

  private mutating func releaseMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
    if world.probe.isOn { traceHold(.lockHoldEnd, lock, cpu, at: now) }
    world.locks.drop(lock, cpu.context(world.cpus[cpu].depth), at: now)
    guard let heir = world.locks.passMutex(lock, &world.tasks, at: now) else { return Reply.none }
    let heirCPU = world.tasks.all[heir].cpu
    world.locks.noteWait(lock, now - world.tasks.all[heir].waitingSince)
    if world.probe.isOn {
      traceWait(.lockWaitEnd, lock, heirCPU, waiter: waiter(heir), at: now)
      traceHold(.lockHoldBegin, lock, heirCPU, at: now)
    }
    return wake(heir, from: cpu)
  }
}

extension Locks {
  /// A task joins the queue of a mutex, to sleep.
  mutating func joinMutex(
    _ lock: LockID, _ task: TaskID, _ tasks: inout Tasks, at now: Instant
  ) {
    locks[lock].contended += 1
    tasks.all[task].next = .none
    tasks.all[task].awaitsMutex = true
    tasks.all[task].waitingSince = now
    let last = locks[lock].lastTask
    if last.isNone { locks[lock].firstTask = task } else { tasks.all[last].next = task }
    locks[lock].lastTask = task
  }

  /// Gives a dropped mutex to the first who waits. Returns: that task.
  mutating func passMutex(_ lock: LockID, _ tasks: inout Tasks, at now: Instant) -> TaskID? {
    let heir = locks[lock].firstTask
    guard !heir.isNone else { return nil }
    locks[lock].firstTask = tasks.all[heir].next
    if locks[lock].firstTask.isNone { locks[lock].lastTask = .none }
    tasks.all[heir].awaitsMutex = false
    locks[lock].holderTask = heir
    locks[lock].holder = tasks.all[heir].cpu.context(0)
    locks[lock].acquiredAt = now
    locks[lock].acquisitions += 1
    let count = Int(tasks.all[heir].heldCount)
    precondition(count < 4, "a task holds more mutexes than there is room for")
    tasks.all[heir].held[count] = lock
    tasks.all[heir].heldCount += 1
    return heir
  }
}

extension Locks {
  /// Moves what `context` holds into the record of the task that leaves its CPU.
  mutating func park(_ context: ContextID, in task: inout Task) {
    let count = Int(heldCount[context.index])
    precondition(count <= 4, "a task sleeps with more locks than there is room for")
    for place in 0..<count { task.held[place] = held[context.index * Locks.heldMax + place] }
    task.heldCount = UInt8(count)
    heldCount[context.index] = 0
  }

  /// The other way, when the task comes back.
  mutating func unpark(_ context: ContextID, from task: borrowing Task) {
    for place in 0..<Int(task.heldCount) {
      held[context.index * Locks.heldMax + place] = task.held[place]
    }
    heldCount[context.index] = task.heldCount
  }
}
