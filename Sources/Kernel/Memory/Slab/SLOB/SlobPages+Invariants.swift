import Simulation

extension SlobPages {
  /// Walks all pages and lists. Complexity: O(pages * units).
  func checkInvariants() throws(BrokenInvariant) {
    try all.checkInvariants("SLOB pages")
    var listed = 0
    for list in 0..<3 {
      var (page, previous, count) = (lists[list].first, ID<Page>.none, 0)
      while !page.isNone {
        try ensure(
          Int(all[page].list) == list && all[page].previous == previous && all[page].free > 0,
          "slob: a page is on a list that is not its own")
        try checkPage(page)
        (previous, page, count) = (page, all[page].next, count + 1)
        try ensure(count <= all.liveCount, "slob: a list leads nowhere")
      }
      try ensure(
        lists[list].last == previous && Int(lists[list].count) == count, "slob: a list lost count")
      listed += count
    }
    try ensure(listed <= all.liveCount, "slob: a page is on two lists")
  }

  private func checkPage(_ page: ID<Page>) throws(BrokenInvariant) {
    var (here, free) = (Int(all[page].first), 0)
    while here < SlobPages.pageUnits {
      free += size(page, here)
      let behind = next(page, here)
      try ensure(
        behind > here + size(page, here) || behind == SlobPages.pageUnits,
        "slob: two free blocks touch or overlap")
      try ensure(behind <= SlobPages.pageUnits, "slob: a free block leads out of its page")
      here = behind
    }
    try ensure(free == Int(all[page].free), "slob: a page miscounts its free units")
    let used = (0..<SlobPages.pageUnits).reduce(0) { $0 + Int(taken[place(page, $1)]) }
    try ensure(used + free == SlobPages.pageUnits, "slob: units of a page are lost or doubled")
  }
}
