import Hardware
import Simulation

/// Tasks: who runs on a CPU, who waits for it, who sleeps.
///
/// Kernel: `__schedule()`, `try_to_wake_up()` (kernel/sched/core.c, 6.12), with a first in, first
/// out run queue a CPU. A woken kthread is the next to run, but the running task keeps the CPU to
/// the end of its slice, as EEVDF's RUN_TO_PARITY has it (recorded: groundtruth vmalloc_threshold,
/// where a vfree that starts a drain is over before the drain begins). Up to 6.5 it gets the CPU at
/// once, as with CFS (recorded: the same list on 6.1, where the drain comes in between).
/// Not modelled: fairness beyond turns of `sliceLength`, migration, priorities.
extension Machine {
  /// How long a task runs while others wait. Kernel: `base_slice_ns` of EEVDF, rounded to ticks.
  static var sliceLength: Duration { .nanoseconds(4_000_000) }

  /// What the loose events mean.
  enum Loose {
    case sliceEnd(CPUID)
    case wake(TaskID)
    case arrival(source: Int)
    case bell
    case tick

    var payload: UInt64 {
      switch self {
      case .sliceEnd(let cpu): UInt64(cpu.index) << 2
      case .wake(let task): UInt64(task.index) << 2 | 1
      case .arrival(let source): UInt64(source) << 2 | 2
      case .bell: 3
      case .tick: 7
      }
    }
    init(_ payload: UInt64) {
      let index = Int(payload >> 2)
      switch payload & 3 {
      case 0: self = .sliceEnd(CPUID(index))
      case 1: self = .wake(TaskID(index))
      case 2: self = .arrival(source: index)
      default: self = index == 0 ? .bell : .tick
      }
    }
  }

  /// The turn of the running task ends at `time`, unless it does sooner.
  private mutating func armSlice(_ cpu: CPUID, at time: Instant) {
    guard time < world.cpus[cpu].sliceEnd else { return }
    world.cpus[cpu].sliceEnd = time
    push(.sliceEnd(cpu), at: time)
  }

  mutating func push(_ event: Loose, at time: Instant) { loose.push(at: time, event.payload) }

  /// An event that belongs to no CPU is due.
  @inline(never)
  mutating func handleLoose() {
    guard let (_, payload) = loose.pop() else { return }
    (world.now, world.queueTime) = (now, now)
    switch Loose(payload) {
    case .sliceEnd(let cpu):
      guard world.cpus[cpu].sliceEnd == now else { return }
      world.cpus[cpu].sliceEnd = .never
      guard !world.cpus[cpu].runFirst.isNone, !world.cpus[cpu].current.isNone else { return }
      armSlice(cpu, at: now + Machine.sliceLength)
      preempt(cpu)
    case .wake(let task):
      if world.tasks.all[task].state == .blocked {
        traceWakeup(of: task, on: world.tasks.all[task].cpu)
      }
      makeReady(task, at: now)
    case .arrival(let source): arrive(source)
    case .bell: return
    case .tick: tick()
    }
  }

  /// Makes a task that was just made run from `time` on.
  package mutating func start(_ task: TaskID, at time: Instant) { push(.wake(task), at: time) }

  /// Gives an idle CPU a task made of one frame; for tests and tools.
  package mutating func start(_ frame: Frame, on cpu: CPUID, at time: Instant) {
    start(
      world.tasks.make("test/\(cpu.index)", on: cpu, isKernelThread: false, entry: frame),
      at: time)
  }

  // MARK: Switching

  /// Takes the running task off its CPU and lets the next one on.
  mutating func switchAway(
    from cpu: CPUID, pausing pause: Context.Pause, nextState: Task.State
  ) {
    let task = world.cpus[cpu].current
    let context = cpu.context(0)
    contexts[context].pause = pause
    pauseAccounting(cpu)
    world.tasks.all[task].context = contexts[context]
    world.tasks.all[task].preemptCount = world.cpus[cpu].preemptCount
    world.tasks.all[task].isInUser = world.cpus[cpu].yielding & CPU.isInUser != 0
    world.locks.park(context, in: &world.tasks.all[task])
    if world.tasks.all[task].heldCount != 0 { ownerLeaves(task, cpu) }
    world.tasks.all[task].state = nextState
    if nextState == .ready { enqueue(task, on: cpu) }
    if nextState == .blocked, !world.tasks.all[task].worker.isNone { workerSleeps(task, on: cpu) }
    leave(cpu, task, state: nextState)
  }

  /// A kworker leaves its CPU to others: the next takes what waits.
  @inline(never)
  private mutating func workerSleeps(_ task: TaskID, on cpu: CPUID) {
    let worker = world.tasks.all[task].worker
    guard world.work.noteSleeping(worker, on: cpu), world.version.scheduler.managesWorkers,
      let next = world.workerToKick(on: cpu), maySetOut(next)
    else { return }
    traceWakeup(of: next, on: cpu)
    ready(next, on: cpu)
  }

  /// The bottom frame of a task returned.
  mutating func endTask(on cpu: CPUID) {
    let task = world.cpus[cpu].current
    world.tasks.all[task].state = .done
    leave(cpu, task, state: .done)
  }

  private mutating func leave(_ cpu: CPUID, _ task: TaskID, state: Task.State) {
    let next = world.cpus[cpu].runFirst
    if world.probe.isOn {
      let nextPID = next.isNone ? 0 : world.tasks.all[next].pid
      let kernelState: UInt64 = [.ready: 0, .blocked: 2, .done: 16][state] ?? 0
      world.trace(
        .schedSwitch, on: cpu,
        a: UInt64(UInt32(world.tasks.all[task].pid)) | UInt64(UInt32(nextPID)) << 32,
        b: kernelState)
    }
    world.rcu.noteSwitch(cpu)
    world.cpus[cpu].current = .none
    world.cpus[cpu].preemptCount = PreemptCount()
    world.cpus[cpu].attention &= ~(CPU.wantsSwitch | CPU.wantsSwitchLater | CPU.wantsStopper)
    world.cpus[cpu].yielding &= CPU.isPreemptible
    world.cpus[cpu].sliceEnd = .never
    world.ticks.noteYield(cpu, at: now)
    mix(cpu, now, 10)
    guard next.isNone else { return switchIn(on: cpu) }
    world.ticks.noteIdle()
    goIdle(cpu)
  }

  /// Begins the switch to the first task in the run queue.
  mutating func switchIn(on cpu: CPUID) {
    let task = world.cpus[cpu].runFirst
    world.cpus[cpu].runFirst = world.tasks.all[task].next
    if world.cpus[cpu].runFirst.isNone { world.cpus[cpu].runLast = .none }
    world.tasks.all[task].next = .none
    world.cpus[cpu].current = task
    world.tasks.all[task].state = .running
    world.tasks.noteRun(task, at: now)
    world.counters.add(.contextSwitches)
    let end = now + costs[.contextSwitch]
    mix(cpu, end, 11)
    schedule(cpu, at: end, .switching, as: .scheduler)
    world.cpus[cpu].path = .idle
    if !world.cpus[cpu].runFirst.isNone { armSlice(cpu, at: end + Machine.sliceLength) }
  }

  /// The new task's registers are loaded: it goes on where it was.
  mutating func finishSwitch(on cpu: CPUID) {
    let task = world.cpus[cpu].current
    let context = cpu.context(0)
    world.cpus[cpu].preemptCount = world.tasks.all[task].preemptCount
    if world.tasks.all[task].isInUser { world.cpus[cpu].yielding |= CPU.isInUser }
    world.locks.unpark(context, from: world.tasks.all[task])
    let worker = world.tasks.all[task].worker
    if !worker.isNone { world.work.noteRunning(worker, on: cpu) }
    let base = Int32(taskStack(task) - 1)
    if !world.tasks.all[task].hasRun {
      world.tasks.all[task].hasRun = true
      contexts[context] = Context()
      contexts[context].base = base
      (world.cpus[cpu].top, world.cpus[cpu].base) = (base, base)
      world.cpus[cpu].heldAtCalls = 0
      push(world.tasks.all[task].entry, on: cpu)
      world.cpus[cpu].path = world.tasks.all[task].entry.name
      contexts[context].pause = .ready(at: now)
      contexts[context].path = world.tasks.all[task].entry.name
    } else {
      contexts[context] = world.tasks.all[task].context
      world.cpus[cpu].top = contexts[context].top
      world.cpus[cpu].base = contexts[context].base
      world.cpus[cpu].heldAtCalls = contexts[context].heldAtCalls
    }
    if world.cpus[cpu].mustTakeInterrupt {
      world.cpus[cpu].category = contexts[context].category
      world.cpus[cpu].path = contexts[context].path
      return takeInterrupt(on: cpu, pausing: contexts[context].pause)
    }
    resume(context, on: cpu, at: now)
  }

  /// The first frame of a task's stack: behind the interrupt stacks of all CPUs.
  private mutating func taskStack(_ task: TaskID) -> Int {
    let first = cpuCount * CPU.framesMax + task.index * Task.framesMax
    if frames.count < first + Task.framesMax {
      let count = max(first + Task.framesMax, frames.count + frames.count / 2)
      frames.grow(to: count, .script(Script(from: 0, to: 0)))
    }
    return first
  }

  private mutating func enqueue(_ task: TaskID, on cpu: CPUID) {
    world.tasks.all[task].readySince = now
    world.tasks.all[task].next = .none
    let last = world.cpus[cpu].runLast
    if last.isNone {
      world.cpus[cpu].runFirst = task
    } else {
      world.tasks.all[last].next = task
    }
    world.cpus[cpu].runLast = task
  }

  private mutating func enqueueFirst(_ task: TaskID, on cpu: CPUID) {
    world.tasks.all[task].readySince = now
    world.tasks.all[task].next = world.cpus[cpu].runFirst
    if world.cpus[cpu].runFirst.isNone { world.cpus[cpu].runLast = task }
    world.cpus[cpu].runFirst = task
  }

  // MARK: Sleeping and waking

  mutating func block(on cpu: CPUID) -> Reply? {
    let task = world.cpus[cpu].current
    guard world.cpus[cpu].maySleep else {
      stayAwake(costs[.contextSwitch], on: cpu)
      return nil
    }
    if world.tasks.all[task].wakeIsPending {
      world.tasks.all[task].wakeIsPending = false
      return Reply.none
    }
    switchAway(from: cpu, pausing: .ready(at: now), nextState: .blocked)
    return nil
  }

  mutating func sleep(_ length: Duration, on cpu: CPUID) -> Reply? {
    guard world.cpus[cpu].maySleep else {
      stayAwake(length, on: cpu)
      return nil
    }
    push(.wake(world.cpus[cpu].current), at: now + length)
    return block(on: cpu)
  }

  /// Who must not sleep spins instead, so that time goes on for him who asks again and again. Said
  /// once a context. Linux calls the scheduler all the same, and what comes of that is undefined.
  private mutating func stayAwake(_ length: Duration, on cpu: CPUID) {
    let context = cpu.context(world.cpus[cpu].depth)
    if !contexts[context].saidAwake {
      contexts[context].saidAwake = true
      // `__schedule_bug()` looks at preempt_count alone.
      world.complain(
        world.cpus[cpu].preemptCount.inAtomic ? .schedulingWhileAtomic : .sleepingInAtomic,
        "the CPU may not sleep here; it spins instead", on: cpu)
      completeComplaints(on: cpu)
    }
    let end = now + length
    mix(cpu, end, 14)
    schedule(cpu, at: end, .indivisible, as: .lockWait)
  }

  /// Wakes a task from a step of `cpu`: its CPU learns at once, or by a reschedule interrupt.
  mutating func wake(_ task: TaskID, from cpu: CPUID) -> Reply? {
    guard maySetOut(task) else { return Reply.none }
    let target = world.tasks.all[task].cpu
    traceWakeup(of: task, on: cpu)
    if target == cpu {
      makeReady(task, at: now)
    } else {
      ready(task, on: target)
      deliver(.reschedule, to: target, from: cpu, now + delivery.write)
    }
    let end = now + world.runAhead.price(.wakeUp, 1)
    mix(cpu, end, 12)
    schedule(cpu, at: end, .computing, as: base(cpu) == .workload ? .scheduler : base(cpu))
    return nil
  }

  /// Whether a wake-up finds `task` asleep; if not, it is remembered for its next `block`.
  private mutating func maySetOut(_ task: TaskID) -> Bool {
    let (state, awaitsMutex) = (world.tasks.all[task].state, world.tasks.all[task].awaitsMutex)
    if state == .blocked, !awaitsMutex { return true }
    if state == .running || awaitsMutex || isAboutToBlock(task) {
      world.tasks.all[task].wakeIsPending = true
    }
    return false
  }

  /// Whether it was preempted between looking and sleeping.
  private func isAboutToBlock(_ task: TaskID) -> Bool {
    guard world.tasks.all[task].state == .ready,
      case .asking = world.tasks.all[task].context.pause,
      case .block = world.tasks.all[task].context.held
    else { return false }
    return true
  }

  /// The interrupt that tells a CPU of a task that another CPU made ready there: only now may it
  /// look, or a CPU that ran ahead would have missed what one that did not saw.
  mutating func noteReschedule(on cpu: CPUID) {
    let first = world.cpus[cpu].runFirst
    guard !first.isNone, !world.cpus[cpu].current.isNone else { return }
    armSlice(cpu, at: now + graceOfRunning(before: first))
  }

  /// How long the running task keeps its CPU when another has been made ready there.
  private func graceOfRunning(before task: TaskID) -> Duration {
    if world.tasks.all[task].isUrgent { return .zero }
    let preempts = world.version.scheduler.wakeUpPreempts && world.tasks.all[task].isKernelThread
    return preempts ? .zero : Machine.sliceLength
  }

  private mutating func ready(_ task: TaskID, on cpu: CPUID) {
    world.tasks.all[task].state = .ready
    if world.tasks.all[task].isKernelThread {
      enqueueFirst(task, on: cpu)
    } else {
      enqueue(task, on: cpu)
    }
  }

  /// Puts a task into its CPU's run queue, and lets it on if the CPU idles or should yield.
  mutating func makeReady(_ task: TaskID, at time: Instant) {
    guard maySetOut(task) else { return }
    let cpu = world.tasks.all[task].cpu
    ready(task, on: cpu)
    if world.cpus[cpu].activity == .idle, world.cpus[cpu].depth == 0 {
      book(cpu, until: now)
      switchFromIdle(cpu)
    } else if !world.cpus[cpu].current.isNone {
      armSlice(cpu, at: now + graceOfRunning(before: task))
    }
  }

  mutating func switchFromIdle(_ cpu: CPUID) {
    world.cpus[cpu].attention &= ~CPU.wantsSwitch
    world.ticks.noteBusy(cpu, at: now)
    if world.ticks.next > now + world.ticks.jiffy { setAlarm(now) }
    if world.probe.isOn {
      let pid = world.tasks.all[world.cpus[cpu].runFirst].pid
      world.trace(.schedSwitch, on: cpu, a: UInt64(UInt32(pid)) << 32)
    }
    switchIn(on: cpu)
  }

  /// Asks `cpu` to yield: at once where it computes in a task, else at its next step boundary.
  private mutating func preempt(_ cpu: CPUID) {
    let isLazy =
      world.config.preemption == .lazy && world.cpus[cpu].yielding & CPU.isInUser == 0
    world.cpus[cpu].attention |= isLazy ? CPU.wantsSwitchLater : CPU.wantsSwitch
    if world.cpus[cpu].activity == .queuedForLock {
      return world.cpus[cpu].wantsSwitch ? yieldSpinning(on: cpu) : ()
    }
    guard world.cpus[cpu].isComputing, world.cpus[cpu].mustSwitch else { return }
    book(cpu, until: now)
    let left = queue.time(of: cpu.programLeaf) - now
    switchAway(from: cpu, pausing: .computing(left: left), nextState: .ready)
  }
}
