import Hardware
import Simulation

/// Locks that sleepers wait for.
extension Machine {
  mutating func acquireMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
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

  mutating func releaseMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
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
    noteContention(lock)
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
    locks[lock].depth -= 1
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
