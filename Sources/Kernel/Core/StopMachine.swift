import Hardware
import Simulation

/// The state that all stoppers of a `stop_machine()` go through together.
///
/// Kernel: `struct multi_stop_data` (kernel/stop_machine.c, 6.12). Invariant: nobody is in a phase
/// before all have come to the end of the one before. Not modelled: `stop_one_cpu()`, queues of
/// several stops (one at a time, under a mutex).
package struct StopMachineState: ~Copyable {
  package enum Phase: UInt8, BitwiseCopyable { case idle, prepare, disableIRQs, run, exit }
  struct State: BitwiseCopyable {
    var phase = Phase.idle
    /// The handler: a place in `Program.deferred`.
    var item: UInt16 = 0
    /// Stoppers that have come to the end of the phase.
    var acks: Int32 = 0
    var caller = TaskID.none
    var lock = LockID.none
    var line = LineID.none
  }
  private var state: Buffer<State>
  /// The thread of each CPU, made when it is first needed. Kernel: `migration/3`.
  var stoppers: Buffer<TaskID>

  var now: State {
    get { state[0] }
    set { state[0] = newValue }
  }

  init(cpuCount: Int) {
    state = Buffer(1, State())
    stoppers = Buffer(cpuCount, .none)
  }
  private init(cloning other: borrowing StopMachineState) {
    state = other.state.clone()
    stoppers = other.stoppers.clone()
  }
  func clone() -> StopMachineState { StopMachineState(cloning: self) }

  var byteCount: Int { stoppers.byteCount }

  /// A stopper has come to the end of a phase. Returns: whether it was the last, so that the next
  /// begins. Kernel: `ack_state()`.
  mutating func ack() -> Bool {
    state[0].acks += 1
    guard Int(state[0].acks) == stoppers.count else { return false }
    state[0].acks = 0
    state[0].phase = Phase(rawValue: state[0].phase.rawValue + 1) ?? .idle
    return true
  }
}

/// Stops all CPUs with interrupts off while one of them runs a function.
///
/// Kernel: `stop_machine()` (kernel/stop_machine.c, 6.12).
package enum StopMachine: Path {
  case start(UInt16)
  case locked(UInt16)
  case woken(next: Int32)
  case waiting
  case unlocked

  package static var name: PathName { .stop_machine }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let item):
      world.mightSleep(on: cpu, "stop_machine() sleeps until all CPUs have stopped")
      guard world.cpus[cpu].maySleep else { return .return() }
      if world.stop.now.lock.isNone {
        world.stop.now.lock = world.locks.make(
          .stopCPUs, name: "stop_cpus_mutex", lines: &world.lines)
        world.stop.now.line = world.lines.make()
      }
      return ask(.acquire(world.stop.now.lock), then: .locked(item))
    case .locked(let item):
      world.stop.now.item = item
      world.stop.now.phase = .prepare
      world.stop.now.caller = world.cpus[cpu].current
      // Or its own stopper would come before the others were woken.
      return ask(.disable(.preemption), then: .woken(next: 0))
    case .woken(let next): return wake(Int(next), &world)
    case .waiting:
      guard world.stop.now.phase == .idle else { return .block }
      return ask(.release(world.stop.now.lock), then: .unlocked)
    case .unlocked: return .return()
    }
  }

  private mutating func wake(_ target: Int, _ world: inout World) -> Step {
    guard target < world.layout.cpuCount else {
      return ask(.enable(.preemption), then: .waiting)
    }
    return ask(.wake(world.stopper(of: CPUID(target))), then: .woken(next: Int32(target + 1)))
  }
}

/// The stopper of a CPU, before which every other task gives way.
///
/// Kernel: `cpu_stopper_thread()`, `multi_cpu_stop()` (kernel/stop_machine.c, 6.12): the first CPU
/// runs the function.
package enum CPUStopper: Path {
  case start
  case preemptionOff
  case spinning(StopMachineState.Phase)
  case acked(StopMachineState.Phase)
  case telling(next: Int32, StopMachineState.Phase)
  case irqsOff
  case ran
  case irqsOn
  case woken
  case preemptionOn

  package static var name: PathName { .multi_cpu_stop }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      guard world.stop.now.phase == .prepare else { return .block }
      return ask(.disable(.preemption), then: .preemptionOff)
    case .preemptionOff: return end(of: .prepare, &world)
    case .spinning(let phase):
      guard world.stop.now.phase != phase else { return .awaitSignal }
      return enter(world.stop.now.phase, &world, cpu)
    case .acked(let phase):
      return world.stop.ack()
        ? tell(0, phase, &world, cpu) : ask(.sync, then: .spinning(phase))
    case .telling(let next, let phase): return tell(Int(next), phase, &world, cpu)
    case .irqsOff: return end(of: .disableIRQs, &world)
    case .ran: return end(of: .run, &world)
    case .irqsOn:
      // The last one out says so.
      world.stop.now.acks += 1
      guard Int(world.stop.now.acks) == world.layout.cpuCount else {
        return ask(.enable(.preemption), then: .preemptionOn)
      }
      world.stop.now.acks = 0
      world.stop.now.phase = .idle
      return ask(.wake(world.stop.now.caller), then: .woken)
    case .woken: return ask(.enable(.preemption), then: .preemptionOn)
    case .preemptionOn:
      self = .start
      return step(&world, on: cpu, .none)
    }
  }

  private mutating func enter(
    _ phase: StopMachineState.Phase, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    switch phase {
    case .disableIRQs: return ask(.disable(.irqs), then: .irqsOff)
    case .run where cpu.index == 0:
      return ask(
        .call(.program(.deferred(world.stop.now.item))), then: .ran)
    case .run: return end(of: .run, &world)
    default: return ask(.enable(.irqs), then: .irqsOn)
    }
  }

  /// Says that it has come to the end of `phase`, on the line that all of them watch.
  private mutating func end(of phase: StopMachineState.Phase, _ world: inout World) -> Step {
    ask(.touch(world.stop.now.line), then: .acked(phase))
  }

  /// The line's news reaches the others.
  private mutating func tell(
    _ target: Int, _ phase: StopMachineState.Phase, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard target < world.layout.cpuCount else { return ask(.sync, then: .spinning(phase)) }
    guard target != cpu.index else { return tell(target + 1, phase, &world, cpu) }
    return ask(.signal(CPUID(target)), then: .telling(next: Int32(target + 1), phase))
  }
}

extension World {
  /// The stopper of `cpu`, made when it is first needed.
  mutating func stopper(of cpu: CPUID) -> TaskID {
    if stop.stoppers[cpu.index].isNone {
      let task = tasks.make(
        "migration/\(cpu.index)", on: cpu, isKernelThread: true, entry: .cpuStopper(.start))
      tasks.all[task].isUrgent = true
      stop.stoppers[cpu.index] = task
    }
    return stop.stoppers[cpu.index]
  }
}
