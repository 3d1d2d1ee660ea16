import Run
import Simulation

@testable import Kernel

/// Finds the first event in which two machines part, by halving the time between a state that is
/// equal and one that is not: machines are values, so each half begins with a clone.
enum Divergence {
  /// - Returns: when, on which CPU and in which functions; nil if they agree until `end`.
  static func find(_ one: consuming Machine, _ other: consuming Machine, until end: Instant)
    -> String?
  {
    var a = one
    var b = other
    var (low, high) = (Instant.zero, end)
    // From here on: equal at `low`, different at `high`.
    while high.picoseconds - low.picoseconds > 1 {
      let middle = Instant(
        picoseconds: low.picoseconds + (high.picoseconds - low.picoseconds) / 2)
      var c = a.clone()
      var d = b.clone()
      _ = c.run(until: middle)
      _ = d.run(until: middle)
      if c.fingerprint == d.fingerprint {
        a = c.clone()
        b = d.clone()
        low = middle
      } else {
        high = middle
      }
    }
    _ = a.run(until: high)
    _ = b.run(until: high)
    for cpu in (0..<a.cpuCount).map({ CPUID($0) })
    where a.world.cpus[cpu].fingerprint.value != b.world.cpus[cpu].fingerprint.value {
      return "the first different step is asked for by CPU \(cpu.index) at "
        + "\(high.picoseconds) ps: \(describe(a, cpu)) against \(describe(b, cpu))"
    }
    return nil
  }

  /// `kmalloc > __kmem_cache_alloc_node, in task storm/1, until 1234 ps`.
  private static func describe(_ machine: borrowing Machine, _ cpu: CPUID) -> String {
    let chain = machine.callChain(of: cpu).joined(separator: " > ")
    let until = machine.queue.time(of: cpu.programLeaf)
    let end = until == .never ? "waiting" : "until \(until.picoseconds) ps"
    return "\(chain.isEmpty ? "idle" : chain) (\(machine.describeContext(of: cpu)), \(end))"
  }

  /// A machine at time 0 with the plan's workload.
  static func machine(_ plan: RunPlan, runsAhead: Bool = true) -> Machine {
    var machine = Machine(plan.boot, runsAhead: runsAhead)
    machine.load(plan.program, seed: plan.settings.seed)
    return machine
  }
}
