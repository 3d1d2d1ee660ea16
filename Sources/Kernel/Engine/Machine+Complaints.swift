import Simulation

/// Turns what a path raised in the middle of a step into a report with context and call chain.
extension Machine {
  @inline(never)
  mutating func completeComplaints(on cpu: CPUID) {
    for raised in world.complaints.raised {
      guard let kind = raised.kind else {
        world.complaints.warningCount += 1
        if world.complaints.warnings.count < Complaints.keptMax {
          world.complaints.warnings.append(
            Warning(cpu: cpu.index, time: world.now, message: raised.message))
        }
        continue
      }
      world.complaints.add(
        Violation(
          kind: kind, headline: headline(kind, raised.message, on: cpu), cpu: cpu.index,
          time: world.now, context: describeContext(of: cpu),
          path: callChain(of: cpu), message: raised.message))
    }
    world.complaints.raised.removeAll()
    world.hasComplaint = false
  }

  /// The functions of the running context, outermost first.
  func callChain(of cpu: CPUID) -> [String] {
    let base = Int(contexts[cpu.context(world.cpus[cpu].depth)].base)
    let top = Int(world.cpus[cpu].top)
    guard top > base else { return [] }
    return (base + 1...top).map { frames[$0].name.text }
  }

  /// `in softirq, interrupted thread reader`.
  func describeContext(of cpu: CPUID) -> String {
    let task = world.tasks.name(of: world.cpus[cpu].current)
    let count = world.cpus[cpu].preemptCount
    var notes: [String] = []
    if world.cpus[cpu].depth == 0 {
      notes.append("in task \(task)")
    } else {
      let level = contexts[cpu.context(world.cpus[cpu].depth)].level
      notes.append("in \(level), interrupted \(task)")
    }
    if world.cpus[cpu].irqsOff > 0 { notes.append("interrupts off") }
    notes.append("preempt_count \(String(count.bits, radix: 16))")
    return notes.joined(separator: ", ")
  }
}
