import Hardware
import Simulation
import Testing

@testable import Kernel

private let huge = 2 << 20

/// Pages of 2 MiB in vmalloc space, and large blocks for small pages.
@Suite struct HugeVmallocTests {
  /// The list vmalloc_huge of ground truth 6.12-8c2n: 2 and 3 MiB are too little for two nodes.
  @Test(arguments: [
    (6.12, 2, 0), (6.12, 3, 0), (6.12, 4, 2), (6.13, 2, 1), (6.13, 3, 2), (5.17, 8, 0), (7.2, 3, 2),
  ])
  func sizeAndReleaseDecide(release: Double, mebibytes: Int, pages: Int) throws {
    let version = try #require(KernelVersion(named: "\(release)"))
    var rig = try VmallocRig(cpus: 4, nodes: 2, version: version)
    let area = rig.vmalloc(bytes: mebibytes << 20, flags: .allowsHuge)
    #expect(rig.machine.world.vmalloc.pageTable.mappedHugePages == pages)
    let owned = rig.areas.map(\.pages).max()
    #expect(owned == (pages > 0 ? pages * 512 : mebibytes * 256))
    let whole = rig.areas.max { $0.pages < $1.pages }
    rig.vfree(area.filter { $0.raw == whole?.start })
    rig.purge()
    #expect(rig.machine.world.vmalloc.pageTable.mappedHugePages == 0)
    #expect(rig.violations.isEmpty)
  }

  /// A huge page that takes the place of a table has all CPUs forget the way there, one page worth.
  ///
  /// The table's page is freed by the mapping CPU, from 6.19 on by a work item.
  @Test(arguments: [("6.12", UInt64(0)), ("7.2", UInt64(1))])
  func aTableInTheWayIsFlushedAndFreed(release: String, workItems: UInt64) throws {
    let version = try #require(KernelVersion(named: release))
    var rig = try VmallocRig(cpus: 4, version: version)
    let small = rig.vmalloc(bytes: 3 * huge)
    rig.vfree(small)
    rig.purge()
    let (tables, flushes) = (rig.machine.world.vmalloc.pageTable.tableCount, rig.statistics)
    let items = rig.machine.world.counters[.workItems]
    let freed = rig.machine.world.counters[.pgfree]
    _ = rig.vmalloc(bytes: huge, flags: .allowsHuge)
    #expect(rig.machine.world.counters[.pgfree] == freed + 1)
    #expect(rig.machine.world.counters[.workItems] == items + workItems)
    #expect(rig.machine.world.vmalloc.pageTable.mappedHugePages == 1)
    #expect(rig.machine.world.vmalloc.pageTable.tableCount == tables - 1)
    #expect(rig.statistics.flushCalls == flushes.flushCalls + 1)
    #expect(rig.statistics.flushPages == flushes.flushPages)
    #expect(rig.statistics.rangeFlushCPUs == 4)
    // From 6.19 on a worker frees the table's page, in whose hands nothing is left at the end.
    #expect(rig.machine.world.vmalloc.tablesToFree.isNone)
  }

  /// Where there is no block of 2 MiB the same memory comes in small pages.
  @Test func withoutLargeBlocksSmallPagesDo() throws {
    var rig = try VmallocRig(cpus: 1, memory: 64 << 20, version: .v6_13)
    // All blocks of 2 MiB are taken; then every other page of two of them is free.
    var blocks: [PFN] = []
    while true {
      let order = Order(9)
      let block = rig.calls([.allocPages(.start(order: order, gfp: .noWait, node: .any))])[0].pfn
      guard !block.isNone else { break }
      blocks.append(block)
    }
    for block in blocks.suffix(4) {
      rig.machine.world.pages.split(block, Order(9))
      _ = rig.calls(
        stride(from: 0, to: 512, by: 2).map { .freePages(.start(block + $0, .zero)) })
    }
    let area = rig.vmalloc(bytes: huge, flags: .allowsHuge)
    #expect(!area.isEmpty && rig.areas[0].pages == 512)
    #expect(rig.machine.world.vmalloc.pageTable.mappedHugePages == 0)
  }

  /// The list vmalloc_sizes of ground truth 7.2-8c2n: 7 pages are blocks of 4, 2 and 1.
  @Test func largeBlocksComeFirstFrom6_19() throws {
    for (version, isInBlocks) in [(KernelVersion.v6_18, false), (.v6_19, true)] {
      var rig = try VmallocRig(cpus: 1, version: version)
      // No two single pages that follow each other are free: what does was a block.
      let singles = rig.calls(
        (0..<64).map { _ in .allocPages(.start(order: .zero, gfp: .kernel, node: .any)) }
      ).map(\.pfn)
      _ = rig.calls(
        singles.filter { $0.index % 2 == 0 }.map { .freePages(.start($0, .zero)) })
      let area = rig.vmalloc(bytes: 7 * 4096)[0]
      let frames = (0..<7).map { rig.machine.world.vmalloc.frame(of: area + $0 * 4096).index }
      let isBlock = frames[0] % 4 == 0 && (1..<4).allSatisfy { frames[$0] == frames[0] + $0 }
      #expect(isBlock == isInBlocks, "\(version.name): \(frames)")
      rig.vfree([area])
      rig.purge()
      #expect(rig.violations.isEmpty)
    }
  }
}
