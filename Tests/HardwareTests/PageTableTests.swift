import Simulation
import Testing

@testable import Hardware

private func empty() -> PageTable {
  PageTable(levels: 4, pageShift: 12, boot: start..<Address(0xffff_e900_0000_0000))
}
private let start = Address(0xffff_c900_0000_0000)
private let pageSize = 4096
private let huge = 2 << 20

@Suite struct PageTableTests {
  /// Golden trace G7 (vmalloc spec, section 11).
  @Test func fourMebibytesNeedTwoPTEPagesAndOnePMDPage() throws {
    var table = empty()
    var made = 0
    for page in 0..<1024 { made += table.map(start + page * pageSize, to: PFN(page), .page) }
    #expect(made == 3)
    for page in 0..<1024 { #expect(table.clear(start + page * pageSize)?.frame == PFN(page)) }
    var again = 0
    for page in 0..<1024 { again += table.map(start + page * pageSize, to: PFN(page), .page) }
    #expect(again == 0)
    made = table.map(start + 2 * huge, to: PFN(7), .page)
    #expect(made == 1, "the GiB has its PMD page by now")
    try table.checkInvariants()
  }

  @Test func outsideTheRangeThatBootMadeATableOfEachLevelIsMissing() {
    var table = empty()
    #expect(table.missingLevel(for: start + (-pageSize), .page) == 3)
    #expect(table.missingLevel(for: start, .page) == 2)
    #expect(table.missingLevel(for: start, .huge) == 2)
    _ = table.install(level: 2, for: start, frame: PFN(9))
    #expect(table.missingLevel(for: start, .huge) == nil)
    #expect(table.missingLevel(for: start, .page) == 1)
  }

  @Test func whoLosesTheRaceForATableIsTold() {
    var table = empty()
    _ = table.missingLevel(for: start, .page)
    let first = table.install(level: 2, for: start, frame: PFN(1))
    #expect(first)
    let second = table.install(level: 2, for: start, frame: PFN(2))
    #expect(!second)
    #expect(table.tableCount == 3)
  }

  @Test func aWalkCountsLevelsAndSeesInsideHugePages() {
    var table = empty()
    _ = table.map(start, to: PFN(40), .page)
    _ = table.map(start + huge, to: PFN(512), .huge)
    #expect(table.walk(start).levels == 4)
    #expect(table.walk(start + pageSize).frame.isNone)
    let inside = table.walk(start + huge + 3 * pageSize)
    #expect(inside.frame == PFN(515) && inside.levels == 3 && inside.size == .huge)
    #expect(table.walk(Address(0x1000)).levels == 1)
  }

  @Test func aMappedPageIsNotMappedOver() {
    var table = empty()
    _ = table.map(start, to: PFN(1), .page)
    let again = table.set(start, to: PFN(2), .page)
    #expect(!again)
    #expect(table.walk(start).frame == PFN(1))
  }

  @Test func clearingARunStopsAtTheEndOfItsTable() {
    var table = empty()
    for page in 500..<530 { _ = table.map(start + page * pageSize, to: PFN(page), .page) }
    let first = table.clearPages(from: start + 490 * pageSize, count: 50)
    #expect(first.seen == 22 && first.cleared == 12)
    let second = table.clearPages(from: start + 512 * pageSize, count: 28)
    #expect(second.seen == 28 && second.cleared == 18)
    let nowhere = table.clearPages(from: start + 9 * huge, count: 600)
    #expect(nowhere.seen == 512 && nowhere.cleared == 0)
    #expect(table.mappedPages == 0)
  }

  /// Goal: random maps and unmaps leave what a dictionary holds.
  @Test(arguments: [1, 2, 3, 0xFEED] as [UInt64])
  func agreesWithADictionary(seed: UInt64) throws {
    var table = empty()
    var random = RandomStream(seed: seed, name: "page table", index: 0)
    var model: [Int: Int] = [:]
    for step in 0..<4000 {
      let page = random.below(1 << 12) * (random.below(4) == 0 ? 1 << 14 : 1)
      let address = start + page * pageSize
      if model[page] == nil {
        _ = table.map(address, to: PFN(step), .page)
        model[page] = step
      } else {
        #expect(table.clear(address)?.frame == PFN(model.removeValue(forKey: page)!))
      }
    }
    try table.checkInvariants()
    #expect(table.mappedPages == model.count)
    for (page, frame) in model { #expect(table.walk(start + page * pageSize).frame == PFN(frame)) }
    let copy = table.clone()
    _ = table.clear(start + model.keys.first! * pageSize)
    #expect(copy.mappedPages == model.count && table.mappedPages == model.count - 1)
  }
}
