import Run

extension ProcFiles {
  /// The first number of a device's own vector where legacy ones are taken: an MSI of a PC.
  private static let firstDeviceIRQ = 24
  /// Rows of the architecture. Kernel: `arch_show_interrupts()`, arch/x86/kernel/irq.c (6.12).
  private static let ownRows = [
    ("NMI", "Non-maskable interrupts"), ("LOC", "Local timer interrupts"),
    ("SPU", "Spurious interrupts"), ("PMI", "Performance monitoring interrupts"),
    ("IWI", "IRQ work interrupts"), ("RTR", "APIC ICR read retries"),
    ("RES", "Rescheduling interrupts"), ("CAL", "Function call interrupts"),
    ("TLB", "TLB shootdowns"), ("TRM", "Thermal event interrupts"),
    ("THR", "Threshold APIC interrupts"), ("DFR", "Deferred Error APIC interrupts"),
    ("MCE", "Machine check exceptions"), ("MCP", "Machine check polls"),
  ]
  private static let postedRows = [
    ("PIN", "Posted-interrupt notification event"), ("NPI", "Nested posted-interrupt event"),
    ("PIW", "Posted-interrupt wakeup event"),
  ]

  /// `/proc/interrupts`: a row for each device of the scenario, then the architecture's.
  ///
  /// Kernel: `show_interrupts()`, kernel/irq/proc.c (6.12). Calls for `vfree`'s flush are function
  /// calls: the row `TLB` counts flushes of user address spaces only.
  package static func interrupts(_ result: RunResult) -> String {
    let cpus = result.machine.cpus
    var text = String(repeating: " ", count: 11)
    for cpu in 0..<cpus { text += "CPU" + left(cpu, 8) }
    text += "\n"
    for (index, source) in result.interrupts.sources.enumerated() {
      text += "\(right(firstDeviceIRQ + index, 3)): "
      text += counts(source.handledByCpu, cpus)
      text += "   PCI-MSI \(right(index, 3))-\(left("edge", 8))  \(source.name)\n"
    }
    func rows(_ all: [(String, String)]) -> String {
      all.map { name, title in
        let values: [UInt64] =
          name == "CAL"
          ? result.interrupts.callFunctionByCpu
          : name == "RES" ? result.interrupts.rescheduleByCpu : []
        return "\(name): " + counts(values, cpus) + "  \(title)\n"
      }.joined()
    }
    text += rows(ownRows)
    text += "ERR: \(right(0, 10))\nMIS: \(right(0, 10))\n"
    return text + rows(postedRows)
  }

  /// `%10u ` for each CPU.
  private static func counts(_ values: [UInt64], _ cpus: Int) -> String {
    (0..<cpus).map { right($0 < values.count ? values[$0] : 0, 10) + " " }.joined()
  }
}
