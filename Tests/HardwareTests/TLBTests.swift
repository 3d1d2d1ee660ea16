import Simulation
import Testing

@testable import Hardware

private let base = Address(0xffff_c900_0000_0000)
private let pageSize = 4096
private func machine(cpus: Int = 2) -> TLBs {
  TLBs(cpuCount: cpus, pageShift: 12, geometry: try! CPUFile.named("skylake").tlb)
}

/// `#expect` for calls on values that cannot be copied, which the macro would take apart.
private func expect<Value: Equatable>(
  _ value: Value, _ expected: Value, _ comment: Comment? = nil,
  at location: SourceLocation = #_sourceLocation
) {
  #expect(value == expected, comment, sourceLocation: location)
}

private struct Access: Equatable {
  var found: TLBs.Found
  var reads: Int
  init(_ found: TLBs.Found, _ reads: Int) { (self.found, self.reads) = (found, reads) }
}

extension TLBs {
  /// One access as hardware makes it, with the table reads it cost.
  fileprivate mutating func access(_ page: Int, on cpu: Int) -> Access {
    let address = base + page * pageSize
    let hit = look(up: address, .page, on: cpu)
    guard hit.found == .nowhere else {
      #expect(hit.frame == PFN(page))
      return Access(hit.found, 0)
    }
    return Access(.nowhere, fill(address, .page, PFN(page), levels: 4, on: cpu))
  }
}

@Suite struct TLBTests {
  @Test func aCPUThatTouchesNothingCostsNothing() {
    var tlbs = machine(cpus: 4096)
    #expect(tlbs.byteCount == 0)
    tlbs.flushAll(on: 7)
    tlbs.flushOne(base, on: 7)
    #expect(tlbs.byteCount == 0)
    _ = tlbs.access(0, on: 7)
    #expect(tlbs.byteCount == (64 + 32 + 1536 + 32) * 16)
  }

  @Test func theSecondAccessHits() {
    var tlbs = machine()
    expect(tlbs.access(3, on: 0), Access(.nowhere, 4))
    expect(tlbs.access(3, on: 0), Access(.l1, 0))
    expect(tlbs.access(3, on: 1), Access(.nowhere, 4), "each CPU has its own")
    expect(tlbs.access(4, on: 0), Access(.nowhere, 1), "the walk cache knows the table")
  }

  @Test func whatTheFirstLevelDropsTheSecondKeeps() throws {
    var tlbs = machine()
    for page in 0..<1536 { _ = tlbs.access(page, on: 0) }
    expect(tlbs.access(0, on: 0), Access(.l2, 0))
    expect(tlbs.access(0, on: 0), Access(.l1, 0))
    for page in 1536..<1664 { _ = tlbs.access(page, on: 0) }
    // Set 1 of the second level (pages 1, 129, ...) was used oldest first.
    expect(tlbs.access(1, on: 0).found, TLBs.Found.nowhere)
    try tlbs.checkInvariants()
  }

  @Test func aFullFlushForgetsAllOnItsCPUOnly() {
    var tlbs = machine()
    for page in 0..<100 {
      _ = tlbs.access(page, on: 0)
      _ = tlbs.access(page, on: 1)
    }
    tlbs.flushAll(on: 0)
    expect(tlbs.access(0, on: 0), Access(.nowhere, 4), "and the walk cache is empty")
    expect(tlbs.remembers(base + pageSize, .page, on: 0), false)
    expect(tlbs.remembers(base + pageSize, .page, on: 1), true)
  }

  @Test func invlpgForgetsOnePageAndTheWalkCache() {
    var tlbs = machine()
    for page in 0..<8 { _ = tlbs.access(page, on: 0) }
    tlbs.flushOne(base + 5 * pageSize, on: 0)
    for page in 0..<8 {
      expect(tlbs.remembers(base + page * pageSize, .page, on: 0), page != 5)
    }
    expect(tlbs.access(5, on: 0), Access(.nowhere, 4))
  }

  @Test func hugePagesHaveTheirOwnFirstLevel() {
    var tlbs = machine()
    let huge = 2 << 20
    _ = tlbs.fill(base, .huge, PFN(0), levels: 3, on: 0)
    expect(tlbs.look(up: base + (huge - 1), .huge, on: 0).found, .l1)
    expect(tlbs.look(up: base, .page, on: 0).found, .nowhere)
    for page in 0..<64 { _ = tlbs.access(page, on: 0) }
    expect(tlbs.look(up: base, .huge, on: 0).found, .l1, "4 KiB pages do not push it out")
  }

  /// Goal: after a change of the page table, and no flush, a CPU still sees the old frame.
  @Test func aStaleEntryCanBeSeen() {
    var tlbs = machine()
    var table = PageTable(
      levels: 4, pageShift: 12, boot: base..<Address(0xffff_e900_0000_0000))
    _ = table.map(base, to: PFN(0), .page)
    _ = tlbs.access(0, on: 0)
    _ = table.clear(base)
    expect(tlbs.look(up: base, .page, on: 0).frame, PFN(0))
    #expect(table.walk(base).frame.isNone)
  }

  /// Goal: within one set, what is forgotten is what was used longest ago.
  @Test(arguments: [1, 2, 3, 0xFEED] as [UInt64])
  func theFirstLevelAgreesWithLeastRecentlyUsed(seed: UInt64) throws {
    var tlbs = machine(cpus: 1)
    var random = RandomStream(seed: seed, name: "tlb", index: 0)
    // Pages of one set of 16 sets, fewer than the second level holds, so that only L1 forgets.
    var recent: [Int] = []
    for _ in 0..<2000 {
      let page = random.below(6) * 16
      let found = tlbs.access(page, on: 0).found
      #expect((found == .l1) == recent.prefix(4).contains(page))
      recent.removeAll { $0 == page }
      recent.insert(page, at: 0)
      if random.below(50) == 0 {
        tlbs.flushAll(on: 0)
        recent = []
      }
      if random.below(20) == 0, let gone = recent.first {
        tlbs.flushOne(base + gone * pageSize, on: 0)
        recent = []
        tlbs.flushAll(on: 0)
      }
    }
    try tlbs.checkInvariants()
  }

  @Test("a range is forgotten page by page, or by one look at all, with the same end")
  func ranges() {
    for pages in [1, 64, 65, 300, 5000] {
      var tlbs = machine()
      for page in 0..<400 { _ = tlbs.access(page, on: 0) }
      tlbs.flushRange(base + 50 * pageSize, pages: pages, on: 0)
      for page in 0..<400 {
        let isGone = page >= 50 && page < 50 + pages
        expect(tlbs.remembers(base + page * pageSize, .page, on: 0), !isGone, "\(pages), \(page)")
      }
    }
  }

  @Test func aSharedFirstLevelHoldsBothSizes() throws {
    var tlbs = TLBs(cpuCount: 1, pageShift: 12, geometry: try CPUFile.named("zen4").tlb)
    for page in 0..<72 { _ = tlbs.fill(base + page * pageSize, .page, PFN(page), levels: 4, on: 0) }
    expect(tlbs.look(up: base, .page, on: 0).found, .l1)
    _ = tlbs.fill(base + (2 << 20), .huge, PFN(512), levels: 3, on: 0)
    expect(tlbs.look(up: base + pageSize, .page, on: 0).found, .l2, "the large page took its place")
  }
}
