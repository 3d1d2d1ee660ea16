import Hardware
import Simulation

/// Mutexes: who finds one taken spins while its owner runs, and sleeps when the owner does not.
///
/// A mutex that is given up is free to all: to the spinner at the head of their queue, to a newcomer,
/// and to the first of the sleepers, who is woken but has a long way. One who came too late asks for
/// the next unlock to be his own (from 4.10), and spins for it if he may. Here, spinners are contexts
/// in the lock's queue with preemption off, sleepers are tasks in a list of their own.
///
/// Kernel: `__mutex_lock_common()`, `mutex_optimistic_spin()`, `__mutex_unlock_slowpath()`
/// (kernel/locking/mutex.c; 3.10, 6.12), `osq_lock()` (kernel/locking/osq_lock.c, 6.12). Not
/// modelled: up to 3.14 all who spin race for it, here the first to ask wins; wait-wound mutexes;
/// priorities.
extension Machine {
  mutating func acquireMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
    let (context, task) = (cpu.context(world.cpus[cpu].depth), world.cpus[cpu].current)
    let isOfTask = world.cpus[cpu].depth == 0 && !task.isNone
    if isOfTask, world.tasks.all[task].awaits == lock { return askAgain(lock, task, on: cpu) }
    if !contexts[context].polls {
      world.mightSleep(on: cpu, "a mutex may only be taken where the task may sleep")
      if world.hasComplaint { completeComplaints(on: cpu) }
      check(lock, context, isSure: true)
    }
    if world.locks.isFree(lock), world.locks.take(lock, by: context, at: now) {
      contexts[context].polls = false
      world.locks.locks[lock].holderTask = task
      claim(lock, on: cpu)
      return nil
    }
    guard world.cpus[cpu].maySleep else {
      pollMutex(lock, context)
      return nil
    }
    beginWait(for: lock, task, on: cpu)
    waitAsMay(lock, task, on: cpu)
    return nil
  }

  /// A task's wait begins, spinning or asleep.
  mutating func beginWait(for lock: LockID, _ task: TaskID, on cpu: CPUID) {
    world.tasks.all[task].awaits = lock
    world.tasks.all[task].waits = true
    world.tasks.all[task].waitingSince = now
    world.locks.noteContention(lock)
    if world.probe.isOn {
      traceWait(.lockWaitBegin, lock, cpu, waiter: waiter(task), at: now)
    }
    guard isRing(from: lock, of: task) else { return }
    let isOwn = world.locks.locks[lock].holderTask == task
    stop(isOwn ? .selfDeadlock : .deadlock, ring(from: lock, of: task), cpu)
  }

  /// Spins if the owner runs, sleeps if not. For one who spun or slept before, again.
  private mutating func waitAsMay(_ lock: LockID, _ task: TaskID, on cpu: CPUID) {
    let isFirst = world.locks.locks[lock].firstTask == task
    if isFirst, world.locks.rules.mutexHandsOff { world.locks.locks[lock].handsOff = true }
    let isListed = world.tasks.all[task].isListed
    let maySpin = isListed ? isFirst && world.locks.rules.mutexHandsOff : true
    if maySpin, world.locks.rules.mutexSpinning != .none, ownerRuns(lock),
      !world.cpus[cpu].wantsSwitch
    {
      return spin(for: lock, task, on: cpu)
    }
    sleep(for: lock, task, reads: false, on: cpu)
  }

  /// Sleeps in the list of `lock`. Woken, the task asks again.
  mutating func sleep(for lock: LockID, _ task: TaskID, reads: Bool, on cpu: CPUID) {
    if !world.tasks.all[task].isListed { world.locks.join(lock, task, &world.tasks, reads: reads) }
    world.tasks.all[task].awaitsMutex = true
    contexts[cpu.context(0)].held = reads ? .acquireShared(lock) : .acquire(lock)
    switchAway(from: cpu, pausing: .asking, nextState: .blocked)
  }

  /// Spins on the owner, or behind who does. Kernel: preemption is off.
  mutating func spin(for lock: LockID, _ task: TaskID, on cpu: CPUID) {
    let (context, line) = (cpu.context(0), world.locks.locks[lock].line)
    let here = world.lines.claimPolled(line, by: cpu.index, at: now, world.layout)
    world.lines.poll(line, by: cpu.index, world.layout)
    world.cpus[cpu].preemptCount.add(PreemptCount.preemption)
    world.locks.enqueue(context, for: lock, first: world.tasks.all[task].isListed)
    contexts[context].waitingSince = world.tasks.all[task].waitingSince
    mix(cpu, here, 5)
    schedule(cpu, at: .never, .queuedForLock, as: .lockWait)
  }

  /// A task that was woken, or whose owner to spin on left its CPU, asks again.
  private mutating func askAgain(_ lock: LockID, _ task: TaskID, on cpu: CPUID) -> Reply? {
    if world.locks.locks[lock].holderTask == task {  // it was handed over
      world.tasks.all[task].awaits = .none
      return Reply.none
    }
    let isFirst = world.locks.locks[lock].firstTask == task
    guard world.locks.locks[lock].holder.isNone, world.locks.locks[lock].sharers == 0,
      isFirst || !world.locks.locks[lock].handsOff
    else {
      if world.locks.locks[lock].kind == .rwsem {
        waitForSemaphore(lock, task, reads: false, on: cpu)
      } else {
        waitAsMay(lock, task, on: cpu)
      }
      return nil
    }
    if world.tasks.all[task].isListed { world.locks.leave(lock, task, &world.tasks) }
    if isFirst { world.locks.locks[lock].handsOff = false }
    endWait(for: lock, task, at: now)
    world.locks.own(lock, cpu.context(0), at: now)
    world.locks.locks[lock].holderTask = task
    claim(lock, on: cpu)
    return nil
  }

  /// Books a task's wait that is over.
  mutating func endWait(for lock: LockID, _ task: TaskID, at time: Instant) {
    let cpu = world.tasks.all[task].cpu
    world.tasks.all[task].awaits = .none
    world.tasks.all[task].waits = false
    world.locks.locks[lock].depth -= 1
    world.locks.noteWait(lock, time - world.tasks.all[task].waitingSince)
    if world.probe.isOn {
      traceWait(.lockWaitEnd, lock, cpu, waiter: waiter(task), at: time)
    }
  }

  /// Who must not sleep and finds a mutex taken asks for it again and again. Linux calls the
  /// scheduler all the same, from where it must not be called, and what comes of that is undefined.
  mutating func pollMutex(_ lock: LockID, _ context: ContextID, reads: Bool = false) {
    let cpu = context.cpu
    if !contexts[context].polls {
      contexts[context].polls = true
      let name = world.locks.name(of: lock)
      if world.locks.locks[lock].holderTask == world.cpus[cpu].current,
        !world.locks.locks[lock].holderTask.isNone
      {
        stop(.selfDeadlock, "CPU \(cpu.index) waits for \(name), which the task below holds", cpu)
      } else {
        world.complain(
          .schedulingWhileAtomic, "\(name) is taken and the task may not sleep to wait for it",
          on: cpu)
        completeComplaints(on: cpu)
      }
    }
    contexts[context].held = reads ? .acquireShared(lock) : .acquire(lock)
    schedule(cpu, at: now + costs[.contextSwitch], .asking, as: .lockWait)
  }

  mutating func releaseMutex(_ lock: LockID, on cpu: CPUID) -> Reply? {
    if world.probe.isOn { traceHold(.lockHoldEnd, lock, cpu, at: now) }
    world.locks.drop(lock, cpu.context(world.cpus[cpu].depth), at: now)
    world.locks.locks[lock].holderTask = .none
    return passOn(lock, from: cpu)
  }

  /// Gives a mutex, or a semaphore that nobody has, to who gets it next.
  mutating func passOn(_ lock: LockID, from cpu: CPUID) -> Reply? {
    let sleeper = world.locks.locks[lock].firstTask
    let spinner = world.locks.locks[lock].first
    if world.locks.locks[lock].handsOff, !sleeper.isNone {
      return handOver(lock, to: sleeper, from: cpu)
    }
    if !spinner.isNone { passToSpinner(lock, from: cpu, to: spinner) }
    guard !sleeper.isNone, world.tasks.all[sleeper].state == .blocked else { return Reply.none }
    world.tasks.all[sleeper].awaitsMutex = false
    return wake(sleeper, from: cpu)
  }

  /// The first spinner sees that the owner is gone, and takes it.
  mutating func passToSpinner(_ lock: LockID, from cpu: CPUID, to spinner: ContextID) {
    if world.node(of: cpu) != world.node(of: spinner.cpu) {
      world.locks.locks[lock].crossNode += 1
    }
    let line = world.locks.locks[lock].line
    let stored = max(now, world.lines.freeFrom(line))
    let seen = stored + world.layout.linePrice(from: cpu.index, to: spinner.cpu.index)
    let here = seen + costs[.atomicHit]
    world.lines.handTo(line, spinner.cpu.index, at: here)
    let task = taskOf(spinner)
    world.locks.unlink(spinner, behind: .none, from: lock)
    world.locks.locks[lock].wasHanded = false
    if world.tasks.all[task].isListed { world.locks.leave(lock, task, &world.tasks) }
    world.locks.own(lock, spinner, at: now)
    world.locks.locks[lock].acquiredAt = here
    world.locks.locks[lock].holderTask = task
    world.locks.locks[lock].depth += 1  // `endWait` counts one waiter less, as `unlink` did
    endWait(for: lock, task, at: here)
    world.cpus[spinner.cpu].preemptCount.subtract(PreemptCount.preemption)
    mix(cpu, here, 7)
    if world.probe.isOn { traceHold(.lockHoldBegin, lock, spinner.cpu, at: here) }
    endWait(of: spinner, at: here)
  }

  /// Gives `lock` to the first of its list, who asked for that, and sleeps or spins.
  private mutating func handOver(_ lock: LockID, to heir: TaskID, from cpu: CPUID) -> Reply? {
    world.locks.locks[lock].handsOff = false
    let spinner = world.tasks.all[heir].cpu.context(0)
    if world.locks.awaited[spinner.index] == lock, taskOf(spinner) == heir {
      passToSpinner(lock, from: cpu, to: spinner)
      return Reply.none
    }
    world.locks.leave(lock, heir, &world.tasks)
    endWait(for: lock, heir, at: now)
    world.tasks.all[heir].awaits = lock
    let home = world.tasks.all[heir].cpu
    if world.cpus[home].current == heir, world.cpus[home].activity != .switching {
      // It stopped spinning and has not asked again: an interrupt came first. It finds the lock its.
      world.locks.own(lock, home.context(0), at: now)
      world.locks.locks[lock].holderTask = heir
      if world.probe.isOn { traceHold(.lockHoldBegin, lock, home, at: now) }
      return Reply.none
    }
    world.locks.give(lock, to: heir, &world.tasks, at: now)
    if world.probe.isOn {
      traceHold(.lockHoldBegin, lock, world.tasks.all[heir].cpu, at: now)
    }
    return wake(heir, from: cpu)
  }

  /// The task whose context 0 of its CPU spins.
  private func taskOf(_ spinner: ContextID) -> TaskID { world.cpus[spinner.cpu].current }

  // MARK: Spinning comes to an end

  private func ownerRuns(_ lock: LockID) -> Bool {
    let owner = world.locks.locks[lock].holderTask
    guard !owner.isNone else { return false }
    return world.tasks.all[owner].state == .running
      && world.cpus[world.tasks.all[owner].cpu].current == owner
  }

  /// A task leaves its CPU with locks: who spins on it as their owner asks again, to sleep.
  @inline(never)
  mutating func ownerLeaves(_ task: TaskID, _ cpu: CPUID) {
    for place in 0..<Int(world.tasks.all[task].heldCount) {
      let lock = world.tasks.all[task].held[place]
      guard !world.locks.locks[lock].kind.spinsAlone else { continue }
      while !world.locks.locks[lock].first.isNone {
        stopSpinning(world.locks.locks[lock].first, from: cpu)
      }
    }
  }

  /// A task that spins for a mutex on `cpu` should yield, so it stops.
  @inline(never)
  mutating func yieldSpinning(on cpu: CPUID) {
    let spinner = cpu.context(0)
    let lock = world.locks.awaited[spinner.index]
    guard !lock.isNone, world.locks.locks[lock].kind.maySleep else { return }
    stopSpinning(spinner, from: cpu)
  }

  private mutating func stopSpinning(_ spinner: ContextID, from cpu: CPUID) {
    let lock = world.locks.awaited[spinner.index]
    world.locks.remove(spinner, from: lock)
    world.locks.locks[lock].depth += 1  // it goes on waiting
    world.cpus[spinner.cpu].preemptCount.subtract(PreemptCount.preemption)
    contexts[spinner].held = .acquire(lock)
    let seen =
      now
      + (spinner.cpu == cpu
        ? costs[.cacheHit] : world.layout.linePrice(from: cpu.index, to: spinner.cpu.index))
    if world.cpus[spinner.cpu].depth == 0 {
      schedule(spinner.cpu, at: seen, .asking, as: .lockWait)
    } else {
      contexts[spinner].pause = .asking
    }
  }
}

extension Locks {
  /// Whether a newcomer may have a lock that tasks sleep for.
  func isFree(_ lock: LockID) -> Bool {
    locks[lock].holder.isNone && locks[lock].sharers == 0 && !locks[lock].handsOff
  }

  /// A task joins the list of a lock, to sleep.
  mutating func join(_ lock: LockID, _ task: TaskID, _ tasks: inout Tasks, reads: Bool) {
    tasks.all[task].next = .none
    tasks.all[task].isListed = true
    tasks.all[task].reads = reads
    let last = locks[lock].lastTask
    if last.isNone { locks[lock].firstTask = task } else { tasks.all[last].nextWaiter = task }
    tasks.all[task].nextWaiter = .none
    locks[lock].lastTask = task
  }

  /// The first of the list leaves it.
  mutating func leave(_ lock: LockID, _ task: TaskID, _ tasks: inout Tasks) {
    precondition(locks[lock].firstTask == task, "out of the middle of a lock's list")
    locks[lock].firstTask = tasks.all[task].nextWaiter
    if locks[lock].firstTask.isNone { locks[lock].lastTask = .none }
    tasks.all[task].isListed = false
    tasks.all[task].awaitsMutex = false
  }

  /// Makes `heir`, which is off its CPU, the owner of a free lock.
  mutating func give(_ lock: LockID, to heir: TaskID, _ tasks: inout Tasks, at now: Instant) {
    locks[lock].holderTask = heir
    locks[lock].holder = tasks.all[heir].cpu.context(0)
    locks[lock].acquiredAt = now
    locks[lock].acquisitions += 1
    push(lock, onto: heir, &tasks)
  }

  /// `task`, off its CPU, has `lock` now.
  mutating func push(_ lock: LockID, onto task: TaskID, _ tasks: inout Tasks) {
    let count = Int(tasks.all[task].heldCount)
    precondition(count < Task.heldMax, "a task holds more locks than there is room for")
    tasks.all[task].held[count] = lock
    tasks.all[task].heldCount += 1
  }

  /// Moves what `context` holds into the record of the task that leaves its CPU.
  mutating func park(_ context: ContextID, in task: inout Task) {
    let count = Int(heldCount[context.index])
    precondition(count <= Task.heldMax, "a task sleeps with more locks than there is room for")
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
