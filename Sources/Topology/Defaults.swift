/// What is filled in where a source is silent. Each use is said in `defaultsUsed`.
public enum Defaults {
  /// Memory of a node whose size nobody knows. Unit: bytes (16 GiB).
  ///
  /// Large enough that no bundled scenario runs out of it, small enough that the page frames of
  /// 256 nodes (4 TiB) stay within `Limits.memoryMax`.
  public static let nodeMemory: UInt64 = 16 << 30

  /// Distance of a node to itself. Kernel: `LOCAL_DISTANCE` (include/linux/topology.h).
  public static let localDistance = 10
  /// Distance between two nodes of one package: what firmware of a Xeon Gold 6230 with two
  /// sub-NUMA clusters a package reports (10, 11, 21).
  public static let distanceWithinPackage = 11
  /// Distance between packages, from the same table. The kernel without a SLIT says 20 for every
  /// other node (`REMOTE_DISTANCE`), which would make the two halves of a package strangers.
  public static let distanceAcrossPackages = 21

  package static let memorySentence =
    "The source gives no memory sizes: \(nodeMemory >> 30) GiB a node are assumed."
  package static let distanceSentence =
    "The source gives no distances between nodes: \(distanceWithinPackage) within a package and "
    + "\(distanceAcrossPackages) across packages are assumed, as a two-socket Xeon with "
    + "sub-NUMA clusters reports."
}
