/// The thread that runs a device's handler on a CPU, where interrupts are threaded: in a task, with
/// interrupts on. What softirqs it raises ksoftirqd runs.
///
/// Kernel: `irq_thread()`, `irq_forced_thread_fn()` (kernel/irq/manage.c, 6.12) with CONFIG_PREEMPT_RT.
/// Not modelled: its priority; that it runs softirqs itself where it enables bottom halves again.
package enum IRQThread: Path {
  case start(source: UInt8)

  package static var name: PathName { .irq_thread }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let source):
      let bit: UInt32 = 1 << UInt32(source)
      guard world.tasks.threadedIRQs[cpu.index] & bit != 0 else { return .block }
      world.tasks.threadedIRQs[cpu.index] &= ~bit
      return ask(.call(world.hardirqFrame(Int(source), on: cpu)), then: .start(source: source))
    }
  }
}

extension World {
  /// Leaves a device's interrupt to its thread. Returns: the thread, to be woken.
  mutating func deferToThread(_ source: UInt8, on cpu: CPUID) -> TaskID {
    tasks.threadedIRQs[cpu.index] |= 1 << UInt32(source)
    let place = cpu.index * Tasks.irqThreadsMax + Int(source)
    if tasks.irqThreads[place].isNone {
      tasks.irqThreads[place] = tasks.make(
        "irq/\(source)", on: cpu, isKernelThread: true, entry: .irqThread(.start(source: source)))
    }
    return tasks.irqThreads[place]
  }
}
