import Simulation

/// Which slab, or which large kmalloc block, each page belongs to.
///
/// Chunks of 1,024 pages are made when a page of theirs first has an owner: memory that kmalloc
/// never got costs nothing, in the host's memory or in the time of `clone()`.
struct PageOwners: ~Copyable {
  /// Pages of a chunk, as log 2.
  private static var chunkShift: Int { 10 }
  let pageCount: Int
  /// Where the owners of each chunk are, in chunks; 0: the chunk of nobody.
  private var places: Buffer<Int32>
  /// 0: nobody's; a slab's number + 1; -(order + 1) of the large block that begins here.
  private var owners: Buffer<Int32>
  private var chunksUsed: Int

  init(pageCount: Int) {
    self.pageCount = pageCount
    let shift = PageOwners.chunkShift
    places = .zeroed(pageCount >> shift + 1)
    owners = Buffer(1 << shift, 0)
    chunksUsed = 1
  }

  private init(cloning other: borrowing PageOwners) {
    pageCount = other.pageCount
    places = other.places.clone()
    owners = other.owners.clone()
    chunksUsed = other.chunksUsed
  }
  func clone() -> PageOwners { PageOwners(cloning: self) }

  /// The owner of a page below `pageCount`.
  @inline(__always)
  subscript(page: Int) -> Int32 {
    let place = Int(places[page &>> PageOwners.chunkShift])
    return owners[place &<< PageOwners.chunkShift | page & (1 &<< PageOwners.chunkShift &- 1)]
  }

  /// Sets the owner of `count` pages from `first` on.
  mutating func set(_ first: Int, _ count: Int, to owner: Int32) {
    let shift = PageOwners.chunkShift
    for page in first..<first + count {
      if places[page >> shift] == 0 { makeChunk(page >> shift) }
      owners[Int(places[page >> shift]) << shift | page & (1 << shift - 1)] = owner
    }
  }

  private mutating func makeChunk(_ chunk: Int) {
    let used = chunksUsed << PageOwners.chunkShift
    if used == owners.count { owners.grow(to: 2 * used, 0) }
    places[chunk] = Int32(chunksUsed)
    chunksUsed += 1
  }
}
