import Simulation

/// The kernel's page table: real levels of 512 entries, whose tables are made when first needed.
/// The root of arm32 has 2,048, each for 2 MiB.
///
/// It knows no allocator, lock or time. A caller asks which table is missing, allocates its page,
/// and hangs it in; two that race for one table see it, since the second `install` is refused.
/// Tables are given back only where a 2 MiB page takes the place of one: vunmap never frees them.
///
/// Invariants, verified by `checkInvariants()`:
/// 1. each table but the root hangs in exactly one entry of a table one level above;
/// 2. a leaf is in a level-1 table (4 KiB) or a level-2 table (2 MiB), nowhere else;
/// 3. `mappedPages` and `mappedHugePages` are the numbers of leaves.
///
/// Kernel: `init_mm`'s pgd, `pud_alloc()`, `pmd_alloc()`, `pte_alloc_kernel()` (mm/memory.c, 6.12).
/// Not modelled: protection bits, accessed and dirty bits, 1 GiB leaves.
package struct PageTable: ~Copyable {
  /// What one leaf maps.
  package enum LeafSize: UInt8, BitwiseCopyable, Sendable {
    /// 4 KiB, in a level-1 table. Kernel: pte.
    case page
    /// 2 MiB, in a level-2 table. Kernel: pmd leaf.
    case huge
    /// The level of the table that the leaf lies in.
    package var level: Int { self == .page ? 1 : 2 }
  }
  /// What a page walk found.
  package struct Walk: BitwiseCopyable {
    /// The frame of the very page, also inside a huge one; none if nothing is mapped.
    package let frame: PFN
    package let size: LeafSize
    /// Tables read on the way.
    package let levels: Int
  }
  static let entriesPerTable = 512
  private static let bitsPerLevel = 9
  /// Of the root, which lies where tables of 512 entries would be 0 to `rootEntries / 512 - 1`.
  private let rootEntries: Int

  /// Levels from the root (the highest) to 1, which holds 4 KiB leaves.
  package let levels: Int
  private let pageShift: Int
  /// Addresses whose tables below the root the boot made.
  private let bootStart: Address
  private let bootEnd: Address
  /// 0: nothing; n > 0: the leaf of frame n - 1; n < 0: table -n.
  private var entries: Buffer<Int32>
  /// The frame of each table; none for what the boot made.
  private var frames: Buffer<PFN>
  /// Tables that were ever in use at a time, and the first of those that are not in use now: a chain
  /// through their first entries.
  private var tablesMade: Int
  private var firstUnused: Int32
  /// Tables in use, the root included.
  package private(set) var tableCount: Int
  package internal(set) var mappedPages: Int
  package private(set) var mappedHugePages: Int

  /// An empty table.
  ///
  /// - Parameter boot: where the tables just below the root exist from the start. They cost no
  ///   memory here before they are used. Kernel: `preallocate_vmalloc_pages()` (x86, 5.8+).
  package init(
    levels: Int, pageShift: Int, boot: Range<Address>, rootEntries: Int = 512
  ) {
    (self.levels, self.pageShift, self.rootEntries) = (levels, pageShift, rootEntries)
    (bootStart, bootEnd) = (boot.lowerBound, boot.upperBound)
    entries = Buffer(rootEntries, 0)
    frames = Buffer(rootEntries / PageTable.entriesPerTable, .none)
    (tableCount, mappedPages, mappedHugePages) = (1, 0, 0)
    (tablesMade, firstUnused) = (rootEntries / PageTable.entriesPerTable, 0)
  }

  private init(cloning other: borrowing PageTable) {
    (levels, pageShift, rootEntries) = (other.levels, other.pageShift, other.rootEntries)
    (bootStart, bootEnd) = (other.bootStart, other.bootEnd)
    entries = other.entries.clone()
    frames = other.frames.clone()
    tableCount = other.tableCount
    (tablesMade, firstUnused) = (other.tablesMade, other.firstUnused)
    (mappedPages, mappedHugePages) = (other.mappedPages, other.mappedHugePages)
  }
  package func clone() -> PageTable { PageTable(cloning: self) }

  /// Unit: bytes of the host.
  package var byteCount: Int { entries.byteCount + frames.byteCount }

  // MARK: - Tables

  /// The level of the first table that is missing on the way to a leaf, or nil if none is.
  ///
  /// Complexity: O(levels).
  package mutating func missingLevel(for address: Address, _ size: LeafSize) -> Int? {
    var table = 0
    var level = levels
    while level > size.level {
      let entry = entries[slot(table, level, address)]
      if entry < 0 {
        table = Int(-entry)
      } else if level == levels, bootStart <= address, address < bootEnd {
        table = makeTable(in: table, level, address, frame: .none)
      } else {
        return level - 1
      }
      level -= 1
    }
    return nil
  }

  /// Hangs the page `frame` in as the table of `level` for `address`.
  ///
  /// - Returns: false if another made it meanwhile; the caller gives its page back.
  package mutating func install(level: Int, for address: Address, frame: PFN) -> Bool {
    guard let (table, _) = find(level + 1, address) else {
      preconditionFailure("no table above level \(level) for \(address.raw)")
    }
    guard entries[slot(table, level + 1, address)] == 0 else { return false }
    _ = makeTable(in: table, level + 1, address, frame: frame)
    return true
  }

  private mutating func makeTable(
    in table: Int, _ level: Int, _ address: Address, frame: PFN
  ) -> Int {
    let made = takeUnused() ?? tablesMade
    tableCount += 1
    if made == tablesMade { tablesMade += 1 }
    if made == frames.count {
      frames.grow(to: made * 2, .none)
      entries.grow(to: made * 2 * PageTable.entriesPerTable, 0)
    }
    entries[slot(table, level, address)] = -Int32(made)
    frames[made] = frame
    return made
  }

  private mutating func takeUnused() -> Int? {
    guard firstUnused > 0 else { return nil }
    let table = Int(firstUnused)
    firstUnused = entries[table * PageTable.entriesPerTable]
    entries[table * PageTable.entriesPerTable] = 0
    return table
  }

  // MARK: - Leaves

  /// Maps one page; the tables must be there.
  ///
  /// - Returns: false if something is mapped there already. Kernel: the `WARN_ON(!pte_none())`.
  package mutating func set(_ address: Address, to frame: PFN, _ size: LeafSize) -> Bool {
    guard let (table, _) = find(size.level, address) else {
      preconditionFailure("no table for \(address.raw)")
    }
    let slot = slot(table, size.level, address)
    guard entries[slot] == 0 else { return false }
    entries[slot] = Int32(truncatingIfNeeded: frame.index) + 1
    count(size, 1)
    return true
  }

  /// Unmaps the page at `address`, if one is mapped. Kernel: `ptep_get_and_clear()`.
  ///
  /// - Returns: what was mapped.
  package mutating func clear(_ address: Address) -> Walk? {
    let found = walk(address)
    guard !found.frame.isNone, let (table, _) = find(found.size.level, address) else { return nil }
    entries[slot(table, found.size.level, address)] = 0
    count(found.size, -1)
    return found
  }

  /// Unmaps what one level-1 table maps from `address` on, or the 2 MiB page there.
  ///
  /// - Returns: the pages passed, the entries looked at, and how many of them held a page.
  package mutating func clearPages(
    from address: Address, count pages: Int
  ) -> (seen: Int, looked: Int, cleared: Int) {
    let first = index(1, address)
    let seen = min(pages, PageTable.entriesPerTable - first)
    guard let (above, _) = find(2, address) else { return (seen, 0, 0) }
    let entry = entries[slot(above, 2, address)]
    guard entry < 0 else {
      guard entry > 0 else { return (seen, 1, 0) }
      entries[slot(above, 2, address)] = 0
      mappedHugePages -= 1
      return (seen, 1, 1)
    }
    var cleared = 0
    let base = Int(-entry) * PageTable.entriesPerTable + first
    for slot in base..<base + seen where entries[slot] != 0 {
      entries[slot] = 0
      cleared += 1
    }
    mappedPages -= cleared
    return (seen, seen, cleared)
  }

  /// Takes out the level-1 table for `address`, which maps nothing, so that a 2 MiB page can be put
  /// in its place. Kernel: `pmd_free_pte_page()` (arch/x86/mm/pgtable.c, 6.12).
  ///
  /// - Returns: its frame; nil where there is no such table.
  package mutating func removeTable(for address: Address) -> PFN? {
    guard let (above, _) = find(2, address) else { return nil }
    let slot = slot(above, 2, address)
    guard entries[slot] < 0 else { return nil }
    let table = Int(-entries[slot])
    entries[slot] = 0
    let frame = frames[table]
    // The next table made takes its place, and the one after that the place before it.
    entries[table * PageTable.entriesPerTable] = firstUnused
    firstUnused = Int32(table)
    tableCount -= 1
    return frame
  }

  /// Reads the tables for `address` from the root down, as hardware and `vmalloc_to_page()` do.
  package func walk(_ address: Address) -> Walk {
    var table = 0
    for level in stride(from: levels, through: 1, by: -1) {
      let entry = entries[slot(table, level, address)]
      let read = levels - level + 1
      if entry == 0 { return Walk(frame: .none, size: .page, levels: read) }
      if entry > 0 {
        let inside = level == 1 ? 0 : index(1, address)
        let frame = PFN(Int(entry) - 1 + inside)
        return Walk(frame: frame, size: level == 1 ? .page : .huge, levels: read)
      }
      table = Int(-entry)
    }
    preconditionFailure("a level-1 table holds a table")
  }

  /// Maps one page and makes what tables it needs, without frames: for tests and boot.
  ///
  /// - Returns: the tables made.
  package mutating func map(_ address: Address, to frame: PFN, _ size: LeafSize) -> Int {
    var made = 0
    while let level = missingLevel(for: address, size) {
      _ = install(level: level, for: address, frame: .none)
      made += 1
    }
    _ = set(address, to: frame, size)
    return made
  }

  // MARK: -

  private mutating func count(_ size: LeafSize, _ change: Int) {
    if size == .page { mappedPages += change } else { mappedHugePages += change }
  }

  /// The table of `level` for `address`.
  private func find(_ level: Int, _ address: Address) -> (table: Int, level: Int)? {
    var table = 0
    for above in stride(from: levels, to: level, by: -1) {
      let entry = entries[slot(table, above, address)]
      guard entry < 0 else { return nil }
      table = Int(-entry)
    }
    return (table, level)
  }

  private func index(_ level: Int, _ address: Address) -> Int {
    let shift = UInt64(pageShift + PageTable.bitsPerLevel * (level - 1))
    let count = level == levels ? rootEntries : PageTable.entriesPerTable
    return Int(truncatingIfNeeded: address.raw &>> shift) & (count - 1)
  }

  private func slot(_ table: Int, _ level: Int, _ address: Address) -> Int {
    table &* PageTable.entriesPerTable &+ index(level, address)
  }

  /// Walks everything. Complexity: O(tables).
  package func checkInvariants() throws(BrokenInvariant) {
    var found = Found(tables: 1, pages: 0, hugePages: 0)
    try visit(0, levels, &found)
    try ensure(
      found.tables == tableCount, "page table: \(tableCount) tables, \(found.tables) reached")
    try ensure(
      found.pages == mappedPages && found.hugePages == mappedHugePages,
      "page table: \(mappedPages) + \(mappedHugePages) leaves counted, "
        + "\(found.pages) + \(found.hugePages) found")
  }

  private struct Found { var tables, pages, hugePages: Int }

  private func visit(
    _ table: Int, _ level: Int, _ found: inout Found
  ) throws(BrokenInvariant) {
    for index in 0..<(level == levels ? rootEntries : PageTable.entriesPerTable) {
      let entry = entries[table * PageTable.entriesPerTable + index]
      if entry > 0, level == 1 { found.pages += 1 }
      if entry > 0, level == 2 { found.hugePages += 1 }
      try ensure(entry <= 0 || level <= 2, "page table: a leaf at level \(level)")
      try ensure(entry >= 0 || level > 1, "page table: a table below level 1")
      guard entry < 0 else { continue }
      found.tables += 1
      try ensure(found.tables <= tableCount, "page table: a table hangs in two entries")
      try visit(Int(-entry), level - 1, &found)
    }
  }
}
