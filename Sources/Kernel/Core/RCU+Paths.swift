import Hardware
import Simulation

/// Queues a callback for when a grace period is over. May be called anywhere.
///
/// Kernel: `call_rcu()` (kernel/rcu/tree.c, 6.12).
package enum CallRCU: Path {
  case start(RCUCallback)
  case queueing(RCUCallback)
  case done

  package static var name: PathName { .call_rcu }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let callback): return ask(.work(.rcuCall), then: .queueing(callback))
    case .queueing(let callback):
      world.rcu.enqueue(callback, on: cpu)
      guard let alarm = world.alarm(by: world.now) else { return .return() }
      return ask(alarm, then: .done)
    case .done: return .return()
    }
  }
}

/// Sleeps until a grace period is over. Kernel: `synchronize_rcu()` (kernel/rcu/tree.c, 6.12).
package enum SynchronizeRCU: Path {
  case start
  case queued
  case woken

  package static var name: PathName { .synchronize_rcu }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.mightSleep(
        on: cpu, "synchronize_rcu() sleeps for a grace period; use call_rcu() or kfree_rcu() here.")
      guard world.cpus[cpu].maySleep else { return .return() }
      return ask(.call(.callRCU(.start(.wake(world.cpus[cpu].current)))), then: .queued)
    case .queued: return ask(.block, then: .woken)
    case .woken: return .return()
    }
  }
}

/// Sleeps until all callbacks that are queued by now have run: one more goes behind those of each
/// CPU that has any.
///
/// Kernel: `rcu_barrier()` (kernel/rcu/tree.c, 6.18). Not modelled: its mutex, the interrupt that
/// has a CPU queue its own.
package enum RCUBarrier: Path {
  case start
  case queueing(ID<RCU.Barrier>, on: UInt16)
  case queued(ID<RCU.Barrier>)
  case woken(ID<RCU.Barrier>)

  package static var name: PathName { .rcu_barrier }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.mightSleep(on: cpu, "rcu_barrier() sleeps until callbacks have run.")
      guard world.cpus[cpu].maySleep else { return .return() }
      // Itself one of those it waits for, until all are queued.
      let barrier = RCU.Barrier(task: world.cpus[cpu].current, left: 1)
      return queue(world.rcu.barriers.take(barrier), from: 0, &world)
    case .queueing(let id, let target):
      world.rcu.enqueue(.barrier(id), on: CPUID(Int(target)))
      world.rcu.barriers[id].left += 1
      return queue(id, from: Int(target) + 1, &world)
    case .queued(let id): return ask(.block, then: .woken(id))
    case .woken(let id):
      world.rcu.barriers.give(id)
      return .return()
    }
  }

  private mutating func queue(
    _ id: ID<RCU.Barrier>, from first: Int, _ world: inout World
  ) -> Step {
    for target in first..<world.rcu.cpus.count where world.rcu.cpus[target].hasCallbacks {
      return ask(.work(.rcuCall), then: .queueing(id, on: UInt16(target)))
    }
    world.rcu.barriers[id].left -= 1
    guard world.rcu.barriers[id].left > 0 else {
      world.rcu.barriers.give(id)
      return .return()
    }
    guard let alarm = world.alarm(by: world.now) else { return ask(.block, then: .woken(id)) }
    return ask(alarm, then: .queued(id))
  }
}

/// A tick, on a CPU that RCU or a timer of `kfree_rcu()` wants one on.
///
/// Kernel: `rcu_sched_clock_irq()` (kernel/rcu/tree.c, 6.12). Not modelled: all else that a tick
/// does, but for its time.
package enum TimerTick: Path {
  case start
  case ticked
  case raised
  case done

  package static var name: PathName { .tick_nohz_handler }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.work(.timerTick), then: .ticked)
    case .ticked:
      // Interrupts were on where it came, so only preemption and bottom halves can be off there.
      if world.cpus[cpu].preemptCount.bits == PreemptCount.hardirq { world.rcu.noteSwitch(cpu) }
      guard world.rcu.isPending(cpu) else { return timers(&world, cpu) }
      return ask(.raise(.rcu), then: .raised)
    case .raised: return timers(&world, cpu)
    case .done: return .return()
    }
  }

  private mutating func timers(_ world: inout World, _ cpu: CPUID) -> Step {
    let isDue = world.program.dueTimer(of: cpu, at: world.now) != nil
    guard world.kfreeRCU.takeDueTimer(of: cpu, at: world.now) else {
      return isDue ? ask(.raise(.timer), then: .done) : .return()
    }
    return ask(.queueWork(.kfreeRCUMonitor, on: cpu), then: isDue ? .raised : .done)
  }
}

/// What a CPU does for RCU in its softirq: says that it was quiescent, begins grace periods, runs
/// what is ready.
///
/// Kernel: `rcu_core()`, `rcu_do_batch()` (kernel/rcu/tree.c, 6.12): `blimit` callbacks, or a 128th
/// of those there are where that is more.
package enum RCUCore: Path {
  case start
  case here
  case reported
  case invoking(left: Int32)
  case raised
  case others

  package static var name: PathName { .rcu_core }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      guard world.rcu.isActive else { return handOn(&world) }
      return ask(.work(.rcuCore), then: .here)
    case .here:
      guard world.rcu.mayReport(cpu) else { return advance(&world, cpu) }
      return ask(.touch(world.rcuLeaf(of: cpu)), then: .reported)
    case .reported:
      world.rcu.report(cpu, at: world.now)
      return advance(&world, cpu)
    case .invoking(let left): return invoke(left, &world, cpu)
    case .raised: return handOn(&world)
    case .others: return .return()
    }
  }

  private mutating func advance(_ world: inout World, _ cpu: CPUID) -> Step {
    world.rcu.advance(cpu)
    world.rcu.beginIfWanted(at: world.now)
    let ready = world.rcu.cpus[cpu.index].done.count
    return invoke(max(RCU.batchLimit, ready >> 7), &world, cpu)
  }

  private mutating func invoke(_ left: Int32, _ world: inout World, _ cpu: CPUID) -> Step {
    guard left > 0 else {
      guard !world.rcu.cpus[cpu.index].done.isEmpty else { return handOn(&world) }
      return ask(.raise(.rcu), then: .raised)
    }
    guard let callback = world.rcu.takeDone(cpu) else { return handOn(&world) }
    let next = RCUCore.invoking(left: left - 1)
    switch callback {
    case .nothing: return ask(.sync, then: next)
    case .kfree(let address): return ask(.call(.kvfree(.start(address))), then: next)
    case .freePages(let pages, let order):
      return ask(.call(.freePages(.start(pages, order))), then: next)
    case .kfreeBatch(let batch):
      return ask(.queueWork(.kfreeRCU(batch: batch), on: cpu), then: next)
    case .freeSheaf(let sheaf, let toBarn):
      return ask(.call(.rcuFreeSheaf(.start(sheaf, toBarn: toBarn))), then: next)
    case .wake(let task): return ask(.wake(task), then: next)
    case .barrier(let id):
      world.rcu.barriers[id].left -= 1
      let barrier = world.rcu.barriers[id]
      return ask(barrier.left == 0 ? .wake(barrier.task) : .sync, then: next)
    }
  }

  /// What a workload hangs on the same softirq.
  private mutating func handOn(_ world: inout World) -> Step {
    guard let frame = world.workloadFrame(.rcu) else { return .return() }
    return ask(.call(frame), then: .others)
  }
}

extension World {
  /// The step that has a tick come at `time` or soon after; `nil` where one comes by then anyway.
  func alarm(by time: Instant) -> Step? {
    let ticks = (time.picoseconds / RCU.jiffy.picoseconds + 1) * RCU.jiffy.picoseconds
    return ticks < rcu.nextTick.picoseconds ? .alarm(Instant(picoseconds: ticks)) : nil
  }

  mutating func rcuLeaf(of cpu: CPUID) -> LineID {
    let leaf = cpu.index / RCU.leafSize
    if rcu.leaves[leaf].isNone { rcu.leaves[leaf] = lines.make() }
    return rcu.leaves[leaf]
  }
}

extension Machine {
  /// A tick is due: idle CPUs are counted as quiescent, the others that RCU waits for are
  /// interrupted, and those with callbacks or a timer that is due.
  ///
  /// Kernel: `rcu_gp_fqs()`, `tick_nohz_handler()` (6.12).
  mutating func tick() {
    guard world.rcu.nextTick == now else { return }
    world.rcu.nextTick = .never
    let isScanDue = world.rcu.isScanDue(at: now)
    let hasTimers = world.program.firstTimer <= now
    for index in 0..<cpuCount {
      let cpu = CPUID(index)
      let isIdle = world.cpus[cpu].current.isNone && world.cpus[cpu].depth == 0
      if isScanDue, isIdle || world.rcu.cpus[index].idled { world.rcu.report(cpu, at: now) }
      let isWatched = world.rcu.isInProgress && world.rcu.cpus[index].isNeeded && !isIdle
      if isWatched || world.rcu.cpus[index].hasCallbacks
        || world.kfreeRCU.isTimerDue(of: cpu, at: now)
        || hasTimers && world.program.dueTimer(of: cpu, at: now) != nil
      {
        interrupt(cpu, by: .timer)
      }
    }
    setAlarm(world.rcu.isActive ? now + RCU.jiffy : world.kfreeRCU.firstTimer)
    setAlarm(world.program.firstTimer(after: now))
  }

  /// Sets the next tick, unless one comes sooner: no sooner than a CPU that ran ahead can be.
  mutating func setAlarm(_ time: Instant) {
    guard time < .never else { return }
    var picoseconds = time.picoseconds + RCU.jiffy.picoseconds - 1
    picoseconds -= picoseconds % RCU.jiffy.picoseconds
    let least = (now + reach).picoseconds
    while picoseconds <= least { picoseconds += RCU.jiffy.picoseconds }
    let tick = Instant(picoseconds: picoseconds)
    guard tick < world.rcu.nextTick else { return }
    world.rcu.nextTick = tick
    push(.tick, at: tick)
  }
}
