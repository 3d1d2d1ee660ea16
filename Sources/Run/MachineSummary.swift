import Topology

extension RunResult.MachineSummary {
  init(_ machine: MachineDescription) {
    self.init(
      source: machine.source, cpus: machine.cpus.count, nodes: machine.nodes.count,
      packages: machine.packageCount, cores: machine.coreCount,
      memoryBytes: machine.nodes.reduce(0) { $0 + $1.memoryBytes }, distances: machine.distances)
  }
}
