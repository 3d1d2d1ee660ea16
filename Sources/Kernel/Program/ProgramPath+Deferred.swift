import Simulation

/// Steps that put work off.
extension ProgramPath {
  mutating func putOff(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ place: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    // Whether something is pending is everybody's to change.
    if world.isAhead { return again(id, place, &world) }
    world.program.activations[id].began = world.now
    switch op {
    case .scheduleWork(let item, let target, let operation):
      return schedule(
        Int(item), on: target < 0 ? cpu : CPUID(Int(target)),
        then: .calling(id, operation: operation), &world)
    case .scheduleDelayed(let item, let delay):
      let record = world.program.deferred[Int(item)]
      guard !record.isPending else { return ask(.sync, then: .go(id)) }
      world.program.deferred[Int(item)].isPending = true
      return arm(Int(item), delay, id, &world, cpu)
    case .modTimer(let timer, let delay): return arm(Int(timer), delay, id, &world, cpu)
    case .flushWork(let item, let operation):
      world.mightSleep(on: cpu, "flush_work() sleeps until the item has run")
      let on = world.program.deferred[Int(item)].cpu
      guard !on.isNone, world.cpus[cpu].maySleep else { return ask(.sync, then: .go(id)) }
      return ask(
        .call(.flushWork(.start(.workload(UInt16(item)), on: on))),
        then: .calling(id, operation: operation))
    case .taskletSchedule(let tasklet):
      guard !world.program.deferred[Int(tasklet)].isPending else {
        return ask(.sync, then: .go(id))
      }
      world.program.schedule(tasklet: Int(tasklet), on: cpu)
      let isHi = world.program.deferred[Int(tasklet)].kind == .hiTasklet
      return ask(.raise(isHi ? .hi : .tasklet), then: .raised(id))
    case .stopMachine(let item, let operation):
      return ask(
        .call(.stopMachine(.start(UInt16(item)))), then: .calling(id, operation: operation))
    default: return ask(.sync, then: .go(id))
    }
  }

  /// Queues a work item, where it runs if it does: it never runs twice at a time. Kernel:
  /// `__queue_work()` (kernel/workqueue.c, 6.12).
  private mutating func schedule(
    _ item: Int, on target: CPUID, then place: ProgramPath, _ world: inout World
  ) -> Step {
    guard !world.program.deferred[item].isPending else { return ask(.sync, then: place) }
    let last = world.program.deferred[item].cpu
    let isRunning = !last.isNone && world.work.isRunning(.workload(UInt16(item)), on: last)
    let target = isRunning ? last : target
    world.program.deferred[item].isPending = true
    world.program.deferred[item].cpu = target
    return ask(.queueWork(.workload(UInt16(item)), on: target), then: place)
  }

  private mutating func arm(
    _ item: Int, _ delay: Int32, _ id: ID<ProgramState.Activation>, _ world: inout World,
    _ cpu: CPUID
  ) -> Step {
    var stream = world.program.activations[id].stream
    let delay = Duration(picoseconds: world.program.draw(delay, &stream))
    world.program.activations[id].stream = stream
    if delay == .zero, world.program.deferred[item].kind == .work {
      world.program.deferred[item].isPending = false
      return schedule(item, on: cpu, then: .go(id), &world)
    }
    let expires = TimerWheel.expiry(
      at: world.now, delay: delay, jiffy: world.ticks.jiffy,
      roundsUp: world.version.scheduler.roundsTimersUp)
    world.program.deferred[item].cpu = cpu
    world.program.deferred[item].expires = expires
    guard expires < world.ticks.next else { return ask(.sync, then: .go(id)) }
    return ask(.alarm(expires), then: .go(id))
  }

  /// A softirq that was raised in a task waits for nobody: ksoftirqd runs it. Kernel:
  /// `raise_softirq_irqoff()` (kernel/softirq.c, 6.12).
  mutating func wakeKsoftirqd(
    _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !world.cpus[cpu].preemptCount.inInterrupt else { return ask(.sync, then: .go(id)) }
    return ask(.wake(world.ksoftirqd(of: cpu)), then: .go(id))
  }

  /// The handler of a work item, timer or tasklet, from its beginning.
  mutating func beginDeferred(_ index: UInt16, _ world: inout World) -> Step {
    let record = world.program.deferred[Int(index)]
    if record.kind == .work { world.program.deferred[Int(index)].isPending = false }
    world.program.activations[record.activation].place = record.entry
    return ask(.sync, then: .go(record.activation))
  }
}

/// Runs the timers of a CPU that have expired, or its tasklets, and then what devices hang on the
/// same vector.
///
/// Kernel: `run_timer_softirq()` (kernel/time/timer.c, 6.12), `tasklet_action_common()`
/// (kernel/softirq.c, 6.12): those that were scheduled by then; one that runs elsewhere is put back.
package enum DeferredSoftIRQ: Path {
  case start(SoftIRQ)
  case timers(SoftIRQ)
  case tasklets(SoftIRQ, upTo: UInt32)
  case ran(SoftIRQ, tasklet: UInt16, upTo: UInt32)
  case others

  package static var name: PathName { .run_timer_softirq }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(.timer), .timers: return expire(&world, cpu)
    case .start(let vector):
      return run(vector, upTo: world.program.taskletOrder, &world, cpu)
    case .tasklets(let vector, let last): return run(vector, upTo: last, &world, cpu)
    case .ran(let vector, let tasklet, let last):
      world.program.deferred[Int(tasklet)].isRunning = false
      return run(vector, upTo: last, &world, cpu)
    case .others: return .return()
    }
  }

  private mutating func expire(_ world: inout World, _ cpu: CPUID) -> Step {
    guard let timer = world.program.dueTimer(of: cpu, at: world.now) else {
      return handOn(.timer, &world)
    }
    world.program.deferred[timer].expires = .never
    let step: Step =
      world.program.deferred[timer].kind == .work
      ? .queueWork(.workload(UInt16(timer)), on: cpu)
      : .call(.program(.deferred(UInt16(timer))))
    return ask(step, then: .timers(.timer))
  }

  private mutating func run(
    _ vector: SoftIRQ, upTo last: UInt32, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let kind: Program.Deferred.Kind = vector == .hi ? .hiTasklet : .tasklet
    guard let tasklet = world.program.nextTasklet(of: cpu, kind, upTo: last) else {
      return handOn(vector, &world)
    }
    guard !world.program.deferred[tasklet].isRunning else {
      world.program.schedule(tasklet: tasklet, on: cpu)
      return ask(.raise(vector), then: .tasklets(vector, upTo: last))
    }
    world.program.deferred[tasklet].isPending = false
    world.program.deferred[tasklet].isRunning = true
    return ask(
      .call(.program(.deferred(UInt16(tasklet)))),
      then: .ran(vector, tasklet: UInt16(tasklet), upTo: last))
  }

  private mutating func handOn(_ vector: SoftIRQ, _ world: inout World) -> Step {
    guard world.program.hasSources else { return .return() }
    return ask(.call(.program(.softirq(vector))), then: .others)
  }
}
