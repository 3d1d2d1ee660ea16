import Hardware
import Simulation
import Testing

@testable import Kernel

private let page = 4096

/// What vmalloc did in each of its epochs. Golden traces: vmalloc spec, section 11.
@Suite struct VmallocEpochTests {
  private func rig(_ release: String, cpus: Int = 4) throws -> VmallocRig {
    try VmallocRig(cpus: cpus, version: try #require(KernelVersion(named: release)))
  }

  /// G5: nothing is lazy, each free flushes all CPUs, and the addresses are free at once.
  @Test(arguments: ["2.6.24", "2.6.27"])
  func everyFreeFlushed(release: String) throws {
    var rig = try rig(release)
    let start = rig.machine.world.vmalloc.start
    let areas = rig.vmalloc(bytes: page, count: 5)
    #expect(areas == (0..<5).map { start + $0 * 2 * page })
    rig.vfree([areas[1], areas[3]])
    #expect(rig.statistics.flushCalls == 2 && rig.statistics.flushAllCPUs == 8)
    #expect(rig.lazy == 0 && rig.statistics.purgeCalls == 0)
    #expect(rig.vmalloc(bytes: page) == [areas[1]])
    #expect(rig.vmalloc(bytes: 2 * page) == [start + 10 * page])
  }

  /// G2 and G3: a hole is found again after a purge, not before, by a walk, by a walk from the
  /// cached area, and in the free tree; areas of 2.6.28 to 2.6.39 keep a page more apart.
  @Test(arguments: [("2.6.28", 3), ("2.6.39", 3), ("3.10", 2), ("4.19", 2), ("5.2", 2), ("6.6", 2)])
  func aHoleIsFoundAgainAfterThePurge(release: String, stride: Int) throws {
    var rig = try rig(release)
    let start = rig.machine.world.vmalloc.start
    let areas = rig.vmalloc(bytes: page, count: 3)
    #expect(areas == (0..<3).map { start + $0 * stride * page })
    rig.vfree([areas[1]])
    #expect(rig.vmalloc(bytes: page) == [start + 3 * stride * page])
    rig.purge()
    #expect(rig.vmalloc(bytes: page) == [areas[1]])
    #expect(rig.violations.isEmpty)
  }

  /// G4: the 1,639th free of 5 pages passes 8,192. To 5.17 the freeing task purges, then a worker. The
  /// areas touch, and are one when it comes, from 5.11 to 6.8.
  @Test(arguments: [
    ("2.6.32", false), ("4.4", false), ("4.19", false), ("5.10", false), ("6.6", true),
  ])
  func whoPurgesDependsOnTheRelease(release: String, isWorker: Bool) throws {
    var rig = try rig(release, cpus: 1)
    let calls = Array(
      repeating: Frame.vmalloc(.start(pages: 4, gfp: .kernel, node: .any)), count: 1639)
    let areas = rig.calls(calls).map(\.address)
    #expect(Set(areas).count == 1639)
    _ = rig.calls(areas.dropLast().map { .vfree(.start($0)) })
    #expect(rig.lazy == 8190 && rig.statistics.purgeCalls == 0)
    _ = rig.calls([.vfree(.start(areas[1638]))])
    #expect(rig.lazy == 0 && rig.statistics.purgeCalls == 1 && rig.statistics.flushCalls == 1)
    #expect(rig.statistics.areasPurged == (release == "6.6" ? 1 : 1639))
    #expect(rig.statistics.drainWorkRuns == (isWorker ? 1 : 0))
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == 0)
  }

  /// Kernel: `vfree()` (mm/vmalloc.c; 3.2, 3.10).
  @Test func inAnInterruptItWasABugBefore3_10() throws {
    for (release, isBug) in [("3.2", true), ("3.10", false)] {
      var rig = try rig(release)
      let area = rig.vmalloc(bytes: page)[0]
      _ = rig.calls(on: 1, at: .hardirq, [.vfree(.start(area))])
      #expect(rig.violations == (isBug ? [.badContext] : []))
      #expect(rig.statistics.deferredFrees == (isBug ? 0 : 1))
      #expect(rig.areas.isEmpty != isBug)
    }
  }

  /// To 2.6.36 the page table is cleared with the purge, later with the free.
  @Test(arguments: [("2.6.36", 1), ("2.6.37", 0)])
  func entriesAreClearedLateTo2_6_36(release: String, left: Int) throws {
    var rig = try rig(release)
    rig.vfree(rig.vmalloc(bytes: page))
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == left)
    rig.purge()
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == 0)
  }

  /// Random calls on several CPUs at once, in every epoch: addresses are never given twice, and
  /// nothing is left when all is freed.
  @Test(
    arguments: [
      "2.6.24", "2.6.28", "2.6.39", "4.4", "4.19", "5.2", "5.5", "5.10", "6.3", "6.6", "6.9", "7.2",
    ], [1, 0xFACE] as [UInt64])
  func everyEpochGivesAndTakes(release: String, seed: UInt64) throws {
    var rig = try rig(release, cpus: 3)
    var random = RandomStream(seed: seed, name: "epochs", index: 0)
    var live: [(address: Address, pages: Int)] = []
    for _ in 0..<30 {
      let cpu = random.below(3)
      let sizes = (0..<1 + random.below(12)).map { _ in Int32(1 + random.below(20)) }
      let replies = rig.calls(
        on: cpu, sizes.map { .vmalloc(.start(pages: $0, gfp: .kernel, node: .any)) })
      for (size, reply) in zip(sizes, replies) {
        let range = reply.address.raw..<reply.address.raw + UInt64(size + 1) * 4096
        let isAlone = live.allSatisfy {
          !range.overlaps($0.address.raw..<$0.address.raw + UInt64($0.pages + 1) * 4096)
        }
        #expect(reply.address != .null && isAlone)
        live.append((reply.address, Int(size)))
      }
      var gone: [Frame] = []
      for _ in 0..<random.below(live.count) {
        gone.append(.vfree(.start(live.remove(at: random.below(live.count)).address)))
      }
      _ = rig.calls(on: (cpu + 1) % 3, gone)
      if random.below(8) == 0 { rig.purge(on: cpu) }
    }
    _ = rig.calls(live.map { .vfree(.start($0.address)) })
    rig.purge()
    #expect(rig.areas.isEmpty && rig.lazy == 0 && rig.machine.world.vmalloc.pageCount == 0)
    #expect(rig.machine.world.vmalloc.pageTable.mappedPages == 0 && rig.violations.isEmpty)
  }
}

/// The walk for a hole against a look at every place.
@Suite struct HoleSearchModelTests {
  @Test(arguments: [1, 2, 0xD00D] as [UInt64], [true, false])
  func aWalkFindsTheLowestHole(seed: UInt64, fromHead: Bool) throws {
    var areas = VmapAreas(capacity: 4)
    var tree = VmapTree(augmented: false)
    var random = RandomStream(seed: seed, name: "holes", index: 0)
    var taken = [Bool](repeating: false, count: 120)
    var live: [VmapAreaID] = []
    for _ in 0..<2000 {
      if random.below(5) < 3 || live.isEmpty {
        let pages = 1 + random.below(6)
        let align = 1 << random.below(3)
        let request = HoleSearch.Request(
          size: UInt64(pages) << 12, align: UInt64(align) << 12, lower: 16 << 12, upper: 100 << 12)
        let found =
          fromHead
          ? HoleSearch.fromHead(request, in: tree, areas)
          : HoleSearch.down(request, in: tree, areas)
        let lowest = stride(from: 16, through: 100 - pages, by: align).first { place in
          (place..<place + pages).allSatisfy { !taken[$0] }
        }
        #expect(found.start.map { Int($0 >> 12) } == lowest)
        guard let place = lowest else { continue }
        let area = areas.pool.take(
          VmapArea(start: UInt64(place) << 12, end: UInt64(place + pages) << 12))
        areas.insert(area, into: &tree)
        live.append(area)
        for page in place..<place + pages { taken[page] = true }
      } else {
        let area = live.remove(at: random.below(live.count))
        for page in Int(areas[area].start >> 12)..<Int(areas[area].end >> 12) {
          taken[page] = false
        }
        areas.remove(area, from: &tree)
        areas.pool.give(area)
      }
    }
  }

  /// With the cache: what is found is free, and nothing behind the cached area is passed over.
  @Test(arguments: [1, 2, 0xD00D] as [UInt64])
  func theCachedWalkFindsOnlyWhatIsFree(seed: UInt64) throws {
    var areas = VmapAreas(capacity: 4)
    var tree = VmapTree(augmented: false)
    var search = HoleSearch()
    var random = RandomStream(seed: seed, name: "cached holes", index: 0)
    var taken = [Bool](repeating: false, count: 160)
    var live: [VmapAreaID] = []
    var (found, restarts) = (0, 0)
    for _ in 0..<3000 {
      if random.below(5) < 3 || live.isEmpty {
        let pages = 1 + random.below(6)
        let request = HoleSearch.Request(
          size: UInt64(pages) << 12, align: 4096, lower: 16 << 12, upper: 150 << 12)
        let from = search.cached.isNone ? 16 : Int(areas[search.cached].end >> 12)
        let place = search.fromCache(request, in: tree, areas).start.map { Int($0 >> 12) }
        let behind = stride(from: from, through: 150 - pages, by: 1).first { place in
          (place..<place + pages).allSatisfy { !taken[$0] }
        }
        guard let place else {
          #expect(behind == nil)
          search = HoleSearch()
          continue
        }
        #expect((place..<place + pages).allSatisfy { !taken[$0] })
        if place < from { restarts += 1 } else { #expect(place == behind) }
        found += 1
        let area = areas.pool.take(
          VmapArea(start: UInt64(place) << 12, end: UInt64(place + pages) << 12))
        areas.insert(area, into: &tree)
        search.note(found: area)
        live.append(area)
        for page in place..<place + pages { taken[page] = true }
      } else {
        let area = live.remove(at: random.below(live.count))
        for page in Int(areas[area].start >> 12)..<Int(areas[area].end >> 12) {
          taken[page] = false
        }
        search.note(leaving: area, areas)
        areas.remove(area, from: &tree)
        areas.pool.give(area)
      }
    }
    #expect(found > 500 && restarts > 20)
  }
}
