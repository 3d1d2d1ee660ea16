import Hardware
import Simulation
import Topology
import Testing

@testable import Kernel

/// Where each architecture puts things, and what follows when a range is small.
@Suite struct ArchitectureTests {
  private func made(
    _ name: Architecture.Name, _ release: String, bits: Int? = nil, memory: UInt64 = 4 << 30
  ) throws -> Architecture {
    let version = try #require(KernelVersion(named: release))
    return try #require(Architecture(name, bits: bits, in: version, memory: memory))
  }

  /// Source: the headers that `AddressSpace` cites; spec of vmalloc, section 3.
  @Test("ranges of vmalloc by architecture, release and bits")
  func ranges() throws {
    let rows: [(Architecture.Name, String, Int?, UInt64, UInt64)] = [
      (.x86_64, "2.6.27", nil, 0xffff_c200_0000_0000, 0xffff_e1ff_ffff_ffff),
      (.x86_64, "4.19", nil, 0xffff_c900_0000_0000, 0xffff_e8ff_ffff_ffff),
      (.x86_64, "7.2", 48, 0xffff_c900_0000_0000, 0xffff_e8ff_ffff_ffff),
      (.x86_64, "6.12", 57, 0xffa0_0000_0000_0000, 0xffd1_ffff_ffff_ffff),
      (.arm64, "4.19", nil, 0xffff_0000_0800_0000, 0xffff_7dff_bffe_ffff),
      (.arm64, "4.19", 39, 0xffff_ff80_0800_0000, 0xffff_ffbe_bffe_ffff),
      (.arm64, "5.4", nil, 0xffff_8000_1000_0000, 0xffff_fdff_bffe_ffff),
      (.arm64, "6.1", nil, 0xffff_8000_0800_0000, 0xffff_fbff_efff_ffff),
      (.arm64, "6.12", nil, 0xffff_8000_8000_0000, 0xffff_fdff_bf7f_ffff),
      (.arm64, "6.12", 39, 0xffff_ffc0_8000_0000, 0xffff_fffe_bf7f_ffff),
      (.arm32, "6.12", nil, 0xf080_0000, 0xff7f_ffff),
      (.arm32, "3.10", nil, 0xf000_0000, 0xfeff_ffff),
      (.x86_32, "6.12", nil, 0xf83f_e000, 0xffbf_dfff),
    ]
    for (name, release, bits, start, last) in rows {
      let found = try made(name, release, bits: bits)
      #expect(found.vmallocStart.raw == start, "\(name) \(release)")
      #expect(found.vmallocEnd.raw - 1 == last, "\(name) \(release)")
    }
    #expect(try made(.x86_64, "6.12", bits: 57).tableLevels == 5)
    #expect(try made(.arm64, "6.12", bits: 39).tableLevels == 3)
    let twelveAndAHalf = try made(.x86_64, "6.12", bits: 57)
    #expect((twelveAndAHalf.vmallocEnd.raw - twelveAndAHalf.vmallocStart.raw) >> 40 == 12800)
  }

  @Test("less memory leaves more addresses on 32 bits")
  func smallMemory() throws {
    let small = try made(.arm32, "6.12", memory: 256 << 20)
    #expect(small.vmallocStart.raw == 0xd080_0000)
    #expect(small.lowMemoryPages == 65536)
    #expect(try made(.x86_32, "6.12", memory: 512 << 20).vmallocStart.raw == 0xe080_0000)
  }

  @Test("a kernel that never was is none")
  func neverWas() {
    #expect(Architecture(.arm64, in: .v2_6_32, memory: 0) == nil)
    #expect(Architecture(.arm64, bits: 48, in: .v3_10, memory: 0) == nil)
    #expect(Architecture(.x86_64, bits: 57, in: .v4_10, memory: 0) == nil)
    #expect(Architecture(.x86_64, bits: 39, in: .v6_12, memory: 0) == nil)
    #expect(Architecture(.arm32, bits: 48, in: .v6_12, memory: 0) == nil)
  }

  private func rig(
    _ name: Architecture.Name, _ release: String = "6.12", cpu: String? = nil, cpus: Int = 2,
    memory: UInt64 = 2 << 30, bits: Int? = nil
  ) throws -> VmallocRig {
    var config = KernelConfig()
    (config.architecture, config.addressBits) = (name, bits)
    return try VmallocRig(
      cpus: cpus, memory: memory, version: try #require(KernelVersion(named: release)),
      cpu: try cpu.map { try CPUFile.named($0) }, config: config)
  }

  @Test(
    "arm32 runs out, says so, and gives what was freed again",
    arguments: [
      ("2.6.27", "allocation failed: out of vmalloc space"),
      ("4.19", "vmap allocation for size 134221824 failed: use vmalloc=<size>"),
      (
        "6.12",
        "vmalloc_node_range for size 134221824 failed: Address range restricted to 0xf0800000"
          + " - 0xff800000"
      ),
    ])
  func exhaustion(_ release: String, _ message: String) throws {
    var rig = try rig(.arm32, release)
    let first = rig.vmalloc(bytes: 128 << 20)
    #expect(!first.isEmpty)
    let second = rig.vmalloc(bytes: 128 << 20)
    #expect(second.isEmpty)
    #expect(rig.warnings.contains { $0.hasPrefix(message) }, "\(rig.warnings)")
    rig.vfree([largest(rig)])
    let again = rig.vmalloc(bytes: 128 << 20)
    #expect(!again.isEmpty, "the purge made room")
    rig.vfree([largest(rig)])
    #expect(rig.areas.isEmpty && rig.violations.isEmpty)
  }

  /// Its page array is an area of its own, which goes with it.
  private func largest(_ rig: borrowing VmallocRig) -> Address {
    Address(rig.areas.max { $0.end - $0.start < $1.end - $1.start }!.start)
  }

  @Test("vmalloc prefers high memory, kmalloc has none")
  func highMemory() throws {
    var rig = try rig(.arm32)
    _ = rig.vmalloc(bytes: 1 << 20)
    let taken = rig.machine.world.counters[.pgalloc_high]
    #expect(taken == 256)
    let before = rig.machine.world.counters[.pgalloc_high]
    _ = rig.calls([.kmalloc(.start(size: 8192, gfp: .kernel, node: .any))])
    let after = rig.machine.world.counters[.pgalloc_high]
    #expect(after == before)
  }

  /// Golden trace T7 of the TLB spec: 5 pages are 5 TLBI; 513 are one for everything.
  @Test(
    "arm64 flushes by broadcast",
    arguments: [
      ("4.19", "neoverse-n1", 1024, 1024), ("4.19", "neoverse-n1", 1025, 1),
      ("6.12", "neoverse-n1", 5, 5), ("6.12", "neoverse-n1", 512, 512),
      ("6.12", "neoverse-n1", 513, 1), ("6.13", "neoverse-n1", 512, 1),
      ("6.13", "neoverse-n1", 511, 511), ("6.12", "neoverse-v1", 513, 1),
      ("6.13", "neoverse-v1", 5, 2), ("6.13", "neoverse-v1", 513, 2),
      ("6.13", "neoverse-v1", 65536, 1),
    ] as [(String, String, UInt32, UInt64)])
  func broadcast(_ release: String, _ cpu: String, _ pages: UInt32, _ expected: UInt64) throws {
    var rig = try rig(.arm64, release, cpu: cpu, cpus: 8)
    let start = rig.machine.world.vmalloc.start
    rig.run([.call(.flushTLBKernelRange(.start(start, pages: pages)))])
    #expect(rig.statistics.broadcastOperations == expected)
    let interrupts = rig.machine.world.counters[.ipisSent]
    #expect(interrupts == 0)
  }

  @Test(
    "AMD broadcasts from 6.15 on, where the core can",
    arguments: [
      ("6.14", "zen4", 0, 7), ("6.15", "zen4", 5, 0), ("7.2", "zen3", 5, 0),
      ("7.2", "zen2", 0, 7), ("7.2", "sapphire-rapids", 0, 7),
    ] as [(String, String, UInt64, UInt64)])
  func invlpgb(_ release: String, _ cpu: String, _ broadcasts: UInt64, _ ipis: UInt64) throws {
    var rig = try rig(.x86_64, release, cpu: cpu, cpus: 8)
    let start = rig.machine.world.vmalloc.start
    rig.run([.call(.flushTLBKernelRange(.start(start, pages: 33)))])
    #expect(rig.statistics.broadcastOperations == broadcasts, "33 pages, 8 an instruction")
    let sent = rig.machine.world.counters[.ipisSent]
    #expect(sent == ipis)
  }

  @Test(
    "arm32's oldest core interrupts, its newer one broadcasts and then interrupts for an erratum")
  func arm32Flushes() throws {
    var old = try rig(.arm32, "3.10", cpu: "arm11-mpcore", cpus: 4)
    let start = old.machine.world.vmalloc.start
    old.run([.call(.flushTLBKernelRange(.start(start, pages: 100)))])
    let sent = old.machine.world.counters[.ipisSent]
    let flushed = old.machine.world.counters[.nr_tlb_local_flush_one]
    #expect(sent == 3 && flushed == 400, "no ceiling")
    for (release, ipis) in [("3.2", 0), ("3.10", 3)] as [(String, UInt64)] {
      var young = try rig(.arm32, release, cpu: "cortex-a15", cpus: 4)
      young.run([.call(.flushTLBKernelRange(.start(start, pages: 100)))])
      #expect(young.statistics.broadcastOperations == 100)
      let sent = young.machine.world.counters[.ipisSent]
      #expect(sent == ipis, "\(release)")
    }
  }

  @Test("PTI flushes each page twice, where the core needs it")
  func pti() throws {
    func time(_ cpu: String, _ release: String) throws -> Duration {
      var rig = try rig(.x86_64, release, cpu: cpu, cpus: 1)
      let start = rig.machine.world.vmalloc.start
      let before = rig.machine.now
      rig.run([.call(.flushTLBKernelRange(.start(start, pages: 33)))])
      return rig.machine.now - before
    }
    let price = try CostFile.named("generic-x86")[Work.invpcidOne].picoseconds * 33
    #expect(
      try time("skylake", "4.19") - time("cascade-lake", "4.19") == Duration(picoseconds: price))
    #expect(
      try time("skylake", "4.10") == time("cascade-lake", "4.10"), "before 4.15 there is none")
  }

  @Test("five levels: nothing is paid for what is not used")
  func fiveLevels() throws {
    var rig = try rig(.x86_64, bits: 57)
    let areas = rig.vmalloc(bytes: 4096, count: 3)
    #expect(areas.allSatisfy { $0.raw >= 0xffa0_0000_0000_0000 })
    let levels = rig.machine.world.vmalloc.pageTable.walk(areas[0]).levels
    let bytes = rig.machine.world.vmalloc.pageTable.byteCount
    #expect(levels == 5 && bytes < 1 << 17)
  }

  @Test("modules have a range of their own, whose end purges", arguments: ["4.19", "5.4", "6.12"])
  func modules(_ release: String) throws {
    var rig = try rig(.x86_64, release)
    let module = rig.vmalloc(bytes: 64 << 10, flags: .module)
    #expect(module.count == 1 && module[0].raw >= 0xffff_ffff_a000_0000)
    let isPlain = rig.machine.world.vmalloc.isVmalloc(module[0])
    #expect(!isPlain)
    let plain = rig.vmalloc(bytes: 64 << 10)
    #expect(plain[0].raw < 0xffff_e900_0000_0000)
    rig.vfree(plain)
    #expect(rig.lazy == 17)
    rig.vfree(module)
    #expect(rig.lazy == (release == "4.19" ? 34 : 0))
    #expect(rig.violations.isEmpty)
  }

  @Test("every core's file is read, and a wrong line is named")
  func files() throws {
    for (name, text) in CPUFile.bundled {
      let model = try CPUFile.parse(text, name: name)
      #expect(model.name == name)
    }
    func error(_ from: String, _ to: String) throws -> CostError? {
      let text = try #require(CPUFile.bundled.first { $0.name == "zen4" }).text
      let changed = text.split(separator: "\n").map {
        $0.hasPrefix(from) ? to : String($0)
      }.joined(separator: "\n")
      do {
        _ = try CPUFile.parse(changed, name: "changed")
        return nil
      } catch { return error }
    }
    #expect(try error("l2 ", "l2 = 100 entries 3 ways  # x")?.line == 5)
    #expect(try error("l2 ", "l2 = 4096 entries 16 ways")?.message.contains("no source") == true)
    #expect(try error("pti ", "pti = perhaps  # x")?.message.contains("yes or no") == true)
    #expect(try error("pti ", "")?.message.contains("missing") == true)
    #expect(try error("broadcast", "broadcast = invlpgb 0 pages  # x")?.line == 7)
    #expect(try error("l1_4k", "l3 = 4 entries 4 ways  # x")?.message.contains("unknown") == true)
  }
}
