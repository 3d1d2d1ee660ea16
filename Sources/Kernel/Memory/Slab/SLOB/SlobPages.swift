import Hardware
import Simulation

/// The pages of SLOB: each a heap of 2-byte units with an address-ordered list of free blocks, and
/// lists of the pages that have some, by the size of what is asked for.
///
/// As in the kernel, free blocks are written into the page: the first unit of a block has its size,
/// the second the offset of the next one; a block of one unit has the offset, negated. What is
/// allocated has its size noted beside, so that a second free is seen.
///
/// Mechanism: it knows no lock, no time. Invariants, walked by `checkInvariants()`:
/// 1. the free blocks of a page ascend, none touches the next, and they are `free` units together;
/// 2. free and allocated blocks are the whole page;
/// 3. a page is on one list while it has free units, and a wholly free one is none of SLOB's.
///
/// Kernel: mm/slob.c (2.6.24, 4.0, 5.10 and 6.1 compared). Not modelled: that up to 5.1 the page
/// behind a filled one leads its list.
package struct SlobPages: ~Copyable {
  /// Units of a page. Kernel: `SLOB_UNITS(PAGE_SIZE)`, `SLOB_UNIT`.
  static let pageUnits = 2048
  static let unitBytes = 2
  /// Kernel: `SLOB_BREAK1`, `SLOB_BREAK2`. Unit: bytes.
  static let breaks = (256, 1024)

  struct Page: BitwiseCopyable {
    var pages: PFN
    var next: ID<Page>
    var previous: ID<Page>
    /// Free units.
    var free: Int16
    /// Where the first free block begins.
    var first: Int16
    var node: UInt8
    /// -1 while it is on none.
    var list: Int8
    static let blank = Page(
      pages: .none, next: .none, previous: .none, free: 0, first: 0, node: 0, list: -1)
  }
  struct List: BitwiseCopyable {
    var first = ID<Page>.none
    var last = ID<Page>.none
    var count: Int32 = 0
    /// Searches, those that found nothing, and the pages they looked at.
    var searches: UInt64 = 0
    var misses: UInt64 = 0
    var pagesPassed: UInt64 = 0
  }
  /// What a search met: it is paid for by its length.
  struct Walk: BitwiseCopyable {
    var pages: Int32 = 0
    var blocks: Int32 = 0
    /// The page and the unit of what was found.
    var page = ID<Page>.none
    var unit: Int16 = -1
  }

  private(set) var all: Pool<Page>
  var lists: Buffer<List>
  let listCount: Int
  /// The pages' own memory, as far as free blocks use it, and the units of what is allocated at each
  /// place; 0: nothing begins there.
  private var units: Buffer<Int16>
  var taken: Buffer<UInt16>

  init(listCount: Int) {
    self.listCount = listCount
    all = Pool(capacity: 4, blank: .blank)
    lists = Buffer(3, List())
    units = Buffer(0, 0)
    taken = Buffer(0, 0)
  }
  private init(cloning other: borrowing SlobPages) {
    listCount = other.listCount
    all = other.all.clone()
    lists = other.lists.clone()
    units = other.units.clone()
    taken = other.taken.clone()
  }
  func clone() -> SlobPages { SlobPages(cloning: self) }

  package var pageCount: Int { all.liveCount }
  /// Pages of each list.
  package var listed: [Int] { (0..<3).map { Int(lists[$0].count) } }

  /// The list for blocks of so many bytes, header included.
  func list(for bytes: Int) -> Int {
    if listCount == 1 { return 0 }
    return bytes < SlobPages.breaks.0 ? 0 : bytes < SlobPages.breaks.1 ? 1 : 2
  }

  static func units(_ bytes: Int) -> Int { (bytes + unitBytes - 1) / unitBytes }

  // MARK: Free blocks, as the page has them written

  @inline(__always) func place(_ page: ID<Page>, _ unit: Int) -> Int {
    page.index * SlobPages.pageUnits + unit
  }
  func size(_ page: ID<Page>, _ unit: Int) -> Int {
    max(Int(units[place(page, unit)]), 1)
  }
  /// The next free block; the end of the page after the last.
  func next(_ page: ID<Page>, _ unit: Int) -> Int {
    let first = Int(units[place(page, unit)])
    return first < 0 ? -first : Int(units[place(page, unit) + 1])
  }
  private mutating func write(_ page: ID<Page>, _ unit: Int, size: Int, next: Int) {
    let place = place(page, unit)
    if size > 1 {
      (units[place], units[place + 1]) = (Int16(size), Int16(next))
    } else {
      units[place] = Int16(-next)
    }
  }

  // MARK: Allocation

  /// Searches a list from its first page on, and takes the first block that fits.
  ///
  /// `unit` of the walk is -1 where none does. Kernel: `slob_alloc()`, `slob_page_alloc()`.
  mutating func allocate(_ request: SlobRequest) -> Walk {
    var walk = Walk()
    let list = list(for: request.bytes)
    var page = lists[list].first
    while !page.isNone {
      walk.pages += 1
      let record = all[page]
      if request.node == .any || request.node.raw == record.node,
        Int(record.free) >= SlobPages.units(request.bytes)
      {
        take(request, in: page, &walk)
        if walk.unit >= 0 {
          if all[page].list >= 0 { rotate(to: page) }
          break
        }
      }
      page = record.next
    }
    lists[list].searches += 1
    lists[list].misses += walk.unit < 0 ? 1 : 0
    lists[list].pagesPassed += UInt64(walk.pages)
    return walk
  }

  /// Takes the first block of a page that fits.
  mutating func take(_ request: SlobRequest, in page: ID<Page>, _ walk: inout Walk) {
    let wanted = SlobPages.units(request.bytes)
    var (previous, here) = (-1, Int(all[page].first))
    while here < SlobPages.pageUnits {
      walk.blocks += 1
      let gap = request.gap(at: here)
      if size(page, here) >= wanted + gap {
        cut(page, here, after: previous, gap, wanted)
        (walk.page, walk.unit) = (page, Int16(here + gap))
        taken[place(page, here + gap)] = UInt16(wanted)
        if request.isKmalloc { units[place(page, here + gap)] = Int16(request.bytes) }
        all[page].free -= Int16(wanted)
        if all[page].free == 0 { unlist(page) }
        return
      }
      (previous, here) = (here, next(page, here))
    }
  }

  /// Cuts `wanted` units out of a free block, `gap` units behind its start.
  private mutating func cut(
    _ page: ID<Page>, _ block: Int, after previous: Int, _ gap: Int, _ wanted: Int
  ) {
    let (bytes, behind) = (size(page, block), next(page, block))
    let rest = bytes - gap - wanted
    let following = rest > 0 ? block + gap + wanted : behind
    if rest > 0 { write(page, following, size: rest, next: behind) }
    if gap > 0 {
      write(page, block, size: gap, next: following)
    } else if previous >= 0 {
      write(page, previous, size: size(page, previous), next: following)
    } else {
      all[page].first = Int16(following)
    }
  }

  /// A new page, wholly free, before the others of the list for a request.
  mutating func add(_ pages: PFN, node: NodeID, for request: SlobRequest) -> ID<Page> {
    let id = all.take(Page.blank)
    let end = (id.index + 1) * SlobPages.pageUnits
    if end > units.count {
      units.grow(to: max(2 * units.count, end), 0)
      taken.grow(to: units.count, 0)
    }
    all[id].pages = pages
    (all[id].free, all[id].first) = (Int16(SlobPages.pageUnits), 0)
    all[id].node = node.raw
    write(id, 0, size: SlobPages.pageUnits, next: SlobPages.pageUnits)
    enlist(id, list(for: request.bytes))
    return id
  }

  // MARK: Freeing

  /// Units of the block that begins at a place; 0 where none does.
  func takenUnits(_ page: ID<Page>, _ unit: Int) -> Int { Int(taken[place(page, unit)]) }
  /// Bytes that the header of a kmalloc block says, itself included.
  func header(_ page: ID<Page>, _ unit: Int) -> Int { Int(units[place(page, unit)]) }

  /// Whether a place is in a free block.
  func isFree(_ page: ID<Page>, _ unit: Int) -> Bool {
    var here = all[page].free == 0 ? SlobPages.pageUnits : Int(all[page].first)
    while here < SlobPages.pageUnits {
      if unit >= here && unit < here + size(page, here) { return true }
      here = next(page, here)
    }
    return false
  }

  /// Gives a block back. Returns: how many free blocks were passed, and whether the page is now
  /// wholly free, and so no more SLOB's. Kernel: `slob_free()`.
  mutating func give(
    _ page: ID<Page>, _ unit: Int, bytes: Int
  ) -> (blocks: Int32, isEmpty: Bool) {
    let count = Int(taken[place(page, unit)])
    taken[place(page, unit)] = 0
    guard Int(all[page].free) + count < SlobPages.pageUnits else {
      if all[page].list >= 0 { unlist(page) }
      return (0, true)
    }
    guard all[page].list >= 0 else {
      (all[page].free, all[page].first) = (Int16(count), Int16(unit))
      write(page, unit, size: count, next: SlobPages.pageUnits)
      enlist(page, list(for: bytes))
      return (0, false)
    }
    all[page].free += Int16(count)
    return (insert(page, unit, count), false)
  }

  /// Puts a block where its address belongs, and joins it with its neighbours.
  private mutating func insert(_ page: ID<Page>, _ unit: Int, _ count: Int) -> Int32 {
    var (previous, following, passed) = (-1, Int(all[page].first), Int32(0))
    while following < unit {
      (previous, following) = (following, next(page, following))
      passed += 1
    }
    var (size, behind) = (count, following)
    if following < SlobPages.pageUnits, unit + count == following {
      (size, behind) = (count + self.size(page, following), next(page, following))
    }
    guard previous >= 0 else {
      write(page, unit, size: size, next: behind)
      all[page].first = Int16(unit)
      return passed
    }
    let before = self.size(page, previous)
    if previous + before == unit {
      write(page, previous, size: before + size, next: behind)
    } else {
      write(page, unit, size: size, next: behind)
      write(page, previous, size: before, next: unit)
    }
    return passed
  }

  /// Forgets a page that is wholly free.
  mutating func drop(_ page: ID<Page>) { all.give(page) }

  // MARK: Lists

  private mutating func enlist(_ page: ID<Page>, _ list: Int) {
    let first = lists[list].first
    (all[page].next, all[page].previous, all[page].list) = (first, .none, Int8(list))
    if first.isNone { lists[list].last = page } else { all[first].previous = page }
    lists[list].first = page
    lists[list].count += 1
  }

  private mutating func unlist(_ page: ID<Page>) {
    let (next, previous, list) = (all[page].next, all[page].previous, Int(all[page].list))
    if previous.isNone { lists[list].first = next } else { all[previous].next = next }
    if next.isNone { lists[list].last = previous } else { all[next].previous = previous }
    (all[page].next, all[page].previous, all[page].list) = (.none, .none, -1)
    lists[list].count -= 1
  }

  /// The next search begins at this page: those before it go behind the last.
  private mutating func rotate(to page: ID<Page>) {
    let (list, previous) = (Int(all[page].list), all[page].previous)
    guard !previous.isNone else { return }
    let (first, last) = (lists[list].first, lists[list].last)
    (all[last].next, all[first].previous) = (first, last)
    (all[page].previous, all[previous].next) = (.none, .none)
    (lists[list].first, lists[list].last) = (page, previous)
  }
}
