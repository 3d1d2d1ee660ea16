/// What a kind of core fixes for the kernel's page tables: its TLBs, and how it makes others forget.
///
/// A new one is a file in `CPUs/Files` and its line in `CPUFile.bundled`.
public struct CPUModel: Sendable, Equatable {
  /// How all CPUs are made to forget translations.
  public enum Broadcast: Sendable, Equatable {
    /// Each CPU forgets by itself when an interrupt tells it to.
    case none
    /// AMD's INVLPGB, for so many pages an instruction, then TLBSYNC.
    case invlpgb(pages: Int)
    /// Arm's TLBI to the inner shareable domain: a page an instruction, or a range.
    case tlbi(ranges: Bool)
  }

  /// The name of the file: `skylake`.
  public let name: String
  /// Of the 64-bit ones, where the core has both.
  public let architecture: Architecture.Name
  package let tlb: TLBGeometry
  public let broadcast: Broadcast
  /// Whether one instruction forgets all contexts; else a bit of CR4 is switched twice.
  public let hasINVPCID: Bool
  /// Whether the kernel must hide its mappings from processes. Kernel: `X86_BUG_CPU_MELTDOWN`.
  public let needsPTI: Bool
  /// Whether a broadcast must be followed by an interrupt of all others. Kernel:
  /// `CONFIG_ARM_ERRATA_798181`.
  public let hasErratum798181: Bool

  init(
    name: String, architecture: Architecture.Name, tlb: TLBGeometry, broadcast: Broadcast,
    hasINVPCID: Bool, needsPTI: Bool, hasErratum798181: Bool
  ) {
    (self.name, self.architecture, self.tlb, self.broadcast) = (name, architecture, tlb, broadcast)
    (self.hasINVPCID, self.needsPTI) = (hasINVPCID, needsPTI)
    self.hasErratum798181 = hasErratum798181
  }

  /// Whether a kernel for `name` runs on it.
  public func runs(_ name: Architecture.Name) -> Bool {
    name == architecture || name.isARM == architecture.isARM && !name.is64Bit
  }

  /// The core of a scenario that names none. Returns: nil only if the bundled file is damaged.
  public static func standard(for name: Architecture.Name) -> CPUModel? {
    switch name {
    case .x86_64, .x86_32: try? CPUFile.named("cascade-lake")
    case .arm64: try? CPUFile.named("neoverse-n1")
    case .arm32: try? CPUFile.named("cortex-a15")
    }
  }
}
