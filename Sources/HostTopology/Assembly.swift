import Topology

/// hwloc's tree turned into a `MachineDescription`, with defaults where the source is silent.
///
/// A CPU's local node is the one built closest around it; of several at one place (DRAM and HBM)
/// the one that the firmware numbers first. An LLC domain is what shares the outermost cache. A
/// die is a Die object, or else the outermost Group inside the package.
struct Assembly {
  private let source: String
  private let objects: [HwlocObject]
  private var matrix: LatencyMatrix?
  private var defaults: [String] = []
  /// Indices into `objects`, by OS number.
  private let cpuObjects: [Int]
  private let nodeObjects: [Int]
  private var memory: [UInt64]

  init(source: String, objects: [HwlocObject], matrix: LatencyMatrix?) {
    (self.source, self.objects, self.matrix) = (source, objects, matrix)
    func all(_ kind: HwlocObject.Kind) -> [Int] {
      objects.indices.filter { objects[$0].kind == kind }
        .sorted { objects[$0].osNumber < objects[$1].osNumber }
    }
    cpuObjects = all(.cpu)
    nodeObjects = all(.node)
    memory = nodeObjects.map { objects[$0].size }
  }

  /// Takes distances and node sizes from the running kernel where it answers.
  mutating func overrideFromLibnuma() {
    guard HostNuma.isAvailable else { return }
    let numbers = nodeObjects.map { objects[$0].osNumber }
    for (node, number) in numbers.enumerated() {
      if let size = HostNuma.memory(number) { memory[node] = size }
    }
    let values = numbers.flatMap { row in numbers.map { HostNuma.distance(row, $0) } }
    if values.allSatisfy({ $0 != nil }) {
      matrix = LatencyMatrix(osNumbers: numbers, values: values.map { UInt64($0 ?? 0) })
    }
  }

  /// hwloc invents 1 GiB for each node of a synthetic string that says none.
  mutating func forgetMemory() {
    memory = memory.map { _ in 0 }
  }

  mutating func noteInventedCaches() {
    defaults.append(
      "The string gives no size for some caches: hwloc's are taken, 32 KiB for an L1, 4 MiB for an "
        + "L2, 16 MiB for an L3.")
  }

  /// The description; limits are not yet checked.
  mutating func machine() -> MachineDescription {
    let places = Places(objects)
    var machine = MachineDescription(
      source: source, cpus: cpus(places), nodes: nodes(places), distances: [],
      caches: caches(places), defaultsUsed: [])
    machine.renumber()
    if !machine.nodes.isEmpty, machine.nodes.allSatisfy({ $0.memoryBytes == 0 }) {
      for node in machine.nodes.indices { machine.nodes[node].memoryBytes = Defaults.nodeMemory }
      defaults.append(Defaults.memorySentence)
    }
    machine.distances = distances(machine)
    machine.defaultsUsed = defaults
    return machine
  }

  private mutating func cpus(_ places: Places) -> [MachineDescription.CPU] {
    let nodeIndex = index(of: nodeObjects)
    var strays = 0
    let hasCaches = cpuObjects.contains { places.llc[$0] != nil }
    let hasPackages = cpuObjects.contains { places.package[$0] != nil }
    let hasCores = cpuObjects.contains { places.core[$0] != nil }
    let cpus = cpuObjects.map { object in
      let node = places.node[object].flatMap { nodeIndex[$0] }
      if node == nil { strays += 1 }
      // Numbers of invented domains lie above all object numbers.
      let ownNode = objects.count + (node ?? 0)
      let package = places.package[object] ?? ownNode
      return MachineDescription.CPU(
        osNumber: objects[object].osNumber, core: places.core[object] ?? object,
        llc: places.llc[object] ?? (objects.count + 1) * (package + 1) + ownNode,
        die: places.die[object] ?? places.group[object] ?? package, package: package,
        node: node ?? 0, thread: 0)
    }
    if !hasPackages {
      defaults.append("The source gives no packages: each node with CPUs is taken for one.")
    }
    if !hasCores {
      defaults.append("The source gives no cores: each CPU is taken for one.")
    }
    if !hasCaches {
      defaults.append(
        "The source gives no caches: the CPUs of one package and node are taken to share a last "
          + "level.")
    }
    if strays > 0 {
      defaults.append(
        "\(strays) CPUs have no allowed node of their own: the first node is taken for theirs.")
    }
    return cpus
  }

  private func nodes(_ places: Places) -> [MachineDescription.Node] {
    let cpuIndex = index(of: cpuObjects)
    var own = Set(cpuObjects.compactMap { places.node[$0] })
    if let first = nodeObjects.first, cpuObjects.contains(where: { places.node[$0] == nil }) {
      own.insert(first)
    }
    return nodeObjects.indices.map { node in
      let object = nodeObjects[node]
      let locality = places.cpus[places.owner(of: object)].compactMap { cpuIndex[$0] }
      return MachineDescription.Node(
        osNumber: objects[object].osNumber, memoryBytes: memory[node],
        hasCPUs: own.contains(object), locality: locality.sorted())
    }
  }

  private func caches(_ places: Places) -> [MachineDescription.Cache] {
    let cpuIndex = index(of: cpuObjects)
    var caches: [MachineDescription.Cache] = []
    for (index, object) in objects.enumerated() {
      let level: Int
      let kind: MachineDescription.Cache.Kind
      switch object.kind {
      case .cache(let depth, let instruction, let unified):
        (level, kind) = (depth, instruction ? .instruction : unified ? .unified : .data)
      case .memorySideCache:
        (level, kind) = (0, .memorySide)
      case .machine, .package, .die, .group, .core, .cpu, .node, .other:
        continue
      }
      let cpus = places.cpus[places.owner(of: index)].compactMap { cpuIndex[$0] }.sorted()
      caches.append(
        MachineDescription.Cache(
          level: level, kind: kind, size: object.size, lineSize: object.lineSize, cpus: cpus))
    }
    return caches.sorted {
      ($0.level, $0.kind.rawValue, $0.cpus.first ?? 0)
        < ($1.level, $1.kind.rawValue, $1.cpus.first ?? 0)
    }
  }

  private func index(of list: [Int]) -> [Int: Int] {
    Dictionary(uniqueKeysWithValues: list.enumerated().map { ($1, $0) })
  }
}

extension Assembly {
  /// The source's matrix where it is a SLIT, defaults where there is none or a node is not in it.
  ///
  /// Kernel: `slit_valid()` (drivers/acpi/numa/srat.c, 6.12) refuses the same tables.
  private mutating func distances(_ machine: MachineDescription) -> [[Int]] {
    let defaults = defaultDistances(machine)
    guard machine.nodes.count > 1 else { return defaults }
    guard let matrix, !matrix.osNumbers.isEmpty else {
      self.defaults.append(Defaults.distanceSentence)
      return defaults
    }
    let count = matrix.osNumbers.count
    let place = Dictionary(
      matrix.osNumbers.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var distances = defaults
    var isComplete = true
    for (row, from) in machine.nodes.enumerated() {
      for (column, to) in machine.nodes.enumerated() where row != column {
        guard let i = place[from.osNumber], let j = place[to.osNumber] else {
          isComplete = false
          continue
        }
        distances[row][column] = Int(clamping: matrix.values[i * count + j])
      }
    }
    let diagonal = (0..<count).map { matrix.values[$0 * count + $0] }
    let isSLIT =
      diagonal.allSatisfy { $0 == Defaults.localDistance }
      && distances.enumerated().allSatisfy { row, values in
        values.enumerated().allSatisfy { column, value in
          row == column || (Defaults.localDistance + 1...255).contains(value)
        }
      }
    guard isSLIT else {
      self.defaults.append(
        "The source's distances are no ACPI SLIT (10 on the diagonal, 11 to 255 elsewhere): "
          + "\(Defaults.distanceWithinPackage) within a package and "
          + "\(Defaults.distanceAcrossPackages) across packages are assumed.")
      return defaults
    }
    if !isComplete {
      self.defaults.append(
        "The source gives distances for some nodes only: for the others "
          + "\(Defaults.distanceWithinPackage) within a package and "
          + "\(Defaults.distanceAcrossPackages) across packages are assumed.")
    }
    return distances
  }

  /// By package: that of the first CPU next to each node.
  private func defaultDistances(_ machine: MachineDescription) -> [[Int]] {
    let packages = machine.nodes.map { node -> Int? in
      guard let first = node.locality.first else { return nil }
      let package = machine.cpus[first].package
      return node.locality.allSatisfy { machine.cpus[$0].package == package } ? package : nil
    }
    return packages.indices.map { row in
      packages.indices.map { column in
        if row == column { return Defaults.localDistance }
        let isSame = packages[row] != nil && packages[row] == packages[column]
        return isSame ? Defaults.distanceWithinPackage : Defaults.distanceAcrossPackages
      }
    }
  }
}
