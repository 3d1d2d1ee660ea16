import Simulation
import Topology

/// Who is near whom: the machine's description as the model looks it up, one record a CPU.
///
/// Prices between nodes follow the firmware's distances: a line from the nearest foreign package
/// costs `line_other_socket`, one from a node twice as far costs twice as much.
public struct Layout: ~Copyable {
  @frozen public struct Place: BitwiseCopyable, Sendable {
    public var core: Int16
    public var llc: Int16
    public var package: Int16
    public var node: UInt8
    /// The node that memory comes from when none is asked for. Kernel: `numa_mem_id()`.
    public var memoryNode: UInt8
  }
  public let cpuCount: Int
  public let nodeCount: Int
  public var places: Buffer<Place>
  /// Row-major node by node. Units of ACPI's SLIT: 10 is local.
  var distances: Buffer<UInt16>
  /// What a line costs between two nodes, and memory of the second to a CPU of the first.
  var linePrices: Buffer<Duration>
  var memoryPrices: Buffer<Duration>
  let sameCore, sameLLC: Duration
  /// What telling readers in other LLC domains costs: the dearest price a line has here.
  let farthestPrice: Duration

  public init(_ machine: MachineDescription, costs: Costs) {
    cpuCount = machine.cpus.count
    nodeCount = machine.nodes.count
    places = Buffer(cpuCount, Place(core: 0, llc: 0, package: 0, node: 0, memoryNode: 0))
    distances = Buffer(nodeCount * nodeCount, 10)
    linePrices = Buffer(nodeCount * nodeCount, costs[.lineSameSocket])
    memoryPrices = Buffer(nodeCount * nodeCount, costs[.memoryLocal])
    (sameCore, sameLLC) = (costs[.lineSameCore], costs[.lineSameLlc])
    farthestPrice =
      machine.packageCount > 1
      ? costs[.lineOtherSocket] : machine.llcCount > 1 ? costs[.lineSameSocket] : sameLLC
    place(machine)
    price(machine, costs)
  }

  private init(cloning other: borrowing Layout) {
    (cpuCount, nodeCount) = (other.cpuCount, other.nodeCount)
    places = other.places.clone()
    distances = other.distances.clone()
    linePrices = other.linePrices.clone()
    memoryPrices = other.memoryPrices.clone()
    (sameCore, sameLLC, farthestPrice) = (other.sameCore, other.sameLLC, other.farthestPrice)
  }
  public func clone() -> Layout { Layout(cloning: self) }

  private mutating func place(_ machine: MachineDescription) {
    for (index, cpu) in machine.cpus.enumerated() {
      let row = machine.distances[cpu.node]
      let withMemory = machine.nodes.indices.filter { machine.nodes[$0].memoryBytes > 0 }
      let nearest = withMemory.min { (row[$0], $0) < (row[$1], $1) } ?? cpu.node
      places[index] = Place(
        core: Int16(cpu.core), llc: Int16(cpu.llc), package: Int16(cpu.package),
        node: UInt8(cpu.node),
        memoryNode: UInt8(machine.nodes[cpu.node].memoryBytes > 0 ? cpu.node : nearest))
    }
  }

  private mutating func price(_ machine: MachineDescription, _ costs: Costs) {
    var package = [Int](repeating: -1, count: nodeCount)
    for cpu in machine.cpus { package[cpu.node] = cpu.package }
    var nearestForeign = Int.max
    for a in 0..<nodeCount {
      for b in 0..<nodeCount where a != b && (package[a] != package[b] || package[a] < 0) {
        nearestForeign = min(nearestForeign, machine.distances[a][b])
      }
    }
    for a in 0..<nodeCount {
      for b in 0..<nodeCount {
        let distance = machine.distances[a][b]
        distances[a * nodeCount + b] = UInt16(distance)
        guard a != b, package[a] != package[b] || package[a] < 0 else { continue }
        let scale = UInt64(max(distance, nearestForeign))
        func scaled(_ cost: Duration) -> Duration {
          Duration(picoseconds: cost.picoseconds * scale / UInt64(max(nearestForeign, 1)))
        }
        linePrices[a * nodeCount + b] = scaled(costs[.lineOtherSocket])
        memoryPrices[a * nodeCount + b] = scaled(costs[.memoryRemote])
      }
    }
  }

  /// What moving one line between two different CPUs costs.
  @inlinable public func linePrice(from owner: Int, to cpu: Int) -> Duration {
    priceBetween(places[owner], places[cpu])
  }

  @usableFromInline func priceBetween(_ a: Place, _ b: Place) -> Duration {
    if a.core == b.core { return sameCore }
    if a.llc == b.llc { return sameLLC }
    return linePrices[Int(a.node) &* nodeCount &+ Int(b.node)]
  }

  /// What a line from memory of `node` costs at `cpu`.
  public func memoryPrice(of node: Int, at cpu: Int) -> Duration {
    memoryPrices[Int(places[cpu].node) * nodeCount + node]
  }

  public func distance(_ a: Int, _ b: Int) -> Int { Int(distances[a * nodeCount + b]) }
  @inlinable public func isSamePackage(_ a: Int, _ b: Int) -> Bool {
    places[a].package == places[b].package
  }
}
