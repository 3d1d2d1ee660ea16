import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Blocks of vm_map_ram against a dictionary of what is mapped where.
@Suite struct VmapBlockModelTests {
  /// Goal: no two mappings share an address, each shows its caller's pages, and what all have
  /// unmapped is gone after a purge.
  @Test(
    arguments: [("6.1", 1), ("6.1", 4), ("6.12", 1), ("6.12", 4), ("7.2", 8), ("2.6.32", 2)],
    [1, 2, 0xCAFE] as [UInt64])
  func mappingsAreWhatTheirCallersMade(machine: (String, Int), seed: UInt64) throws {
    let version = try #require(KernelVersion(named: machine.0))
    var emulated = Machine(
      Boot(
        machine: .plain(cpus: machine.1), version: version,
        costs: try CostFile.named("generic-x86")))
    var random = RandomStream(seed: seed, name: "vmap blocks", index: 0)
    let pages = call(
      &emulated, 0, .allocPages(.start(order: .max, gfp: .kernel, node: .any))
    ).pfn
    var mapped: [(address: Address, first: Int, count: Int32)] = []
    for step in 0..<600 {
      let cpu = random.below(machine.1)
      if random.below(40) == 0 {
        _ = call(&emulated, cpu, .vmUnmapAliases(.start))
      } else if random.below(5) < 3 || mapped.isEmpty {
        let count = Int32(random.below(6) == 0 ? 65 + random.below(60) : 1 + random.below(64))
        let first = random.below(1024 - Int(count))
        let address = call(
          &emulated, cpu, .vmMapRAM(.start(first: pages + first, count: count))
        ).address
        #expect(address != Address.null)
        let range = address.raw..<address.raw + UInt64(count) * 4096
        let isAlone = mapped.allSatisfy {
          !range.overlaps($0.address.raw..<$0.address.raw + UInt64($0.count) * 4096)
        }
        #expect(isAlone)
        mapped.append((address, first, count))
      } else {
        let gone = mapped.remove(at: random.below(mapped.count))
        _ = call(&emulated, cpu, .vmUnmapRAM(.start(gone.address, count: gone.count)))
        // Areas of their own are cleared with the purge to 2.6.36.
        let isCleared = emulated.world.vmalloc.frame(of: gone.address).isNone
        #expect(isCleared || version.vmalloc.unmapsLate && gone.count > 64)
      }
      if step % 20 == 0 { try check(emulated, mapped, pages) }
    }
    for left in mapped {
      _ = call(&emulated, 0, .vmUnmapRAM(.start(left.address, count: left.count)))
    }
    _ = call(&emulated, 0, .vmUnmapAliases(.start))
    #expect(emulated.world.vmalloc.pageTable.mappedPages == 0)
    #expect(emulated.world.vmalloc.purge.pages == 0)
    #expect(emulated.world.complaints.violations.isEmpty == true)
    try check(emulated, [], pages)
  }

  private func check(
    _ machine: borrowing Machine, _ mapped: [(address: Address, first: Int, count: Int32)],
    _ pages: PFN
  ) throws {
    for mapping in mapped {
      for page in [0, Int(mapping.count) - 1] {
        let frame = machine.world.vmalloc.frame(of: mapping.address + page << 12)
        #expect(frame == pages + mapping.first + page)
      }
    }
    let total = mapped.reduce(0) { $0 + Int($1.count) }
    let pagesMapped = machine.world.vmalloc.pageTable.mappedPages
    #expect(
      machine.world.version.vmalloc.unmapsLate ? pagesMapped >= total : pagesMapped == total)
    #expect(machine.checkInvariants() == nil)
  }

  private func call(_ machine: inout Machine, _ cpu: Int, _ frame: Frame) -> Reply {
    machine.visit(CPUID(cpu), at: .task, endsAtNull: false, [frame])
    while !machine.world.visit.isDone { _ = machine.run(events: 1) }
    return machine.world.visit.replies[0]
  }

  /// Kernel: `VMAP_BBMAP_BITS` (mm/vmalloc.c, 6.12): 256 pages where 8192 CPUs are possible.
  @Test(arguments: [(8192, 256), (256, 1024), (64, 1024), (1 << 16, 128)])
  func aBlockIsAsLongAsCPUsLeave(possible: Int, pages: Int32) {
    #expect(VmapBlocks.pageCount(possibleCPUs: possible) == pages)
  }
}
