import Kernel

/// How a recorded kernel was built and booted: what its allocator's answers depend on and its
/// release does not say.
package struct RecordedConfiguration: Sendable, Equatable {
  package var slab = SlabKind.slub
  /// CONFIG_MEMCG.
  package var memcg = true
  /// CONFIG_SLAB_FREELIST_RANDOM.
  package var freelistRandom = true
  /// CONFIG_TRANSPARENT_HUGEPAGE and not `transparent_hugepage=never`, which the guests had.
  package var transparentHugePages = false

  /// Which figures of a list follow from it, and not from what the kernel did before.
  package enum Firm: Sendable, Equatable {
    case all
    /// What a set holds, and everything behind the list's last free. SLOB shares pages between all
    /// callers and nodes, so what else a list gets depends on the holes that others left.
    case heldAndAfterLastFree
  }
  package var firm: Firm { slab == .slob ? .heldAndAfterLastFree : .all }
  /// CONFIG_NR_CPUS.
  package var possibleCPUs = 8192

  package init() {}

  /// The small configuration of the guests with SLAB and SLOB. Source: config_6.1slab.txt and
  /// config_6.1slob.txt of the ground truth recordings, 6.1.192.
  package static func small(_ slab: SlabKind) -> RecordedConfiguration {
    var small = RecordedConfiguration()
    (small.slab, small.memcg, small.freelistRandom) = (slab, false, false)
    small.possibleCPUs = 64
    return small
  }

  /// Reads lines of a kernel's .config: `CONFIG_SLUB=y`, `# CONFIG_SLAB is not set`. What it does
  /// not say stays as it is built by default.
  package init(parsing text: String) {
    for (_, line) in TextLines(text: text) {
      let isOff = line.hasPrefix("# CONFIG_") && line.hasSuffix(" is not set")
      let name = isOff ? line.dropFirst(2).prefix { $0 != " " } : line.prefix { $0 != "=" }
      let isOn = !isOff && line.dropFirst(name.count) == "=y"
      if name == "CONFIG_NR_CPUS", let count = Int(line.dropFirst(name.count + 1)) {
        possibleCPUs = min(max(count, 1), 1 << 16)
      }
      guard isOff || isOn else { continue }
      switch name {
      case "CONFIG_SLUB" where isOn: slab = .slub
      case "CONFIG_SLAB" where isOn: slab = .slab
      case "CONFIG_SLOB" where isOn: slab = .slob
      case "CONFIG_MEMCG": memcg = isOn
      case "CONFIG_SLAB_FREELIST_RANDOM": freelistRandom = isOn
      default: break
      }
    }
  }

  /// What a list's second comment says of it: `6.1.192 built with CONFIG_SLAB (small config)`.
  init(header release: Substring) {
    self.init()
    for kind in [SlabKind.slab, .slob]
    where release.contains("CONFIG_\(kind.name.uppercased())") { slab = kind }
    if release.contains("small config") { self = .small(slab) }
  }

  /// As an emulated kernel takes it.
  package var kernelConfig: KernelConfig {
    var config = KernelConfig()
    config.slab = slab
    config.memcg = memcg
    config.slabFreelistRandom = freelistRandom
    config.transparentHugePages = transparentHugePages
    config.possibleCPUs = possibleCPUs
    return config
  }
}

/// What is known of a recording guest beside its header: the memory that its zones manage.
///
/// All guests had 3 GiB, 1 GiB of it below 4 GiB, nodes in a ring, and `slab_nomerge` for the
/// lists; what the kernel's image and its tables take from a zone differs by kernel. The figures
/// are those that the lists of page lists and zones print, where they do. Source: ground truth
/// recordings.
package struct KnownGuest {
  /// As its folder is called: `6.12-8c2n`, `6.1slab-8c2n`.
  let name: String
  let zones: [(node: Int, zone: String, pages: Int)]

  static let all: [KnownGuest] = [
    KnownGuest(
      "6.1-8c2n", [(0, "DMA32", 230_317), (0, "Normal", 124_632), (1, "Normal", 386_070)]),
    KnownGuest(
      "6.12-8c2n", [(0, "DMA32", 232_077), (0, "Normal", 124_617), (1, "Normal", 386_055)]),
    KnownGuest(
      "7.2-8c2n", [(0, "DMA32", 230_590), (0, "Normal", 124_628), (1, "Normal", 386_067)]),
    KnownGuest(
      "6.1slab-8c2n", [(0, "DMA32", 238_940), (0, "Normal", 125_231), (1, "Normal", 387_438)]),
    KnownGuest(
      "6.1slob-8c2n", [(0, "DMA32", 238_936), (0, "Normal", 125_231), (1, "Normal", 387_438)]),
    KnownGuest(
      "6.1-16c4n",
      [
        (0, "DMA32", 177_829), (1, "DMA32", 49_119), (1, "Normal", 127_708),
        (2, "Normal", 193_244), (3, "Normal", 192_533),
      ]),
    KnownGuest(
      "6.12-16c4n",
      [
        (0, "DMA32", 179_574), (1, "DMA32", 49_119), (1, "Normal", 127_693),
        (2, "Normal", 193_229), (3, "Normal", 192_517),
      ]),
  ]

  private init(_ name: String, _ zones: [(node: Int, zone: String, pages: Int)]) {
    (self.name, self.zones) = (name, [(0, "DMA", 3840)] + zones)
  }

  /// The managed pages of the guest of this name; those of the newest older kernel on the same
  /// machine where there is none. Empty for a machine that no guest was.
  package static func managedPages(
    of machine: RecordedMachine, kernel: String, slab: SlabKind
  ) -> [KernelConfig.ManagedZone] {
    guard machine.memory == RecordedMachine.guestMemory,
      let number = KernelNumber(kernel)?.release
    else { return [] }
    let shape = "-\(machine.cpuCount)c\(machine.nodes.count)n"
    let ofKind = slab == .slub ? "" : slab.name
    let found = all.last {
      let release = $0.name.prefix { $0 != "-" }
      let kind = release.drop { $0.isNumber || $0 == "." }
      return $0.name.hasSuffix(shape) && kind == ofKind
        && KernelNumber(release.dropLast(kind.count)).map { $0 <= number } == true
    }
    return (found?.zones ?? []).map { .init(node: $0.node, zone: $0.zone, pages: $0.pages) }
  }
}
