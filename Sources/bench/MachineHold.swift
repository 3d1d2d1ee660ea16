import Hardware
import HostTopology
import Kernel
import Simulation
import Topology

/// The hold model on the whole machine: a thread on each CPU that computes for an exponential time,
/// again and again. Beside the bare queue it shows what frames, contexts and accounting cost.
struct MachineHold {
  let effort: Int

  func run(_ sheet: Sheet) throws {
    for cpus in [64, 1024, 4096] where sheet.wants("machine.hold.\(cpus)") {
      var rates: [Double] = []
      for _ in 0..<3 { rates.append(try measure(cpus: cpus, events: 500_000 * UInt64(effort))) }
      sheet.add("machine.hold.\(cpus).events_per_s", median(rates), "events/s")
    }
  }

  private func measure(cpus: Int, events: UInt64) throws -> Double {
    let boot = Boot(
      machine: try Machines.described(cpus), costs: try CostFile.named("generic-x86"))
    var machine = Machine(boot)
    var program = Program()
    program.distributions = [.exponential(mean: 100_000)]
    program.code = [.work(distribution: 0), .jump(0)]
    program.groups = [Program.Group(name: "hold", first: 0, count: cpus)]
    program.threads = (0..<cpus).map {
      Program.Thread(name: "hold/\($0)", cpu: $0, group: 0, index: $0, entry: 0, slotCount: 0)
    }
    machine.load(program, seed: 1)
    _ = machine.run(events: UInt64(20 * cpus))
    let begin = cpuSeconds()
    let before = machine.events
    _ = machine.run(events: events)
    return Double(machine.events - before) / (cpuSeconds() - begin)
  }
}

/// The machines of the bench, by their number of CPUs.
enum Machines {
  static func synthetic(_ cpus: Int) -> String {
    switch cpus {
    case 1: "pu:1"
    case 64: "package:2 l3:4 core:8 pu:1"
    case 1024: "package:4 numa:2 l3:8 core:16 pu:1"
    default: "package:8 numa:2 l3:8 core:16 pu:2"
    }
  }

  static func described(_ cpus: Int) throws -> MachineDescription {
    try HostTopology.describe(MachineSource.parse(synthetic(cpus)))
  }
}
