import Hardware

/// Gives a machine that has just booted the free memory of one that has run for a while.
///
/// A recording says how much of a zone was free when it began, and sometimes in what blocks. What
/// the rest held is not said and not needed: those pages belong to nobody here and never come back.
extension PageAllocator {
  /// Free blocks by order, for each of the first three types.
  package struct Blocks: Sendable, Equatable {
    package var counts: [MigrateType: [Int]]
    package init(_ counts: [MigrateType: [Int]]) { self.counts = counts }
    package var pages: Int {
      counts.values.reduce(0) { sum, counts in
        sum + counts.enumerated().reduce(0) { $0 + $1.element << $1.offset }
      }
    }
  }

  /// Takes pages of a zone out of reach, the largest blocks first, until `pages` are free. Where
  /// fewer are free nothing changes. Complexity: O(blocks taken).
  package mutating func withhold(_ zone: Int, keeping pages: Int) {
    for order in stride(from: FreeArea.orderMax, through: 0, by: -1) {
      while zones[zone].freePages - pages >= 1 << order {
        guard takeAny(zone, order) != nil else { break }
      }
    }
  }

  /// Leaves a zone with exactly these free blocks, none beside its buddy.
  ///
  /// Whole chunks of the highest order are cut up: each block lies beside as many pages that
  /// nobody has, so that none merges with another. Returns: false, and nothing changes, where the
  /// zone has not so many chunks. Complexity: O(blocks).
  package mutating func arrange(_ zone: Int, _ blocks: Blocks) -> Bool {
    let types = [MigrateType.unmovable, .movable, .reclaimable]
    let chunk = MemMap.chunkPages
    let needed = types.reduce(0) { sum, type in
      let counts = blocks.counts[type] ?? []
      let small = counts.prefix(FreeArea.orderMax).enumerated().reduce(0) {
        $0 + $1.element << ($1.offset + 1)
      }
      let whole = counts.count > FreeArea.orderMax ? counts[FreeArea.orderMax] : 0
      return sum + whole + (small + chunk - 1) / chunk
    }
    let available = MigrateType.allCases.reduce(0) { $0 + zones[zone].area.blockCount(.max, $1) }
    guard needed <= available else { return false }
    var chunks: [PFN] = []
    while let block = takeAny(zone, FreeArea.orderMax) { chunks.append(block) }
    withhold(zone, keeping: 0)
    // The lowest addresses are given back last, so that they are the first to be taken.
    chunks.sort { $0.index < $1.index }
    var free = ArraySlice(chunks.prefix(needed))
    for type in types { cut(zone, type, blocks.counts[type] ?? [], &free) }
    return true
  }

  /// Frees blocks of one type, from the largest to the smallest, in chunks of their own.
  private mutating func cut(
    _ zone: Int, _ type: MigrateType, _ counts: [Int], _ chunks: inout ArraySlice<PFN>
  ) {
    var work = BuddyWork()
    var (chunk, used) = (PFN.none, MemMap.chunkPages)
    for order in stride(from: min(counts.count - 1, FreeArea.orderMax), through: 0, by: -1) {
      let room = order == FreeArea.orderMax ? 1 << order : 2 << order
      for _ in 0..<counts[order] {
        if used + room > MemMap.chunkPages {
          guard let next = chunks.popLast() else { return }
          (chunk, used) = (next, 0)
          map.setType(of: chunk, .max, type)
        }
        zones[zone].area.give(chunk + used, order, type, &map, &work)
        used += room
      }
    }
  }

  /// Takes a block of exactly or at least `order`, whatever its type; what is too much stays.
  private mutating func takeAny(_ zone: Int, _ order: Int) -> PFN? {
    var work = BuddyWork()
    for type in [MigrateType.movable, .reclaimable, .unmovable, .highAtomic] {
      let block = zones[zone].area.take(order, type, &map, &work)
      if !block.isNone { return block }
    }
    return nil
  }
}
