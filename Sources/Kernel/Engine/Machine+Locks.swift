import Hardware
import Simulation

/// Locks: taking, waiting, handing over, and lockdep's rules at each taking.
extension Machine {
  @inline(__always)
  mutating func acquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) -> Reply? {
    if world.locks.locks.items[lock].lockClass.isMutex { return acquireMutex(lock, on: cpu) }
    mask(irqs, on: cpu)
    let context = cpu.context(world.cpus[cpu].depth)
    check(lock, context)
    if world.locks.take(lock, by: context, at: now) {
      claim(lock, on: cpu)
    } else {
      wait(for: lock, context)
    }
    return nil
  }

  @inline(__always)
  private mutating func mask(_ irqs: IRQs, on cpu: CPUID) {
    if irqs == .off { world.cpus[cpu].irqsOff += 1 }
    world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
  }

  @inline(__always)
  private mutating func check(_ lock: LockID, _ context: ContextID) {
    let cpu = context.cpu
    let broken = world.locks.check(
      lock, by: context, irqsOn: world.cpus[cpu].irqsOff == 0,
      inHardIRQ: world.cpus[cpu].preemptCount.inHardIRQ)
    if let broken { complainOfLock(broken, lock, cpu) }
  }

  private mutating func complainOfLock(_ kind: Violation.Kind, _ lock: LockID, _ cpu: CPUID) {
    world.complain(
      kind, "\(world.locks.name(of: lock)) is taken in both orders with a lock held here", on: cpu)
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
    let holder = world.locks.locks[lock].holder
    if holder.cpu == cpu {
      world.complain(
        .selfDeadlock, "CPU \(cpu.index) waits for \(world.locks.name(of: lock)), which it holds",
        on: cpu)
      completeComplaints(on: cpu)
      world.isStopped = true
    }
    world.locks.wait(for: lock, waiter)
    contexts[waiter].waitingSince = now
    mix(cpu, now, 5)
    if world.probe.isOn { traceWait(.lockWaitBegin, lock, cpu, waiter: waiter.index, at: now) }
    schedule(cpu, at: .never, .queuedForLock, as: .lockWait)
  }

  mutating func tryAcquire(_ lock: LockID, _ irqs: IRQs, on cpu: CPUID) {
    let context = cpu.context(world.cpus[cpu].depth)
    if world.locks.take(lock, by: context, at: now) {
      mask(irqs, on: cpu)
      check(lock, context)
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
    if irqs == .off { world.cpus[cpu].irqsOff -= 1 }
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
    world.mightSleep(on: cpu, "a mutex may only be taken where the task may sleep")
    if world.hasComplaint { completeComplaints(on: cpu) }
    check(lock, context)
    if world.locks.take(lock, by: context, at: now) {
      world.locks.locks[lock].holderTask = world.cpus[cpu].current
      claim(lock, on: cpu)
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
