/// What of a machine decides how an interrupt gets from one CPU to another, beside the cores: the
/// mode of the interrupt controllers, a hypervisor below, and how deep idle CPUs sleep.
///
/// Not modelled: vCPUs that the host has descheduled; on Arm there is one controller.
public struct Platform: BitwiseCopyable, Sendable, Equatable {
  /// The mode of x86's local APICs: what one write can reach.
  public enum APIC: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case x2apicCluster, x2apicPhysical, xapicFlat, xapicPhysflat

    /// As scenarios spell it.
    public var text: String {
      switch self {
      case .x2apicCluster: "x2apic-cluster"
      case .x2apicPhysical: "x2apic-physical"
      case .xapicFlat: "xapic-flat"
      case .xapicPhysflat: "xapic-physflat"
      }
    }
  }

  /// Whose guest the kernel is.
  public enum Guest: String, CaseIterable, BitwiseCopyable, Sendable { case none, kvm }

  /// What an idle CPU does: nothing that takes time to end, polling its own flags, or sleeping.
  public enum Idle: String, CaseIterable, BitwiseCopyable, Sendable { case none, poll, c1, c6 }

  public var apic = APIC.x2apicCluster
  public var guest = Guest.none
  public var idle = Idle.none
  public init() {}
}
