import Hardware
import Simulation

/// How a CPU goes from one step to the next.
extension Machine {
  /// Lets the program of `cpu` run on to its next step that takes time.
  @inline(__always)
  mutating func advance(_ cpu: CPUID) {
    book(cpu, until: now)
    (world.now, world.queueTime) = (now, now)
    world.runAhead.horizon = horizon(of: cpu)
    var step: Step
    switch world.cpus[cpu].activity {
    case .inTurn:
      var turn = Turn(world.cpus[cpu].turn)
      step = turn.run(&world, on: cpu)
      if case .run(let length) = step, isUndisturbed(cpu) { return think(length, on: cpu) }
      frames[Int(world.cpus[cpu].top)] = turn.frame
    case .asking:
      guard let answer = resumeHeld(cpu) else { return }
      step = nextStep(of: cpu, answer)
    case .switching: return finishSwitch(on: cpu)
    default:
      let answer = world.cpus[cpu].answer.reply
      world.cpus[cpu].answer = .none
      step = nextStep(of: cpu, answer)
    }
    while true {
      if case .enter(let callee) = step {
        push(callee, on: cpu)
        step = world.runAhead.firstStep
      }
      if world.hasComplaint { completeComplaints(on: cpu) }
      if world.cpus[cpu].attention != 0, mustLeave(cpu, holding: step) { return }
      guard let answer = performInOrder(step, on: cpu) else { return }
      step = nextStep(of: cpu, answer)
    }
  }

  /// Lets the top frame run on, `answer` being that to its last step.
  @inline(__always)
  private mutating func nextStep(of cpu: CPUID, _ answer: Reply) -> Step {
    frames[Int(world.cpus[cpu].top)].run(&world, on: cpu, answer)
  }

  @inline(__always)
  private func isUndisturbed(_ cpu: CPUID) -> Bool {
    world.cpus[cpu].attention == 0 && !world.hasComplaint
  }

  /// The turn of a thread ended in its own work, as most do, and the next begins where it did: of
  /// the record of the CPU, only its times change.
  @inline(__always)
  private mutating func think(_ length: Duration, on cpu: CPUID) {
    let end = world.now + length
    mix(cpu, end, CPU.Mixed.computes.rawValue)
    queue.set(cpu.programLeaf, end)
  }

  /// Performs the step that was held while something else ran here.
  private mutating func resumeHeld(_ cpu: CPUID) -> Reply? {
    let step = contexts[cpu.context(world.cpus[cpu].depth)].held
    if world.cpus[cpu].attention != 0, mustLeave(cpu, holding: step) { return nil }
    return perform(step, on: cpu)
  }

  /// Holds `step` if an interrupt or another task comes first. Returns: whether it does.
  @inline(never)
  private mutating func mustLeave(_ cpu: CPUID, holding step: Step) -> Bool {
    if world.cpus[cpu].mustTakeInterrupt {
      contexts[cpu.context(world.cpus[cpu].depth)].held = step
      takeInterrupt(on: cpu, pausing: .asking)
      return true
    }
    if case .condResched = step, world.config.preemption.yieldsOnRequest {
      world.cpus[cpu].yielding |= CPU.yieldsOnce
    }
    defer { world.cpus[cpu].yielding &= ~CPU.yieldsOnce }
    guard world.cpus[cpu].mayYield else { return false }
    if world.cpus[cpu].attention & CPU.wantsStopper != 0 {
      world.cpus[cpu].attention &= ~CPU.wantsStopper
      world.ticks.noteYield(cpu, at: now)
      world.rcu.noteSwitch(cpu)  // to that thread and back
    }
    guard world.cpus[cpu].wantsSwitch else { return false }
    contexts[cpu.context(0)].held = step
    switchAway(from: cpu, pausing: .asking, nextState: .ready)
    return true
  }

  /// Performs `step` now, or holds it until the queue has come to where this CPU ran ahead to.
  @inline(__always)
  private mutating func performInOrder(_ step: Step, on cpu: CPUID) -> Reply? {
    guard world.now == now || mayPrecedeQueue(step, on: cpu) else {
      contexts[cpu.context(world.cpus[cpu].depth)].held = step
      schedule(cpu, at: world.now, .asking, as: world.cpus[cpu].category)
      return nil
    }
    return perform(step, on: cpu)
  }

  /// Whether others see nothing of `step`: it computes, or goes between functions that do.
  @inline(__always)
  private func mayPrecedeQueue(_ step: Step, on cpu: CPUID) -> Bool {
    switch step {
    case .ahead, .elapse, .work, .run, .call: return true
    case .return:
      let below = world.cpus[cpu].top &- 1
      return below > world.cpus[cpu].base && frames[Int(below)].maySeeAhead
    default: return false
    }
  }

  /// How far `cpu` may run ahead of the queue: before anything that could reach it.
  @inline(__always)
  func horizon(of cpu: CPUID) -> Instant {
    guard world.runAhead.isOn else { return .zero }
    let soonest = min(queue.time(of: cpu.interruptLeaf), loose.firstTime)
    return min(min(now + reach, soonest), stretchEnd)
  }

  /// Computes for `length` and goes on at once if nothing can come between. Returns: the answer,
  /// or `nil` when it passes the queue.
  @inline(__always)
  mutating func runAhead(_ length: Duration, as category: TimeCategory, on cpu: CPUID) -> Reply? {
    if world.passes(length, as: category, on: cpu) { return Reply.none }
    let end = world.now + length
    mix(cpu, end, CPU.Mixed.computes.rawValue)
    schedule(cpu, at: end, .computing, as: category)
    return nil
  }
}
