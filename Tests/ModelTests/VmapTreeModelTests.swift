import Simulation
import Testing

@testable import Kernel

private let page: UInt64 = 4096

/// The simplest model there is: free ranges in a sorted array.
private struct NaiveFreeList {
  var ranges: [Range<UInt64>]

  /// The lowest place in [lower, upper), as `find_vmap_lowest_match()` promises for alignments up
  /// to the page size.
  func lowest(_ size: UInt64, align: UInt64, from lower: UInt64, upper: UInt64) -> UInt64? {
    for range in ranges {
      let start = (max(range.lowerBound, lower) + align - 1) / align * align
      if start + size <= range.upperBound { return start + size <= upper ? start : nil }
    }
    return nil
  }

  /// Takes a range out. Returns: false if it was not free.
  mutating func take(_ taken: Range<UInt64>) -> Bool {
    guard let index = ranges.firstIndex(where: { $0.contains(taken.lowerBound) }),
      taken.upperBound <= ranges[index].upperBound
    else { return false }
    let parts = [
      ranges[index].lowerBound..<taken.lowerBound, taken.upperBound..<ranges[index].upperBound,
    ]
    ranges.replaceSubrange(index...index, with: parts.filter { !$0.isEmpty })
    return true
  }

  mutating func give(_ range: Range<UInt64>) {
    ranges.append(range)
    ranges.sort { $0.lowerBound < $1.lowerBound }
    var merged: [Range<UInt64>] = []
    for range in ranges {
      if let last = merged.last, last.upperBound == range.lowerBound {
        merged[merged.count - 1] = last.lowerBound..<range.upperBound
      } else {
        merged.append(range)
      }
    }
    ranges = merged
  }
}

extension VmapAreas {
  fileprivate func ranges(of tree: VmapTree) -> [Range<UInt64>] {
    var (area, ranges) = (tree.first, [Range<UInt64>]())
    while !area.isNone {
      ranges.append(self[area].start..<self[area].end)
      area = self[area].next
    }
    return ranges
  }
}

@Suite struct VmapTreeModelTests {
  /// Goal: the free tree gives the addresses that a linear search from below gives, and no area is
  /// lost or left unmerged.
  @Test(arguments: [1, 2, 3, 4, 0xBEEF] as [UInt64])
  func firstFitAgreesWithALinearSearch(seed: UInt64) throws {
    var areas = VmapAreas(capacity: 4)
    var tree = VmapTree(augmented: true)
    var random = RandomStream(seed: seed, name: "free tree", index: 0)
    let (lower, upper) = (page * 1000, page * 3000)
    var naive = NaiveFreeList(ranges: [1..<page * 4000])
    areas.insert(areas.pool.take(VmapArea(start: 1, end: page * 4000)), into: &tree)
    var live: [Range<UInt64>] = []
    for step in 0..<3000 {
      let wantsMore = random.below(step < 1500 ? 3 : 5) < 2
      if wantsMore || live.isEmpty {
        let size = page * UInt64(1 + random.below(12))
        let align = page << UInt64(random.below(8) == 0 ? random.below(5) : 0)
        let spare = areas.pool.take(VmapArea(start: 0, end: 0))
        let cut = areas.cut(
          size, align: align, from: lower, upper: upper, of: &tree, spare: spare)
        let lowest = naive.lowest(size, align: align, from: lower, upper: upper)
        if align == page {
          #expect(cut?.start == lowest)
        } else if let cut, let lowest {
          #expect(cut.start % align == 0 && cut.start >= lowest, "it may skip a tight place")
        } else {
          #expect(cut == nil)
        }
        if cut?.fit != .middle { areas.pool.give(spare) }
        if let cut, !cut.usedUp.isNone { areas.pool.give(cut.usedUp) }
        if let cut {
          let range = cut.start..<cut.start + size
          let wasFree = naive.take(range)
          #expect(wasFree)
          live.append(range)
        }
      } else {
        let range = live.remove(at: random.below(live.count))
        let area = areas.pool.take(VmapArea(start: range.lowerBound, end: range.upperBound))
        let (needless, _) = areas.mergeOrAdd(area, into: &tree)
        for area in [needless.0, needless.1] where !area.isNone { areas.pool.give(area) }
        naive.give(range)
      }
      if step % 16 == 0 { try areas.checkInvariants(of: tree) }
    }
    try areas.checkInvariants(of: tree)
    #expect(areas.ranges(of: tree) == naive.ranges)
    #expect(areas.pool.liveCount == naive.ranges.count)
  }

  /// Goal: inserts and removals in any order leave a balanced tree that finds every address.
  @Test(arguments: [1, 2, 3, 0xBEEF] as [UInt64])
  func findAgreesWithASortedArray(seed: UInt64) throws {
    var areas = VmapAreas(capacity: 4)
    var tree = VmapTree(augmented: false)
    var random = RandomStream(seed: seed, name: "busy tree", index: 0)
    var live: [UInt64: VmapAreaID] = [:]
    for step in 0..<4000 {
      let slot = UInt64(random.below(600))
      if let area = live.removeValue(forKey: slot) {
        areas.remove(area, from: &tree)
        areas.pool.give(area)
      } else {
        let start = slot * 4 * page
        let area = areas.pool.take(VmapArea(start: start, end: start + 3 * page))
        areas.insert(area, into: &tree)
        live[slot] = area
      }
      let address = UInt64(random.below(2400)) * page
      let expected = address / page % 4 == 3 ? nil : live[address / page / 4]
      let (found, visited) = areas.find(address, in: tree)
      #expect(found == expected)
      #expect(visited <= 20, "2 log2(600) nodes at most")
      if step % 16 == 0 { try areas.checkInvariants(of: tree) }
    }
    #expect(areas.ranges(of: tree).count == live.count)
  }

  /// Goal: the work of a search grows with the logarithm of the areas.
  @Test func aSearchVisitsFewNodesOfMany() throws {
    var areas = VmapAreas(capacity: 4)
    var tree = VmapTree(augmented: true)
    // Holes of one page, too small, and one of four far up.
    for index in 0..<50_000 {
      let start = UInt64(index) * 2 * page
      areas.insert(areas.pool.take(VmapArea(start: start, end: start + page)), into: &tree)
    }
    let last = areas.pool.take(VmapArea(start: page << 20, end: (page << 20) + 4 * page))
    areas.insert(last, into: &tree)
    let match = areas.lowestMatch(2 * page, align: page, from: 0, upper: .max, in: tree)
    #expect(match.area == last)
    #expect(match.visited <= 32)
    try areas.checkInvariants(of: tree)
  }
}
