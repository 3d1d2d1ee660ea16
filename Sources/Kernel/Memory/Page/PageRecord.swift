import Hardware
import Simulation

/// What the kernel knows of one page frame. 16 bytes.
///
/// Of a block of pages only the first has a meaningful record, but for the tails of a compound
/// block, which lead to their head.
///
/// Kernel: `struct page` (include/linux/mm_types.h, 6.12), 64 bytes there.
package struct PageRecord: BitwiseCopyable {
  package enum State: UInt8, BitwiseCopyable, Sendable {
    /// Inside a block, reserved, or no memory at all.
    case none = 0
    /// Starts a block on a list of the buddy system. Kernel: `PageBuddy()`.
    case free = 1
    /// Starts a block on a per-CPU list.
    case cached = 2
    /// Starts a block that someone holds.
    case allocated = 3
    /// In a compound block, not its first; `next` is the first. Kernel: `PageTail()`.
    case tail = 4
  }
  /// Neighbours on the list that the page is on, which is a circle; free to the holder of an
  /// allocated page. Kernel: `lru`, `buddy_list`, `pcp_list`.
  package var next: PFN
  package var previous: PFN
  /// For the holder: the slab, the area… Zero when just allocated.
  package var owner: Int32
  /// Of the block that the page starts.
  package var order: Order
  package var state: State
  /// The number of its zone.
  package var zone: UInt16
}

/// The records of all page frames, and the type of each pageblock.
///
/// Records come in chunks of one block of the highest order, made when a page of the block is
/// first handed out: memory that nobody has asked for costs nothing, in the host's memory or in
/// the time of `clone()`. A page without a chunk reads as a record of zeros.
///
/// Kernel: the memory map, and `pageblock_flags` (include/linux/mmzone.h, 6.12).
package struct MemMap: ~Copyable {
  /// Pages of a chunk: one block of the highest order. Kernel: `MAX_ORDER_NR_PAGES`.
  static let chunkPages = 1024
  /// Kernel: `pageblock_order` (include/linux/pageblock-flags.h, 6.12, x86-64): 2 MiB.
  static let pageblockOrder = 9
  static let pageblockPages = 512

  /// Where the records of each chunk's pages are, in chunks; 0: nowhere yet.
  private var places: Buffer<Int32>
  private var records: Buffer<PageRecord>
  private var chunkCount: Int
  /// The type of each pageblock, exclusive-or `movable`, so that zeroed memory says movable:
  /// what all pageblocks are at boot.
  private var types: Buffer<UInt8>

  private static let blank = PageRecord(
    next: .none, previous: .none, owner: 0, order: .zero, state: .none, zone: 0)

  /// The map of frames 0 to `pageCount`, all blank.
  package init(pageCount: Int) {
    let chunks = (pageCount + MemMap.chunkPages - 1) / MemMap.chunkPages
    places = .zeroed(chunks)
    types = .zeroed(2 * chunks)
    records = Buffer(MemMap.chunkPages, MemMap.blank)
    chunkCount = 1
  }

  private init(cloning other: borrowing MemMap) {
    places = other.places.clone()
    types = other.types.clone()
    records = other.records.clone()
    chunkCount = other.chunkCount
  }
  package func clone() -> MemMap { MemMap(cloning: self) }

  /// Whether `pfn` has a record at all: what an address given to a free function may not have.
  package func contains(_ pfn: PFN) -> Bool {
    !pfn.isNone && pfn.index / MemMap.chunkPages < places.count
  }

  /// One past the last frame.
  package var end: Int { places.count * MemMap.chunkPages }

  /// Unit: bytes of the host.
  package var byteCount: Int { records.byteCount + places.byteCount + types.byteCount }

  /// Makes room for the records of the chunk around `pfn`, if there is none yet.
  mutating func materialise(_ pfn: PFN) {
    let chunk = pfn.index / MemMap.chunkPages
    guard places[chunk] == 0 else { return }
    let used = chunkCount * MemMap.chunkPages
    if used == records.count { records.grow(to: 2 * used, MemMap.blank) }
    places[chunk] = Int32(chunkCount)
    chunkCount += 1
  }

  @inline(__always)
  private func place(_ pfn: PFN) -> Int {
    Int(places[pfn.index &>> 10]) &<< 10 | pfn.index & 1023
  }

  /// The record of a frame. To change it, the frame must have been handed out once.
  package subscript(pfn: PFN) -> PageRecord {
    @inline(__always) get { records[place(pfn)] }
    @inline(__always) _modify {
      let place = place(pfn)
      precondition(place >= MemMap.chunkPages, "a page nobody was given has no record")
      yield &records[place]
    }
  }

  /// The type of the pageblock around `pfn`. Kernel: `get_pfnblock_migratetype()`.
  @inline(__always)
  package func type(of pfn: PFN) -> MigrateType {
    guard let type = MigrateType(rawValue: types[pfn.index &>> MemMap.pageblockOrder] ^ 1) else {
      preconditionFailure("a pageblock of no type")
    }
    return type
  }

  /// Sets the type of all pageblocks in the block of `order` at `pfn`.
  ///
  /// Kernel: `set_pageblock_migratetype()`, `change_pageblock_range()` (mm/page_alloc.c, 6.12).
  mutating func setType(of pfn: PFN, _ order: Order, _ type: MigrateType) {
    let first = pfn.index >> MemMap.pageblockOrder
    let count = max(1, order.pageCount >> MemMap.pageblockOrder)
    for block in first..<first + count { types[block] = type.rawValue ^ 1 }
  }

  /// The first page of the compound block that `pfn` is in, or `pfn` itself.
  ///
  /// Kernel: `compound_head()` (include/linux/page-flags.h, 6.12).
  @inline(__always)
  package func head(of pfn: PFN) -> PFN {
    let record = self[pfn]
    return record.state == .tail ? record.next : pfn
  }
}
