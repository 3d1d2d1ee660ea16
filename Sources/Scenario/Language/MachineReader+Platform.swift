import Hardware
import Kernel
import Topology

/// Reads how interrupts travel on the machine, and how its idle CPUs sleep.
extension MachineReader {
  /// `machine: apic:`, `guest:` and `idle:`.
  func platform(
    _ tree: Tree?, _ machine: MachineDescription?, _ config: KernelConfig?
  ) -> Platform {
    var platform = Platform()
    guard let tree, !tree.isNothing else { return platform }
    let isARM = config?.architecture.isARM == true
    if let value = word(tree["apic"], "apic", among: Platform.APIC.allCases.map(\.text)) {
      platform.apic = Platform.APIC.allCases.first { $0.text == value } ?? .x2apicCluster
      if isARM {
        findings.add(.machine, "a core of Arm has no APIC", at: tree["apic"]?.span)
      } else if platform.apic == .xapicFlat, let machine, machine.cpus.count > 8 {
        findings.add(
          .machine, "xapic-flat reaches 8 CPUs, and the machine has \(machine.cpus.count)",
          at: tree["apic"]?.span, label: "write xapic-physflat")
      }
    }
    if let value = word(tree["guest"], "guest", among: Platform.Guest.allCases.map(\.rawValue)) {
      platform.guest = Platform.Guest(rawValue: value) ?? .none
      if isARM, platform.guest != .none {
        findings.add(
          .notYet, "guests are emulated on x86", at: tree["guest"]?.span)
      }
    }
    if let value = word(tree["idle"], "idle", among: Platform.Idle.allCases.map(\.rawValue)) {
      platform.idle = Platform.Idle(rawValue: value) ?? .none
    }
    return platform
  }

  private func word(_ tree: Tree?, _ what: String, among names: [String]) -> String? {
    guard let tree, let text = reading.text(tree, what) else { return nil }
    if names.contains(text) { return text }
    findings.unknown(.machine, what, text, among: names, at: tree.span)
    return nil
  }
}
