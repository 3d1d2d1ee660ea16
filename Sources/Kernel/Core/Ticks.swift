import Simulation

/// The tick, which comes HZ times a second to every CPU that does not idle, to all at once; and what
/// watches, by its means, over CPUs that get stuck.
///
/// Mechanism: it knows when ticks come and when each CPU last took one or could have let another
/// task run. It does not know what a tick does. Invariant: while a CPU is busy, `next` is at most a
/// tick away.
///
/// Kernel: `tick_nohz_handler()` (kernel/time/tick-sched.c, 6.12), `watchdog_timer_fn()`,
/// `is_hardlockup()` (kernel/watchdog.c, 6.12). Not modelled: a skew between CPUs, NO_HZ_FULL.
package struct Ticks: ~Copyable {
  struct PerCPU: BitwiseCopyable {
    /// When it took its last tick, or left idling.
    var taken = Instant.zero
    /// When a thread of highest priority could have run there last. Kernel: `watchdog_touch_ts`.
    var yielded = Instant.zero
    /// What was said of the CPU since it yielded, or took a tick.
    var saidSoft = false
    var saidHard = false
  }

  /// Kernel: `watchdog_thresh`, 10 s; twice that is a soft lockup.
  static let hardLockup = Duration.nanoseconds(10_000_000_000)
  static let softLockup = Duration.nanoseconds(20_000_000_000)
  /// How often the watchdog looks. Kernel: `set_sample_period()`.
  static let samplePeriod = Duration.nanoseconds(4_000_000_000)
  /// Kernel: CONFIG_RCU_CPU_STALL_TIMEOUT, 21 s.
  static let rcuStall = Duration.nanoseconds(21_000_000_000)

  /// Ticks a second. Kernel: CONFIG_HZ.
  package let hz: Int
  /// From one tick to the next.
  package let jiffy: Duration
  /// When the next tick is due; `never` where none is wanted.
  package internal(set) var next: Instant
  var cpus: Buffer<PerCPU>
  /// CPUs that do not idle.
  private(set) var busyCount: Int

  init(cpuCount: Int, hz: Int) {
    self.hz = hz
    jiffy = Duration(picoseconds: 1_000_000_000_000 / UInt64(hz))
    next = .never
    cpus = Buffer(cpuCount, PerCPU())
    busyCount = 0
  }
  private init(cloning other: borrowing Ticks) {
    (hz, jiffy, next, busyCount) = (other.hz, other.jiffy, other.next, other.busyCount)
    cpus = other.cpus.clone()
  }
  func clone() -> Ticks { Ticks(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int { cpus.byteCount }

  /// Ticks since boot. Kernel: `jiffies`.
  func jiffies(at time: Instant) -> UInt64 { time.picoseconds / jiffy.picoseconds }

  /// A CPU leaves idling.
  mutating func noteBusy(_ cpu: CPUID, at now: Instant) {
    busyCount += 1
    cpus[cpu.index].taken = now
    noteYield(cpu, at: now)
  }

  /// An idle CPU is interrupted.
  mutating func touch(_ cpu: CPUID, at now: Instant) {
    cpus[cpu.index].taken = now
    noteYield(cpu, at: now)
  }

  /// A CPU begins to idle.
  mutating func noteIdle() { busyCount -= 1 }

  /// Another task could run on the CPU now, or does.
  @inline(__always) mutating func noteYield(_ cpu: CPUID, at now: Instant) {
    cpus[cpu.index].yielded = now
    cpus[cpu.index].saidSoft = false
  }
}

/// A tick, on a CPU that is busy or that RCU or a timer of `kfree_rcu()` wants one on.
///
/// Kernel: `tick_nohz_handler()` (kernel/time/tick-sched.c), `rcu_sched_clock_irq()`
/// (kernel/rcu/tree.c, 6.12). Not modelled: accounting and timekeeping, but for their time.
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
      world.noteTick(on: cpu)
      guard world.rcu.isPending(cpu) else { return timers(&world, cpu) }
      return ask(.raise(.rcu), then: .raised)
    case .raised: return timers(&world, cpu)
    case .done: return .return()
    }
  }

  private mutating func timers(_ world: inout World, _ cpu: CPUID) -> Step {
    let isDue = world.hasDueTimer(on: cpu)
    guard world.kfreeRCU.takeDueTimer(of: cpu, at: world.now) else {
      return isDue ? ask(.raise(.timer), then: .done) : .return()
    }
    return ask(.queueWork(.kfreeRCUMonitor, on: cpu), then: isDue ? .raised : .done)
  }
}

extension World {
  /// What a tick finds: whether the CPU was quiescent and could let others run.
  mutating func noteTick(on cpu: CPUID) {
    let last = ticks.cpus[cpu.index].taken
    ticks.cpus[cpu.index].taken = now
    ticks.cpus[cpu.index].saidHard = false
    if cpus[cpu].attention & CPU.wantsSwitchLater != 0 {
      cpus[cpu].attention &= ~CPU.wantsSwitchLater
      cpus[cpu].attention |= CPU.wantsSwitch
    }
    // Interrupts were on where it came, so only preemption and bottom halves can be off there.
    let isPlain = cpus[cpu].preemptCount.bits == PreemptCount.hardirq
    if isPlain, cpus[cpu].yielding != 0 || cpus[cpu].current.isNone {
      rcu.noteSwitch(cpu)
      ticks.noteYield(cpu, at: now)
    } else {
      watch(cpu, since: last)
    }
  }

  /// Every 4 s the watchdog has a thread of highest priority note that it could run; after 20 s
  /// without it complains. Kernel: `watchdog_timer_fn()`, `softlockup_fn()` (kernel/watchdog.c, 6.12).
  private mutating func watch(_ cpu: CPUID, since last: Instant) {
    let period = Ticks.samplePeriod.picoseconds
    guard now.picoseconds / period != last.picoseconds / period else { return }
    cpus[cpu].attention |= CPU.wantsStopper
    let stuck = now - ticks.cpus[cpu.index].yielded
    guard stuck > Ticks.softLockup, !ticks.cpus[cpu.index].saidSoft else { return }
    ticks.cpus[cpu.index].saidSoft = true
    let task = cpus[cpu].current
    complain(
      .softLockup,
      "CPU#\(cpu.index) stuck for \(stuck.picoseconds / 1_000_000_000_000)s! "
        + "[\(tasks.name(of: task)):\(task.isNone ? 0 : tasks.all[task].pid)]. Call cond_resched() "
        + "where nothing is held, or sleep", on: cpu)
  }
}

extension Machine {
  /// A tick is due: busy CPUs are interrupted, and those with callbacks or a timer that is due; idle
  /// ones are counted as quiescent.
  ///
  /// Kernel: `rcu_gp_fqs()`, `tick_nohz_handler()` (6.12).
  mutating func tick() {
    guard world.ticks.next == now else { return }
    world.ticks.next = .never
    if world.ticks.busyCount > 0, isStuck { return stopStuck() }
    let isScanDue = world.rcu.isScanDue(at: now, world.ticks)
    var anyIsBusy = false
    let hasTimers = world.firstWorkloadTimer <= now
    for index in 0..<cpuCount {
      let cpu = CPUID(index)
      let isIdle = world.cpus[cpu].current.isNone && world.cpus[cpu].depth == 0
      if isScanDue, isIdle || world.rcu.cpus[index].idled { world.rcu.report(cpu, at: now) }
      if !isIdle {
        anyIsBusy = true
        watchHard(cpu)
      } else if !world.rcu.cpus[index].hasCallbacks,
        !world.kfreeRCU.isTimerDue(of: cpu, at: now), !(hasTimers && world.hasDueTimer(on: cpu))
      {
        continue
      }
      interrupt(cpu, by: .timer)
    }
    watchRCU()
    setAlarm(
      anyIsBusy || world.rcu.isActive ? now + world.ticks.jiffy : world.kfreeRCU.firstTimer)
    setAlarm(world.workloadTimer(after: now))
  }

  /// No CPU has anything to do but to wait for another, and nothing is to come.
  private var isStuck: Bool {
    guard loose.count == 0, !world.rcu.isActive, world.firstWorkloadTimer == .never else {
      return false
    }
    return (0..<cpuCount).allSatisfy {
      let parked = [.queuedForLock, .awaitingSignal, .idle].contains(world.cpus[$0].activity)
      return parked && queue.time(of: CPUID($0).programLeaf) == .never
        && queue.time(of: CPUID($0).interruptLeaf) == .never
    }
  }

  private mutating func stopStuck() {
    let waiting = (0..<cpuCount).filter { !world.cpus[$0].current.isNone }
    let names = waiting.prefix(8).map { "CPU \($0)" }.joined(separator: ", ")
    stop(
      .deadlock, "every CPU that does not idle waits for another, and nothing is to come: \(names)",
      CPUID(waiting[0]))
  }

  /// The last busy CPU idles, so the tick that it waited for does not come. Returns: whether the
  /// first of the loose events was that tick.
  mutating func dropsStaleTick() -> Bool {
    guard loose.firstPayload == Loose.tick.payload else { return false }
    let isWanted =
      world.ticks.busyCount > 0 || world.rcu.isActive || world.kfreeRCU.firstTimer < .never
      || world.firstWorkloadTimer < .never
    guard world.ticks.next != loose.firstTime || !isWanted else { return false }
    if world.ticks.next == loose.firstTime { world.ticks.next = .never }
    _ = loose.pop()
    return true
  }

  /// Sets the next tick, unless one comes sooner: no sooner than a CPU that ran ahead can be.
  mutating func setAlarm(_ time: Instant) {
    guard time < .never else { return }
    let jiffy = world.ticks.jiffy.picoseconds
    var picoseconds = time.picoseconds + jiffy - 1
    picoseconds -= picoseconds % jiffy
    let least = (now + reach).picoseconds
    while picoseconds <= least { picoseconds += jiffy }
    let tick = Instant(picoseconds: picoseconds)
    guard tick < world.ticks.next else { return }
    world.ticks.next = tick
    push(.tick, at: tick)
  }

  /// The NMI of a counter finds that a CPU took no tick. Kernel: `watchdog_hardlockup_check()`
  /// (kernel/watchdog.c, 6.12).
  private mutating func watchHard(_ cpu: CPUID) {
    let record = world.ticks.cpus[cpu.index]
    guard now - record.taken > Ticks.hardLockup, !record.saidHard else { return }
    world.ticks.cpus[cpu.index].saidHard = true
    world.complain(
      .hardLockup,
      "interrupts have been off on CPU \(cpu.index) for more than 10 s: no tick has come there",
      on: cpu)
    completeComplaints(on: cpu)
  }

  /// A grace period that does not end. Kernel: `print_other_cpu_stall()` (kernel/rcu/tree_stall.h,
  /// 6.12).
  private mutating func watchRCU() {
    guard let cpu = world.rcu.takeStalled(at: now) else { return }
    let age = (now - world.rcu.startedAt).picoseconds / world.ticks.jiffy.picoseconds
    world.complain(
      .rcuStall,
      "CPU \(cpu.index) has held up a grace period for \(age) jiffies: it was not seen in user mode,"
        + " idle or switching tasks. Call cond_resched(), or sleep", on: cpu)
    completeComplaints(on: cpu)
  }
}
