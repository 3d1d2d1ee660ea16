/// What a machine may have at most. Errors name the limit they speak of.
public enum Limits {
  /// CPUs of one machine: two leaves of the event queue each. Unit: CPUs.
  public static let cpusMax = 4096
  /// NUMA nodes of one machine. Unit: nodes.
  public static let nodesMax = 256
  /// Memory of one machine: page frames are numbered with 31 bits. Unit: bytes (8 TiB).
  public static let memoryMax: UInt64 = 1 << 43
  /// An hwloc XML file. Unit: bytes.
  public static let topologyFileBytesMax = 64 << 20
  /// What firmware may call a CPU or a node: numbers may be sparse, not absurd.
  public static let osNumberMax = 65_535
}
