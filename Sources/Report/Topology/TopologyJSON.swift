import Topology

/// `kmemu topology` as JSON: schema `kmemu.topology/1`.
package enum TopologyJSON {
  package static func render(_ machine: MachineDescription) -> String {
    JSONValue.object([
      ("schema", .string("kmemu.topology/1")),
      ("source", .string(machine.source)),
      ("packages", .integer(machine.packageCount)),
      ("nodes", .integer(machine.nodes.count)),
      ("cores", .integer(machine.coreCount)),
      ("cpus", .integer(machine.cpus.count)),
      ("llc_domains", .integer(machine.llcCount)),
      ("node_numbers", .array(machine.nodes.map { .integer($0.osNumber) })),
      ("distances", .array(machine.distances.map { .array($0.map { .integer($0) }) })),
      ("memory_bytes", .array(machine.nodes.map { .unsigned($0.memoryBytes) })),
      ("node_cpus", .array(machine.nodes.indices.map { list(machine, machine.cpus(ofNode: $0)) })),
      ("caches", .array(machine.caches.map { cache(machine, $0) })),
      ("defaults_used", .array(machine.defaultsUsed.map { .string($0) })),
      ("tree", tree(machine, MachineTree(machine))),
    ]).text()
  }

  /// OS numbers.
  private static func list(_ machine: MachineDescription, _ cpus: [Int]) -> JSONValue {
    .array(cpus.map { .integer(machine.cpus[$0].osNumber) })
  }

  private static func cache(
    _ machine: MachineDescription, _ cache: MachineDescription.Cache
  ) -> JSONValue {
    .object([
      ("level", .integer(cache.level)), ("kind", .string(cache.kind.rawValue)),
      ("size", .unsigned(cache.size)), ("line_size", .integer(cache.lineSize)),
      ("cpus", list(machine, cache.cpus)),
    ])
  }

  /// CPUs as the kernel's list, to keep thousands of cores short.
  private static func tree(_ machine: MachineDescription, _ tree: MachineTree) -> JSONValue {
    var members: [(name: String, value: JSONValue)] = []
    switch tree.part {
    case .machine: members.append(("type", .string("machine")))
    case .package(let number): members += numbered("package", number)
    case .die(let number): members += numbered("die", number)
    case .cluster(let number): members += numbered("cluster", number)
    case .core(let number): members += numbered("core", number)
    case .node(let node):
      members += numbered("node", machine.nodes[node].osNumber)
      members.append(("memory_bytes", .unsigned(machine.nodes[node].memoryBytes)))
    case .cache(let index):
      let cache = machine.caches[index]
      members.append(("type", .string("cache")))
      members.append(("level", .integer(cache.level)))
      members.append(("kind", .string(cache.kind.rawValue)))
      members.append(("size", .unsigned(cache.size)))
    }
    let numbers = tree.cpus.map { machine.cpus[$0].osNumber }
    members.append(("cpus", .string(CPUList(numbers).description)))
    if !tree.children.isEmpty {
      members.append(("children", .array(tree.children.map { self.tree(machine, $0) })))
    }
    return .object(members)
  }

  private static func numbered(
    _ type: String, _ number: Int
  ) -> [(name: String, value: JSONValue)] {
    [("type", .string(type)), ("number", .integer(number))]
  }
}
