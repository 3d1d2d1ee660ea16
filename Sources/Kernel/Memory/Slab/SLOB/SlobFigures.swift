import Simulation

/// What SLOB's pages hold, list by list: how much of them is free, in how many pieces, and how far
/// a search goes. The kernel shows none of it: SLOB has no /proc/slabinfo.
package struct SlobFigures: Equatable, Sendable {
  package struct List: Equatable, Sendable {
    package var pages = 0
    package var freeBytes = 0
    /// Free blocks, and the largest of them.
    package var holes = 0
    package var largestHole = 0
    /// Searches since measuring began, those that found nothing, and the pages they looked at.
    package var searches: UInt64 = 0
    package var misses: UInt64 = 0
    package var pagesPassed: UInt64 = 0
  }
  /// For small, medium and large blocks; one list up to 2.6.24.
  package var lists: [List]
  /// Pages without a free unit, which are on no list.
  package var fullPages: Int

  package var pages: Int { lists.reduce(fullPages) { $0 + $1.pages } }
}

extension SlobPages {
  /// For reports. Complexity: O(pages + free blocks).
  var figures: SlobFigures {
    var figures = SlobFigures(lists: [], fullPages: all.liveCount)
    for list in 0..<listCount {
      var here = SlobFigures.List()
      var page = lists[list].first
      while !page.isNone {
        here.pages += 1
        here.freeBytes += Int(all[page].free) * SlobPages.unitBytes
        var unit = Int(all[page].first)
        while unit < SlobPages.pageUnits {
          here.holes += 1
          here.largestHole = max(here.largestHole, size(page, unit) * SlobPages.unitBytes)
          unit = next(page, unit)
        }
        page = all[page].next
      }
      (here.searches, here.misses) = (lists[list].searches, lists[list].misses)
      here.pagesPassed = lists[list].pagesPassed
      figures.fullPages -= here.pages
      figures.lists.append(here)
    }
    return figures
  }

  mutating func resetStatistics() {
    for list in 0..<3 {
      (lists[list].searches, lists[list].misses, lists[list].pagesPassed) = (0, 0, 0)
    }
  }
}

extension SlabAllocator {
  /// Of SLOB's pages; nil where another allocator is behind kmalloc.
  package var slobFigures: SlobFigures? { settings.kind == .slob ? slob.figures : nil }
}
