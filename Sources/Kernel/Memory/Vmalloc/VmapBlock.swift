import Hardware
import Simulation

/// A stretch of addresses that one CPU hands out piece by piece, for mappings of few pages: a
/// mapping needs no search, and an unmapping no area of its own among the lazy ones.
///
/// A block is used once from its first page to its last. When all of it has been handed out and
/// unmapped its area is freed lazily, like any other. Invariants, verified by `checkInvariants()`:
/// 1. `free + dirty` is never more than the block has pages;
/// 2. a block on its CPU's list has free pages;
/// 3. what waits for a flush lies between `dirtyMin` and `dirtyMax`.
///
/// It knows no time, no lock, and not which pages are mapped: the page table does.
///
/// Kernel: `struct vmap_block`, `struct vmap_block_queue` (mm/vmalloc.c, 6.12; since 2.6.28).
package struct VmapBlock: BitwiseCopyable {
  package internal(set) var area = VmapAreaID.none
  var object = Address.null
  /// Whose list it is on.
  var cpu: Int32 = 0
  /// Handed out never, and unmapped again. Unit: pages.
  package internal(set) var free: Int32 = 0
  package internal(set) var dirty: Int32 = 0
  /// Unmapped since the last flush: the first, and one past the last. Unit: pages.
  var dirtyMin: Int32 = 0
  var dirtyMax: Int32 = 0
  var lock = LockID.none
  /// On its CPU's list, or on that of a walk that will free it.
  var next = ID<VmapBlock>.none
  var previous = ID<VmapBlock>.none
  var isListed = false
  /// Freed while another waited for its lock, who gives the record back: it sees the block still, as
  /// RCU lets it.
  var isDropped = false
}

package struct VmapBlocks: ~Copyable {
  struct Queue: BitwiseCopyable {
    var first = ID<VmapBlock>.none
    var last = ID<VmapBlock>.none
    var lock = LockID.none
  }
  package internal(set) var all: Pool<VmapBlock>
  var queues: Buffer<Queue>
  /// Of each block. Unit: pages. Kernel: `VMAP_BBMAP_BITS`.
  package let pageCount: Int32
  let lockName: Int32

  /// More pages have an area of their own. Kernel: `VMAP_MAX_ALLOC`, `BITS_PER_LONG`.
  package let mappingMax: Int32

  /// A block's pages where `possible` CPUs were built in: of 128 GiB (128 MiB on 32 bits) each has a
  /// part for 16 blocks.
  ///
  /// Kernel: `VMAP_BBMAP_BITS` (mm/vmalloc.c, 6.12).
  package static func pageCount(possibleCPUs possible: Int, is64Bit: Bool = true) -> Int32 {
    var rounded = 1
    while rounded < possible { rounded *= 2 }
    return Int32(
      min(1024, max(is64Bit ? 128 : 64, (is64Bit ? 128 << 18 : 128 << 8) / rounded / 16)))
  }

  init(cpuCount: Int, possibleCPUs: Int, is64Bit: Bool, lockName: Int32) {
    all = Pool(capacity: 8, blank: VmapBlock())
    queues = Buffer(cpuCount, Queue())
    pageCount = VmapBlocks.pageCount(possibleCPUs: possibleCPUs, is64Bit: is64Bit)
    mappingMax = is64Bit ? 64 : 32
    self.lockName = lockName
  }
  private init(cloning other: borrowing VmapBlocks) {
    all = other.all.clone()
    queues = other.queues.clone()
    mappingMax = other.mappingMax
    (pageCount, lockName) = (other.pageCount, other.lockName)
  }
  func clone() -> VmapBlocks { VmapBlocks(cloning: self) }

  package subscript(id: ID<VmapBlock>) -> VmapBlock {
    @inline(__always) _read { yield all[id] }
    @inline(__always) _modify { yield &all[id] }
  }

  /// Unit: bytes of the host.
  var byteCount: Int { all.byteCount + queues.byteCount }

  /// Bytes of the kernel's record, its bitmaps included. Kernel: `sizeof(struct vmap_block)`.
  func recordBytes(_ rules: VmallocRules) -> UInt32 {
    UInt32(rules.blockBytes + rules.blockBitmaps * Int(pageCount) / 8)
  }

  // MARK: - Handing out

  /// The next block on a list that has room for `pages`, from `block` on. Kernel: the walk in
  /// `vb_alloc()`, which looks before it locks.
  func withRoom(_ pages: Int32, from block: ID<VmapBlock>) -> ID<VmapBlock> {
    var block = block
    while !block.isNone, all[block].free < pages { block = all[block].next }
    return block
  }

  /// Takes pages at the end of what was handed out. Returns: the first; nil if there is no room.
  mutating func take(_ pages: Int32, of block: ID<VmapBlock>) -> Int32? {
    guard all[block].free >= pages else { return nil }
    let first = pageCount - all[block].free
    all[block].free -= pages
    if all[block].free == 0 { unlist(block) }
    return first
  }

  /// Notes that pages were unmapped. Returns: whether nothing of the block is in use any more.
  mutating func give(_ pages: Int32, at first: Int32, to block: ID<VmapBlock>) -> Bool {
    all[block].dirtyMin = min(all[block].dirtyMin, first)
    all[block].dirtyMax = max(all[block].dirtyMax, first + pages)
    all[block].dirty += pages
    return all[block].dirty == pageCount
  }

  // MARK: - Lists

  mutating func list(_ block: ID<VmapBlock>, of cpu: Int) {
    let last = queues[cpu].last
    (all[block].next, all[block].previous, all[block].isListed) = (.none, last, true)
    if last.isNone { queues[cpu].first = block } else { all[last].next = block }
    queues[cpu].last = block
  }

  mutating func unlist(_ block: ID<VmapBlock>) {
    guard all[block].isListed else { return }
    let (cpu, next, previous) = (Int(all[block].cpu), all[block].next, all[block].previous)
    if previous.isNone { queues[cpu].first = next } else { all[previous].next = next }
    if next.isNone { queues[cpu].last = previous } else { all[next].previous = previous }
    (all[block].next, all[block].previous, all[block].isListed) = (.none, .none, false)
  }

  // MARK: - Purging

  /// Takes a block out that can be used no more, if it is worth it or must be.
  ///
  /// Kernel: `purge_fragmented_block()` (mm/vmalloc.c, 6.12).
  mutating func retire(_ block: ID<VmapBlock>, isForced: Bool) -> Bool {
    let record = all[block]
    guard record.free + record.dirty == pageCount, record.dirty != pageCount,
      isForced || record.free < pageCount / 4
    else { return false }
    unlist(block)
    (all[block].free, all[block].dirty) = (0, pageCount)
    (all[block].dirtyMin, all[block].dirtyMax) = (0, pageCount)
    return true
  }

  /// What of a block waits for a flush, which `ends` there if it shall. Unit: pages of the block.
  mutating func unflushed(_ block: ID<VmapBlock>, ends: Bool) -> (from: Int32, to: Int32)? {
    let record = all[block]
    guard record.dirty > 0, record.dirty != pageCount, record.dirtyMax > 0 else { return nil }
    if ends { (all[block].dirtyMin, all[block].dirtyMax) = (pageCount, 0) }
    return (record.dirtyMin, record.dirtyMax)
  }

  func checkInvariants() throws(BrokenInvariant) {
    try all.checkInvariants("vmap blocks")
    var listed = 0
    for cpu in 0..<queues.count {
      var (block, previous) = (queues[cpu].first, ID<VmapBlock>.none)
      while !block.isNone {
        try ensure(
          all[block].isListed && all[block].free > 0, "vmap block \(block.index): listed wrongly")
        try ensure(
          Int(all[block].cpu) == cpu && all[block].previous == previous,
          "vmap block \(block.index): on a foreign list")
        listed += 1
        (previous, block) = (block, all[block].next)
        guard listed <= all.liveCount else { break }
      }
      try ensure(queues[cpu].last == previous, "vmap blocks of CPU \(cpu): the list ends elsewhere")
    }
    for index in 0..<all.highWater where !all[ID(index)].area.isNone {
      let block = all[ID<VmapBlock>(index)]
      try ensure(
        block.free >= 0 && block.dirty >= 0 && block.free + block.dirty <= pageCount,
        "vmap block \(index): \(block.free) pages free and \(block.dirty) dirty of \(pageCount)")
      if block.isListed { listed -= 1 }
    }
    try ensure(listed == 0, "vmap blocks: the lists hold \(listed) more than know it")
  }
}
