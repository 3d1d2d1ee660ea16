import Hardware
import Kernel

/// One recording as text, and what lies beside it.
package struct Recording: Sendable {
  /// As messages and tables name it: its path as it was given.
  package var file: String
  package var text: String
  /// The name of the folder it lies in: `6.12-8c2n` names release, CPUs and nodes.
  package var folderName: String
  /// nodes.txt and sysctl.txt of its folder, or of that of --machine-dir.
  package var nodes: String?
  package var sysctl: String?
  /// Lines of the kernel's .config: `config*` of its folder, or `config_6.12.txt` beside that.
  package var config: String?

  package init(
    file: String, text: String, folderName: String = "", nodes: String? = nil,
    sysctl: String? = nil, config: String? = nil
  ) {
    (self.file, self.text, self.folderName) = (file, text, folderName)
    (self.nodes, self.sysctl, self.config) = (nodes, sysctl, config)
  }

  /// The file's name without folder and `.gz`.
  package var name: Substring {
    let name = file.split(separator: "/").last ?? ""
    return name.hasSuffix(".gz") ? name.dropLast(3) : name
  }

  /// What a file of this name holds, or nil. Only the zoneinfo whose marks were set anew follows
  /// the formulas, so in a folder the other one is passed over.
  package static func kind(of name: some StringProtocol) -> FileAgreement.Kind? {
    let plain = name.hasSuffix(".gz") ? String(name.dropLast(3)) : String(name)
    if plain.hasSuffix(".vec") { return .operations }
    if plain.hasPrefix("slab_params"), plain.hasSuffix(".csv") { return .caches }
    return plain.hasPrefix("zoneinfo") ? .zones : nil
  }
}

/// Compares recordings with what the emulated kernel answers.
package struct Verifier: Sendable {
  /// The release to compare with; nil: the one that the recording names.
  package var kernel: String?
  /// Zones and lists of free pages too, which depend on what else the machine did.
  package var comparesAll = false
  /// zoneinfo of --machine-dir: the managed pages of the machine that lists run on.
  package var zoneInfo: String?

  package init(kernel: String? = nil) { self.kernel = kernel }

  package func compare(_ recording: Recording) throws(RecordingError) -> FileAgreement {
    switch Recording.kind(of: recording.name) {
    case .operations: return try operations(recording)
    case .caches:
      return try CacheParameters.compare(
        recording.text, file: recording.file, machine: try machine(of: recording),
        version: try version(named(by: recording), recording.file, forSizes: true))
    case .zones:
      return try ZoneParameters.compare(
        recording.text, file: recording.file, machine: try machine(of: recording),
        settings: ZoneParameters.Settings(parsing: recording.sysctl ?? ""),
        version: try version(named(by: recording), recording.file, forSizes: true))
    case nil:
      throw RecordingError(
        .unknownKind, file: recording.file, "the name says no kind of recording",
        hint: "names are *.vec, slab_params*.csv and zoneinfo*, each with .gz or without")
    }
  }

  private func operations(_ recording: Recording) throws(RecordingError) -> FileAgreement {
    let list = try OperationList(parsing: recording.text, file: recording.file)
    let version = try version(list.guest.kernel, recording.file)
    let machine =
      try recording.nodes.map { text throws(RecordingError) in
        try RecordedMachine(parsing: text, file: "nodes.txt", memory: list.guest.memory)
      } ?? RecordedMachine(list.guest)
    guard machine.cpuCount == list.guest.cpuCount else {
      throw RecordingError(
        .machineUnknown, file: recording.file,
        "recorded on \(list.guest.cpuCount) CPUs, and nodes.txt has \(machine.cpuCount)",
        hint: "give the folder of the machine that it was recorded on")
    }
    let configuration =
      recording.config.map { RecordedConfiguration(parsing: $0) } ?? list.guest.configuration
    var run = OperationListRun(
      list, machine: machine.text, version: version, comparesAll: comparesAll)
    guard SlabKind.emulated.contains(configuration.slab) else {
      run.refuse(list.operations[0], because: "CONFIG_\(configuration.slab.name.uppercased())")
      return run.agreement
    }
    var guest = EmulatedGuest(try boot(machine, version, list, configuration))
    guest.take(past: RecordedPast(list))
    try run.run(on: &guest)
    return run.agreement
  }

  /// What the recorded kernel booted with: its configuration, huge pages off, one GiB of memory
  /// below 4 GiB, and as many managed pages as zoneinfo or the list itself says, or are known.
  private func boot(
    _ machine: RecordedMachine, _ version: KernelVersion, _ list: OperationList,
    _ configuration: RecordedConfiguration
  ) throws(RecordingError) -> Boot {
    var config = configuration.kernelConfig
    config.lowMemoryEnd = RecordedMachine.guestLowMemoryEnd
    if let zoneInfo {
      config.managedPages = try ZoneInfo(parsing: zoneInfo, file: "zoneinfo").zones
        .filter { $0["managed"] > 0 }
        .map { .init(node: $0.node, zone: $0.name, pages: $0["managed"]) }
    } else {
      let known = KnownGuest.managedPages(
        of: machine, kernel: list.guest.kernel, slab: configuration.slab)
      let printed = list.managedPages
      // What the list prints goes before; zones that it does not print are as known.
      config.managedPages = known + printed
    }
    let costs: Costs
    do {
      costs = try CostFile.named("generic-x86")
    } catch {
      throw RecordingError(
        .impossible, file: list.file, "the bundled cost file is damaged",
        hint: "this is an error of kmemu; please report it")
    }
    return Boot(machine: machine.description, version: version, costs: costs, config: config)
  }

  /// What folder or file name says of the release: `6.12-8c2n`, `slab_params-6.12-8c2n.csv`.
  private func named(by recording: Recording) -> String? {
    let file = recording.name.split(separator: "-").dropFirst().joined(separator: "-")
    return [recording.folderName, file].first {
      KernelNumber($0) != nil && RecordedMachine(folderName: Self.stem($0)) != nil
    }
  }

  private static func stem(_ name: String) -> Substring {
    name.hasSuffix(".csv") ? name.dropLast(4) : name[...]
  }

  private func machine(of recording: Recording) throws(RecordingError) -> RecordedMachine {
    if let nodes = recording.nodes {
      return try RecordedMachine(parsing: nodes, file: "nodes.txt")
    }
    for name in [recording.folderName[...], Self.stem(String(recording.name))] {
      if let machine = RecordedMachine(folderName: name) { return machine }
    }
    throw RecordingError(
      .machineUnknown, file: recording.file, "nothing says on which machine this was recorded",
      hint: "give --machine-dir a folder with a nodes.txt, or keep the file in one")
  }

  /// The emulated release for a recorded one.
  ///
  /// `forSizes`: only its formulas are asked for, not its paths.
  private func version(
    _ recorded: String?, _ file: String, forSizes: Bool = false
  ) throws(RecordingError) -> KernelVersion {
    guard let wanted = kernel ?? recorded else {
      throw RecordingError(
        .kernelUnknown, file: file, "nothing says which kernel answered here",
        hint: "give --kernel one of \(KernelVersion.range)")
    }
    let release = KernelNumber(wanted)?.release.text ?? wanted
    let found = forSizes ? KernelVersion(sizesOf: release) : KernelVersion(named: release)
    if let found { return found }
    throw RecordingError(
      .kernelUnknown, file: file, "this version does not emulate Linux \(wanted)",
      hint: "there is \(KernelVersion.range); --kernel chooses one of them")
  }
}
