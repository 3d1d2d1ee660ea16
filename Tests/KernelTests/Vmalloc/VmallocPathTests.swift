import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

private let start = Architecture.x86_64.vmallocStart
private let page = 4096

@Suite struct VmallocPathTests {
  /// Golden trace G1 (vmalloc spec, section 11).
  @Test(arguments: [(1, 1, 2), (16384, 4, 5), (1 << 20, 256, 257), ((1 << 20) - 4096, 255, 256)])
  func anAreaHasAGuardPage(bytes: Int, pages: Int, addressPages: Int) throws {
    var rig = try VmallocRig(cpus: 1)
    _ = rig.vmalloc(bytes: bytes)
    let area = rig.areas[0]
    #expect(area.pages == pages && Int(area.end - area.start) == addressPages * page)
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == pages)
    #expect(rig.machine.world.vmalloc.frame(of: start + (pages - 1) * page).isNone == false)
    #expect(rig.machine.world.vmalloc.frame(of: start + pages * page).isNone == true)
  }

  /// The list vmalloc_small of ground truth 6.12-8c2n and 6.12-16c4n (6.12.117).
  @Test(arguments: [(8, 2, 32768), (16, 4, 40960)])
  func sixtyFourSmallAreas(cpus: Int, nodes: Int, lazyMax: Int) throws {
    var rig = try VmallocRig(cpus: cpus, nodes: nodes)
    rig.purge()
    #expect(rig.statistics.purgeCalls == 1 && rig.statistics.areasPurged == 0)
    let areas = rig.vmalloc(bytes: 4096, count: 64, on: 2)
    #expect(areas.count == 64 && rig.machine.world.vmalloc.pageCount == 64 && rig.lazy == 0)
    rig.vfree(Array(areas[..<32]), on: 2)
    #expect(rig.lazy == 64 && rig.areas.count == 32)
    rig.vfree(Array(areas[32...]), on: 2)
    #expect(rig.lazy == 128 && rig.statistics.lazyFrees == 64)
    #expect(rig.machine.world.vmalloc.purge.pagesMax == lazyMax)
    #expect(rig.statistics.flushCalls == 0 && rig.machine.world.counters[.ipisSent] == 0)
    rig.purge(on: 2)
    #expect(rig.lazy == 0 && rig.statistics.areasPurged == 64)
    #expect(rig.statistics.flushCalls == 1 && rig.statistics.flushAllCPUs == UInt64(cpus))
    #expect(rig.machine.world.counters[.ipisReceived] == UInt64(cpus - 1))
    rig.purge(on: 2)
    #expect(rig.statistics.purgeCalls == 3 && rig.statistics.flushCalls == 1)
  }

  /// The list vmalloc_threshold of ground truth 6.12-8c2n: the sixteenth free of 8 MiB passes
  /// 32,768 lazy pages, and each takes 2,049 for itself and 5 for its page array.
  @Test func theSixteenthFreeOf8MiBStartsADrain() throws {
    var rig = try VmallocRig(cpus: 8, nodes: 2)
    let areas = rig.vmalloc(bytes: 8 << 20, count: 20, on: 2)
    #expect(rig.machine.world.vmalloc.areaCount == 40)
    #expect(rig.machine.world.vmalloc.pageCount == 20 * 2052)
    let large = areas.filter { address in
      rig.areas.contains { $0.start == address.raw && $0.pages == 2048 }
    }
    rig.vfree(Array(large[..<15]), on: 2)
    #expect(rig.lazy == 15 * 2054 && rig.statistics.drainWorkRuns == 0)
    rig.vfree([large[15]], on: 2)
    #expect(rig.statistics.drainWorkRuns == 1)
    #expect(rig.statistics.purgeCalls == 1)
    #expect(rig.statistics.flushCalls == 1)
    #expect(rig.statistics.flushAllCPUs == 8)
    #expect(rig.lazy == 0)
    #expect(rig.statistics.areasPurgedByWork == 32)
    #expect(rig.machine.world.vmalloc.areaCount == 8)
  }

  /// Goal: where more than twice the limit is lazy, workers help, and never the one that purges.
  ///
  /// Kernel: `nr_purge_helpers` (mm/vmalloc.c, 6.9+).
  @Test(arguments: [0, 1])
  func workersHelpWithALargePurge(cpu: Int) throws {
    var rig = try VmallocRig(cpus: 2)
    let mine = rig.vmalloc(bytes: 32 << 20, count: 3, on: 0)
    let all = mine + rig.vmalloc(bytes: 32 << 20, count: 3, on: 1)
    let large = all.filter { address in
      rig.areas.contains { $0.start == address.raw && $0.pages == 8192 }
    }
    rig.run(on: cpu, large.map { .call(.vfree(.start($0))) })
    #expect(rig.lazy == 0 && rig.violations.isEmpty && rig.areas.isEmpty)
    #expect(rig.statistics.areasPurged == 12)
    #expect(rig.machine.world.counters[.workItems] > rig.statistics.drainWorkRuns)
  }

  /// The list vmalloc_concurrent of ground truth 6.12-8c2n, without its touches.
  @Test func sevenCPUsAtOnceLeave7000LazyPages() throws {
    var rig = try VmallocRig(cpus: 8, nodes: 2)
    for _ in 0..<200 {
      for cpu in 1..<8 {
        rig.machine.world.scripts[cpu] = .call(
          .vmalloc(.start(pages: 4, gfp: .kernel, node: .any)))
        rig.machine.start(
          .script(Script(from: cpu, to: cpu + 1)), on: CPUID(cpu), at: rig.machine.now)
      }
      _ = rig.machine.run()
      for (index, area) in rig.areas.enumerated() {
        let cpu = index + 1
        rig.machine.world.scripts[cpu] = .call(.vfree(.start(Address(area.start))))
        rig.machine.start(
          .script(Script(from: cpu, to: cpu + 1)), on: CPUID(cpu), at: rig.machine.now)
      }
      _ = rig.machine.run()
    }
    #expect(rig.lazy == 7000 && rig.machine.world.vmalloc.areaCount == 0)
    rig.purge()
    #expect(rig.lazy == 0 && rig.statistics.areasPurged == 1400)
  }

  /// Golden trace G6: a pool hit takes no free_vmap_area_lock.
  @Test func aPoolHitTakesNoGlobalLock() throws {
    var rig = try VmallocRig(cpus: 8)
    rig.vfree(rig.vmalloc(bytes: 16384, on: 3), on: 3)
    rig.purge(on: 0)
    let lock = rig.machine.world.vmalloc.freeVmapArea
    let taken = rig.machine.world.locks.locks[lock].acquisitions
    let again = rig.vmalloc(bytes: 16384, on: 3)
    #expect(again == [start] && rig.statistics.poolHits == 1)
    #expect(rig.machine.world.locks.locks[lock].acquisitions == taken)
    _ = rig.vmalloc(bytes: 16384, on: 4)
    #expect(rig.machine.world.locks.locks[lock].acquisitions == taken + 1)
  }

  /// Golden trace T1 (TLB spec, section 9): the bound is 33 pages, and it is inclusive.
  @Test(arguments: [(32, 4 * 33, 0), (33, 0, 4)])
  func upTo33PagesAreFlushedOneByOne(pages: Int, one: UInt64, all: UInt64) throws {
    var rig = try VmallocRig(cpus: 4)
    rig.vfree(rig.vmalloc(bytes: pages * page))
    rig.purge()
    #expect(rig.machine.world.counters[.nr_tlb_local_flush_one] == one)
    #expect(rig.machine.world.counters[.nr_tlb_remote_flush_received] == all)
    #expect(rig.statistics.flushAllCPUs == all)
    #expect(rig.statistics.rangeFlushCPUs == (one > 0 ? 4 : 0))
  }

  /// Golden trace G7: page tables are made once.
  @Test func tablesStay() throws {
    var rig = try VmallocRig(cpus: 1)
    rig.vfree(rig.vmalloc(bytes: (4 << 20) - page))
    // Two PTE pages and a PMD page; the page array lies in the third 2 MiB.
    #expect(rig.statistics.tablePages == 4)
    rig.purge()
    rig.vfree(rig.vmalloc(bytes: (4 << 20) - page))
    #expect(rig.statistics.tablePages == 4)
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == 0)
  }

  @Test func withBottomHalvesOffAVfreeIsDeferred() throws {
    var rig = try VmallocRig(cpus: 2)
    let areas = rig.vmalloc(bytes: 4096, count: 2)
    rig.run([
      .disable(.bottomHalves), .call(.vfree(.start(areas[0]))), .call(.vfree(.start(areas[1]))),
      .enable(.bottomHalves),
    ])
    #expect(rig.statistics.deferredFrees == 2 && rig.violations.isEmpty)
    #expect(rig.machine.world.counters[.workItems] == 1, "the list was empty only once")
    #expect(rig.areas.isEmpty && rig.lazy == 4)
  }

  @Test func withPreemptionOffItComplainsAndGoesOn() throws {
    var rig = try VmallocRig(cpus: 2)
    rig.run([
      .disable(.preemption), .call(.vmalloc(.start(pages: 1, gfp: .kernel, node: .any))),
      .enable(.preemption),
    ])
    #expect(rig.violations.contains(.sleepingInAtomic) && rig.areas.count == 1)
  }

  @Test func inAnInterruptVmallocIsABug() throws {
    var rig = try VmallocRig(cpus: 2)
    rig.run([
      .disable(.bottomHalves), .call(.vmalloc(.start(pages: 1, gfp: .atomic, node: .any))),
      .enable(.bottomHalves),
    ])
    #expect(rig.violations == [.badContext] && rig.areas.isEmpty)
    #expect(rig.machine.world.vmalloc.calls.liveCount == 0)
  }

  @Test func sizesThatCannotBeAreRefused() throws {
    var rig = try VmallocRig(cpus: 1)
    _ = rig.vmalloc(bytes: 0)
    _ = rig.vmalloc(bytes: 2 << 30)
    #expect(rig.areas.isEmpty && rig.warnings.count == 2)
    #expect(rig.warnings[1].contains("exceeds total pages"))
    _ = rig.vmalloc(bytes: 2 << 30, gfp: [.kernel, .noWarn])
    #expect(rig.warnings.count == 2 && rig.statistics.failures == 3)
  }

  /// Goal: a vmalloc for which the pages do not suffice gives back all it had, and says so.
  @Test func aFailureLeavesNothingBehind() throws {
    var rig = try VmallocRig(cpus: 2, memory: 64 << 20)
    _ = rig.vmalloc(bytes: 30 << 20)
    let (areas, mapped) = (rig.areas, rig.machine.world.vmalloc.pageTable.mappedPages)
    #expect(areas.count == 2)
    _ = rig.vmalloc(bytes: 40 << 20, gfp: [.kernel, .noRetry])
    #expect(rig.areas == areas && rig.machine.world.vmalloc.pageTable.mappedPages == mapped)
    #expect(rig.machine.world.vmalloc.pageCount == areas.map(\.pages).reduce(0, +))
    #expect(rig.machine.world.vmalloc.calls.liveCount == 0)
    #expect(rig.warnings.contains { $0.contains("failed to allocate pages") })
    _ = rig.vmalloc(bytes: 20 << 20)
    #expect(rig.areas.count == 4, "the pages are free again")
  }

  @Test func kvmallocFallsBackToVmalloc() throws {
    var rig = try VmallocRig(cpus: 2)
    rig.run([.call(.kvmalloc(.start(bytes: 8192, gfp: .kernel, node: .any)))])
    #expect(rig.areas.isEmpty)
    rig.run([.call(.kvmalloc(.start(bytes: 16 << 20, gfp: .kernel, node: .any)))])
    #expect(rig.areas.count == 2 && rig.warnings.isEmpty)
    rig.run([.call(.kvmalloc(.start(bytes: 16 << 20, gfp: .noWait, node: .any)))])
    #expect(rig.areas.count == 2, "no vmalloc for a mask that may not sleep")
    rig.run([.call(.kvfree(.start(Address(rig.areas[0].start))))])
    #expect(rig.areas.isEmpty && rig.violations.isEmpty)
  }

  @Test func wrongFreesAreToldApart() throws {
    var rig = try VmallocRig(cpus: 8)
    let area = rig.vmalloc(bytes: 4096)
    rig.vfree(area + area)
    #expect(rig.violations == [.doubleFree])
    rig.vfree([start + 100 * page])
    #expect(rig.violations.last == .badFree)
    rig.vfree([Address(0xffff_8880_0000_1000)])
    #expect(rig.violations.last == .wrongFreeFunction)
    rig.vfree([start + 8])
    #expect(rig.violations.last == .badFree && rig.violations.count == 4)
    rig.vfree([Address(0xffff_8880_0000_1040)])
    #expect(rig.violations.last == .wrongFreeFunction)
    #expect(
      rig.machine.world.complaints.violations.last?.message.contains("Use kfree()") == true)
    rig.vfree([.null])
    #expect(rig.violations.count == 5 && rig.lazy == 2)
  }

  @Test func touchingMissesOncePerPageAndFlushesMakeItMissAgain() throws {
    var rig = try VmallocRig(cpus: 2)
    let area = rig.vmalloc(bytes: 16 * page)
    let touch = Step.call(
      .touch(.start(address: area[0], bytes: UInt32(16 * page), stride: 64)))
    rig.run(on: 1, [touch, touch])
    #expect(rig.statistics.tlbMisses == 16)
    rig.vfree(rig.vmalloc(bytes: 64 * page))
    rig.purge()
    rig.run(on: 1, [touch])
    #expect(rig.statistics.tlbMisses == 32)
  }

  @Test func theDirectMapMissesOncePer2MiB() throws {
    var rig = try VmallocRig(cpus: 1)
    let address = Address(0xffff_8880_1000_0000)
    rig.run([.call(.touch(.start(address: address, bytes: 4 << 20, stride: 4096)))])
    #expect(rig.statistics.tlbMisses == 2 && rig.violations.isEmpty)
  }

  @Test func accessAfterVfreeIsSeen() throws {
    var rig = try VmallocRig(cpus: 2)
    let area = rig.vmalloc(bytes: page)
    let touch = Step.call(.touch(.start(address: area[0], bytes: 8, stride: 8)))
    rig.run(on: 1, [touch])
    rig.vfree(area)
    rig.run(on: 1, [touch])
    #expect(rig.violations == [.useAfterFree] && rig.statistics.staleAccesses == 1)
    rig.run(on: 0, [touch])
    #expect(rig.violations.count == 2 && rig.statistics.staleAccesses == 1)
    rig.purge()
    rig.run(on: 1, [touch])
    #expect(rig.violations.count == 3 && rig.statistics.staleAccesses == 1)
  }

  @Test("a large page that was freed is found where a TLB still has it, and only there")
  func accessToLargePageAfterVfree() throws {
    var rig = try VmallocRig(cpus: 2)
    let area = rig.vmalloc(bytes: 4 << 20, flags: .allowsHuge)
    let touch = Step.call(.touch(.start(address: area[0], bytes: 8, stride: 8)))
    rig.run(on: 1, [touch])
    #expect(rig.violations.isEmpty && rig.statistics.tlbMisses == 1)
    rig.vfree([area[0]])
    rig.run(on: 1, [touch])
    #expect(rig.statistics.staleAccesses == 1 && rig.violations == [.useAfterFree])
    rig.run(on: 0, [touch])
    #expect(rig.statistics.staleAccesses == 1 && rig.violations.count == 2)
  }

  /// Kernel: `kmalloc_gfp_adjust()` (mm/util.c, 6.12).
  @Test func kvmallocTriesKmallocGently() {
    let rule = VmallocRules.KvmallocRule.blockingNoRetry
    #expect(Kvmalloc.adjusted(.kernel, bytes: 4096, rule) == .kernel)
    #expect(Kvmalloc.adjusted(.kernel, bytes: 4097, rule) == [.kernel, .noWarn, .noRetry])
    #expect(
      Kvmalloc.adjusted([.kernel, .retryMayFail, .noFail], bytes: 8192, rule)
        == [.kernel, .retryMayFail, .noWarn])
  }

  /// Kernel: `kvmalloc_node()` (mm/util.c; 4.19, 6.12, 6.18), and 7.1 by the spec of this project.
  @Test func whoMayEndInVmallocDependsOnTheRelease() {
    let masks: [GFPFlags] = [.kernel, .noFS, .noWait]
    let expected: [VmallocRules.KvmallocRule: [Bool]] = [
      .kernelOnly: [true, false, false], .blockingNoRetry: [true, true, false],
      .blockingNoReclaim: [true, true, false], .any: [true, true, true],
    ]
    for (rule, answers) in expected {
      #expect(masks.map { Kvmalloc.mayEndInVmalloc($0, rule) } == answers)
    }
    let late = Kvmalloc.adjusted(.kernel, bytes: 8192, .blockingNoReclaim)
    #expect(late == GFPFlags.kernel.union(.noWarn).subtracting(.directReclaim))
    #expect(Kvmalloc.adjusted(.noFS, bytes: 8192, .kernelOnly) == .noFS)
  }

  /// Goal: a run of all paths at once ends the same with shortcuts and without.
  @Test func aForkGoesTheSameWay() throws {
    var rig = try VmallocRig(cpus: 4)
    let areas = rig.vmalloc(bytes: 5 * page, count: 8, on: 1)
    rig.vfree(Array(areas[..<6]))
    var fork = rig.machine.clone()
    rig.purge(on: 2)
    fork.world.scripts[0] = .call(.vmUnmapAliases(.start))
    fork.start(.script(Script(from: 0, to: 1)), on: CPUID(2), at: fork.now)
    _ = fork.run()
    #expect(fork.fingerprint == rig.machine.fingerprint)
    #expect(fork.world.vmalloc.vmallocInfo() == rig.areas)
  }
}
