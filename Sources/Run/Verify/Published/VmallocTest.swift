import Hardware
import Kernel
import Simulation

/// Times the loops of lib/test_vmalloc.c on one CPU of an emulated machine.
///
/// Freed areas pile up to `lazy_max_pages`, and one purge sees to all: so a loop is timed from purge
/// to purge, after the first, when pools hold what they hold from then on.
package struct VmallocTest: Sendable {
  private let boot: Boot
  private let threadAlignShift: UInt8

  package init(
    kernel: KernelVersion, cpus: [Int], memory: UInt64, costs: Costs, cpu: CPUModel? = nil,
    threadAlignShift: UInt8 = 15
  ) {
    var (nodes, first) = ([[Int]](), 0)
    for count in cpus {
      nodes.append(Array(first..<first + count))
      first += count
    }
    var config = KernelConfig()
    config.memcg = false
    if let cpu { config.architecture = cpu.architecture }
    boot = Boot(
      machine: RecordedMachine(nodes: nodes, memory: memory).description, version: kernel,
      cpu: cpu, costs: costs, config: config)
    self.threadAlignShift = threadAlignShift
  }

  /// Turns from one purge to the next.
  private func period(_ loop: VmallocLoop) -> Int {
    if case .vmMapRAM = loop { return 4096 }
    return Int((Double(LazyMax.pages(onlineCPUs: boot.cpuCount)) / loop.lazyPages).rounded(.up))
  }

  /// What one turn takes on one CPU, on average. Unit: ns.
  package func nanoseconds(_ loop: VmallocLoop) -> Double {
    let (turns, lazyMax) = (period(loop), LazyMax.pages(onlineCPUs: boot.cpuCount))
    let build = VmallocProgram.Build(fullFit: 2 * lazyMax, threadAlignShift: threadAlignShift)
    return run([loop], on: [0], warmup: turns + 64, turns: turns, build).nanoseconds
  }

  /// What one turn of all loops takes on each CPU while the others do the same, on average, and the
  /// share of these CPUs' time that is spent waiting for locks.
  package func concurrent(
    _ loops: [VmallocLoop], on cpus: Range<Int>, warmup: Int, turns: Int, built: Int = 0
  ) -> (nanoseconds: Double, lockWaitShare: Double) {
    let build = VmallocProgram.Build(fullFit: built, longBusyList: built)
    return run(loops, on: Array(cpus), warmup: warmup, turns: turns, build)
  }

  private func run(
    _ loops: [VmallocLoop], on cpus: [Int], warmup: Int, turns: Int, _ build: VmallocProgram.Build
  ) -> (nanoseconds: Double, lockWaitShare: Double) {
    let program = VmallocProgram(loops, on: cpus, warmup: warmup, turns: turns, build)
    // The clock is read between events, so nobody may be ahead of it.
    var machine = Machine(boot, runsAhead: false)
    machine.load(program.program, seed: 1)
    func run(to mark: Int) {
      while machine.world.program.counters[0] < UInt64(mark) {
        let halt = machine.run(events: 1)
        if halt == .nothingLeft || halt == .deadlock { break }
      }
    }
    run(to: cpus.count)
    machine.settle(at: machine.now)
    machine.beginMeasuring()
    let begin = machine.now
    // Counted from the start again.
    run(to: cpus.count)
    machine.settle(at: machine.now)
    let length = Double((machine.now - begin).picoseconds)
    let waited = Double(machine.accounting.spent(in: .lockWait).picoseconds)
    return (length / 1000 / Double(turns), waited / (length * Double(cpus.count)))
  }
}
