import Hardware
import Simulation
import Topology

@testable import Kernel

/// A machine that runs a few calls at a time to their end, and then is asked what it holds.
struct VmallocRig: ~Copyable {
  var machine: Machine

  init(
    cpus: Int, nodes: Int = 1, memory: UInt64 = 1 << 30, version: KernelVersion = .standard,
    cpu: CPUModel? = nil, config: KernelConfig = KernelConfig()
  ) throws {
    var description = MachineDescription.plain(cpus: cpus, nodes: nodes)
    for node in 0..<nodes { description.nodes[node].memoryBytes = memory }
    let boot = Boot(
      machine: description, version: version, cpu: cpu,
      costs: try CostFile.named("generic-x86"), config: config)
    machine = Machine(boot)
  }

  /// The same machine once more.
  init(cloning other: borrowing VmallocRig) { machine = other.machine.clone() }

  /// Runs `steps` as a task of `cpu` until nothing is left to do.
  mutating func run(on cpu: Int = 0, _ steps: [Step]) {
    for (place, step) in steps.enumerated() { machine.world.scripts[place] = step }
    machine.start(.script(Script(from: 0, to: steps.count)), on: CPUID(cpu), at: machine.now)
    let halt = machine.run()
    precondition(halt == .nothingLeft, "\(halt)")
    let broken = machine.checkInvariants()
    precondition(broken == nil, broken ?? "")
  }

  /// Allocates `count` areas. Returns: those that are new, page arrays included, by address.
  mutating func vmalloc(
    bytes: Int, count: Int = 1, on cpu: Int = 0, gfp: GFPFlags = .kernel,
    flags: VmallocFlags = []
  ) -> [Address] {
    let before = Set(areas.map(\.start))
    let pages = Int32((bytes + 4095) / 4096)
    for _ in 0..<count {
      let call = Vmalloc.start(pages: pages, gfp: gfp, node: .any, flags: flags)
      run(on: cpu, [.call(.vmalloc(call))])
    }
    return areas.map(\.start).filter { !before.contains($0) }.sorted().map { Address($0) }
  }
  mutating func vfree(_ addresses: [Address], on cpu: Int = 0) {
    for address in addresses { run(on: cpu, [.call(.vfree(.start(address)))]) }
  }
  mutating func purge(on cpu: Int = 0) { run(on: cpu, [.call(.vmUnmapAliases(.start))]) }

  /// Has a visit make the calls, and takes their replies.
  mutating func calls(
    on cpu: Int = 0, at place: Visit.Place = .task, _ frames: [Frame]
  ) -> [Reply] {
    machine.visit(CPUID(cpu), at: place, endsAtNull: false, frames)
    while !machine.world.visit.isDone { _ = machine.run(events: 1) }
    while machine.run() != .nothingLeft {}
    let broken = machine.checkInvariants()
    precondition(broken == nil, broken ?? "")
    return (0..<machine.world.visit.returned).map { machine.world.visit.replies[$0] }
  }

  var areas: [VmallocInfo] { machine.world.vmalloc.vmallocInfo().filter { !$0.isLazy } }
  var lazy: Int { machine.world.vmalloc.purge.pages }
  var statistics: VmallocStatistics { machine.world.vmalloc.statistics }
  var violations: [Violation.Kind] { machine.world.complaints.violations.map(\.kind) }
  var warnings: [String] { machine.world.complaints.warnings.map(\.message) }
}
