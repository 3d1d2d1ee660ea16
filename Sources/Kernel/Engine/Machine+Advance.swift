import Hardware
import Simulation

/// How a CPU goes from one step to the next.
extension Machine {
  /// Lets the program of `cpu` run on to its next step that takes time.
  @inline(__always)
  mutating func advance(_ cpu: CPUID) {
    book(cpu, until: now)
    (world.now, world.queueTime) = (now, now)
    var reply = Reply.none
    switch world.cpus[cpu].activity {
    case .asking:
      guard let answer = resumeHeld(cpu) else { return }
      reply = answer
    case .switching: return finishSwitch(on: cpu)
    default:
      reply = world.cpus[cpu].answer.reply
      world.cpus[cpu].answer = .none
    }
    repeat {
      let top = Int(world.cpus[cpu].top)
      let step = frames[top].step(&world, on: cpu, reply)
      if world.hasComplaint { completeComplaints(on: cpu) }
      if world.cpus[cpu].attention != 0, mustLeave(cpu, holding: step) { return }
      guard let answer = performInOrder(step, on: cpu) else { return }
      reply = answer
    } while true
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
    guard world.cpus[cpu].mustSwitch else { return false }
    contexts[cpu.context(0)].held = step
    switchAway(from: cpu, pausing: .asking, nextState: .ready)
    return true
  }

  /// Performs `step` now, or holds it until the queue has come to where this CPU ran ahead to.
  @inline(__always)
  private mutating func performInOrder(_ step: Step, on cpu: CPUID) -> Reply? {
    if world.now == now { return perform(step, on: cpu) }
    switch step {
    case .ahead, .work, .run, .call: return perform(step, on: cpu)
    case .return:
      if frames[Int(world.cpus[cpu].top) &- 1].maySeeAhead,
        world.cpus[cpu].top &- 1 > world.cpus[cpu].base
      {
        return perform(step, on: cpu)
      }
    default: break
    }
    contexts[cpu.context(world.cpus[cpu].depth)].held = step
    schedule(cpu, at: world.now, .asking, as: world.cpus[cpu].category)
    return nil
  }

  /// How far `cpu` may run ahead of the queue: before anything that could reach it.
  @inline(__always)
  private func horizon(of cpu: CPUID) -> Instant {
    let soonest = min(queue.time(of: cpu.interruptLeaf), loose.firstTime)
    return min(min(now + reach, soonest), stretchEnd)
  }

  /// Computes for `length` and goes on at once if nothing can come between. Returns: the answer,
  /// or `nil` when it passes the queue.
  @inline(__always)
  mutating func runAhead(_ length: Duration, as category: TimeCategory, on cpu: CPUID) -> Reply? {
    let end = world.now + length
    mix(cpu, end, 1)
    guard runsAhead, end < horizon(of: cpu) else {
      schedule(cpu, at: end, .computing, as: category)
      return nil
    }
    accounting.book(length, category, world.cpus[cpu].path)
    world.cpus[cpu].since = end
    world.now = end
    return Reply.none
  }
}
