/// A machine as printed on its box: CPUs, caches, packages, nodes and distances. Pure values.
///
/// CPUs and nodes are numbered densely from 0 in the order of their OS numbers; `osNumber` keeps
/// what the firmware called them. Disallowed and offline CPUs and nodes are not in it.
///
/// Invariants, verified by `checkInvariants()`:
/// 1. OS numbers of CPUs ascend, and so do those of nodes; there is at least one of each;
/// 2. cores, LLC domains, dies and packages are numbered without holes in the order of their
///    first CPUs; the threads of a core are 0, 1, … in the order of its CPUs;
/// 3. distances are square, `Defaults.localDistance` on the diagonal and more elsewhere;
/// 4. a node has CPUs exactly when it is some CPU's own.
public struct MachineDescription: Sendable, Equatable {
  public struct CPU: Sendable, Equatable {
    /// What the OS calls it: numbers may be sparse.
    public var osNumber: Int
    /// Each an index that is dense over the whole machine.
    public var core: Int
    /// The CPUs that share the last-level cache with it.
    public var llc: Int
    /// Die, or hwloc group (a cluster) where there are no dies; as large as the package if none.
    public var die: Int
    public var package: Int
    /// The node whose memory is local: an index into `nodes`.
    public var node: Int
    /// Its place among its core's hardware threads, from 0.
    public var thread: Int

    public init(
      osNumber: Int, core: Int, llc: Int, die: Int, package: Int, node: Int, thread: Int
    ) {
      (self.osNumber, self.core, self.llc, self.die) = (osNumber, core, llc, die)
      (self.package, self.node, self.thread) = (package, node, thread)
    }
  }

  public struct Node: Sendable, Equatable {
    public var osNumber: Int
    /// Unit: bytes. Zero for a node that has CPUs only.
    public var memoryBytes: UInt64
    /// Whether some CPU has it as local node. Memory-only nodes (NVM, HBM, CXL) have none.
    public var hasCPUs: Bool
    /// The CPUs it is built next to, as indices into `cpus`, ascending: those whose local node it
    /// is and, for a memory-only node, those it would serve. Empty when nobody knows.
    public var locality: [Int]

    public init(osNumber: Int, memoryBytes: UInt64, hasCPUs: Bool, locality: [Int] = []) {
      (self.osNumber, self.memoryBytes, self.hasCPUs) = (osNumber, memoryBytes, hasCPUs)
      self.locality = locality
    }
  }

  public struct Cache: Sendable, Equatable {
    public enum Kind: String, Sendable { case data, instruction, unified, memorySide }
    public var level: Int
    public var kind: Kind
    /// Unit: bytes. Zero when the file does not say.
    public var size: UInt64
    public var lineSize: Int
    /// The CPUs under it, as indices into `cpus`, ascending.
    public var cpus: [Int]

    public init(level: Int, kind: Kind, size: UInt64, lineSize: Int, cpus: [Int]) {
      (self.level, self.kind, self.size) = (level, kind, size)
      (self.lineSize, self.cpus) = (lineSize, cpus)
    }
  }

  /// Where it came from: `host`, a synthetic string, a file's name.
  public var source: String
  public var cpus: [CPU]
  public var nodes: [Node]
  /// Relative latency of node `i` (row) to memory of node `j`, 10 being local. ACPI SLIT's units.
  public var distances: [[Int]]
  public var caches: [Cache]
  /// What the source did not say and was filled in, a sentence each. Reports print them.
  public var defaultsUsed: [String]

  public init(
    source: String, cpus: [CPU], nodes: [Node], distances: [[Int]], caches: [Cache],
    defaultsUsed: [String]
  ) {
    (self.source, self.cpus, self.nodes) = (source, cpus, nodes)
    (self.distances, self.caches, self.defaultsUsed) = (distances, caches, defaultsUsed)
  }

  public var coreCount: Int { (cpus.map(\.core).max() ?? -1) + 1 }
  public var llcCount: Int { (cpus.map(\.llc).max() ?? -1) + 1 }
  public var packageCount: Int { (cpus.map(\.package).max() ?? -1) + 1 }
}
