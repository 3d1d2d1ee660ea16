import Hardware
import Kernel
import Topology

/// Reads which core the machine has, and what the kernel is built for.
extension MachineReader {
  /// The core that `machine: cpu:` names, bundled or a file; nil where none is named, or after a
  /// finding.
  func cpu(_ tree: Tree?) -> CPUModel? {
    guard let tree, !tree.isNothing, let named = tree["cpu"] else { return nil }
    guard let text = reading.text(named, "cpu") else { return nil }
    do {
      if text.hasPrefix("file:") { return try cpu(file: String(text.dropFirst(5)), named) }
      guard let bundled = CPUFile.bundled.first(where: { $0.name == text }) else {
        findings.unknown(
          .machine, "core", text, among: CPUFile.bundled.map(\.name), at: named.span,
          notes: ["a file of your own: `cpu: file:NAME.cpu`"])
        return nil
      }
      return try CPUFile.parse(bundled.text, name: text)
    } catch {
      let place = error.line > 0 ? ", line \(error.line)" : ""
      findings.add(
        .machine, "\(Spelling.shown(text))\(place): \(error.message)", at: named.span)
      return nil
    }
  }

  private func cpu(file: String, _ tree: Tree) throws(CostError) -> CPUModel? {
    let isPlain = folder.isEmpty || file.hasPrefix("/")
    switch readFile(isPlain ? file : "\(folder)/\(file)") {
    case .failure(let failure):
      findings.add(.machine, "cannot read \(file): \(failure.reason)", at: tree.span)
      return nil
    case .success(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else {
        findings.add(.machine, "\(file) is not UTF-8 text", at: tree.span)
        return nil
      }
      return try CPUFile.parse(text, name: file.split(separator: "/").last.map(String.init) ?? file)
    }
  }

  /// `kernel: architecture:` and `va-bits:`.
  func readArchitecture(_ map: Tree, _ cpu: CPUModel?, _ config: inout KernelConfig) {
    if let tree = map["architecture"], let text = reading.text(tree, "architecture") {
      let names = Architecture.Name.allCases.map(\.text)
      if let name = Architecture.Name(text: text) {
        config.architecture = name
        if let cpu, !cpu.runs(name) {
          findings.add(
            .kernel, "a kernel for \(text) does not run on \(cpu.name)", at: tree.span,
            label: "it is a core of \(cpu.architecture.text)")
        }
      } else {
        findings.unknown(.kernel, "architecture", text, among: names, at: tree.span)
      }
    }
    if let tree = map["va-bits"] {
      config.addressBits = reading.integer(tree, "va-bits", 32...57)
    }
  }

  /// `pti: on` where no kernel has it.
  func checkPTI(_ version: KernelVersion, _ config: KernelConfig, _ tree: Tree?) {
    guard config.pti == true, !Boot.knowsPTI(version, config.architecture) else { return }
    findings.add(
      .kernel, "Linux \(version.name) for \(config.architecture.text) has no PTI",
      at: tree?["pti"]?.span ?? tree?.span, label: "it came with 4.15, on x86")
  }

  /// `preempt:` and `hz:`, as configured or told at boot.
  func readScheduling(_ tree: Tree?, _ version: KernelVersion, _ config: inout KernelConfig) {
    if let tree = tree?["hz"], let hz = reading.integer(tree, "hz", 1...10_000) {
      if [100, 250, 300, 1000].contains(hz) {
        config.hz = hz
      } else {
        findings.add(
          .range, "hz is 100, 250, 300 or 1000", at: tree.span, label: "as CONFIG_HZ offers them")
      }
    }
    let models = PreemptionModel.allCases
    guard let tree = tree?["preempt"],
      let word = reading.word(tree, "preempt", among: models.map(\.text)),
      let model = models.first(where: { $0.text == word })
    else { return }
    config.preemption = model
    guard !model.exists(in: version) else { return }
    let (first, end) = model.releases
    findings.add(
      .kernel, "Linux \(version.name) cannot have preempt: \(word)", at: tree.span,
      label: end.map { "it was there from \(first) until \($0)" } ?? "it came with \(first)")
  }

  /// A 32-bit kernel reaches only so much memory.
  func checkMemory(_ machine: MachineDescription, _ config: KernelConfig, _ tree: Tree?) {
    let most = config.architecture.memoryMax
    guard machine.memoryBytes > most else { return }
    findings.add(
      .machine,
      "\(config.architecture.text) reaches \(most >> 30) GiB of memory, and the machine has more",
      at: tree?["memory"]?.span ?? tree?.span, label: "write `memory: \(most >> 30)GiB` or less")
  }

  /// Whether the release could be built so.
  func isBuilt(_ version: KernelVersion, _ config: KernelConfig, _ tree: Tree) -> Bool {
    if Architecture(config.architecture, bits: config.addressBits, in: version, memory: 0) != nil {
      return true
    }
    let name = config.architecture
    let wanted = config.addressBits.map { " with \($0) bits of address" } ?? ""
    findings.add(
      .kernel, "Linux \(version.name) has no kernel for \(name.text)\(wanted)", at: tree.span,
      label: "\(name.text): bits of address \(Architecture.firstRelease(of: name))")
    return false
  }
}
