import Hardware
import Simulation

package typealias VmStructID = ID<VmStruct>

/// What a caller of vmalloc has: addresses, the pages behind them, who asked.
///
/// Kernel: `struct vm_struct` (include/linux/vmalloc.h, 6.12). 64 bytes there, by kmalloc.
package struct VmStruct: BitwiseCopyable {
  package var address = Address.null
  /// The pages of address space, the guard page included. Unit: pages.
  package var sizePages: Int32 = 0
  /// The pages it owns. Kernel: `nr_pages`. Unit: pages.
  package internal(set) var pageCount: Int32 = 0
  /// Where its pages are written down, in chunks.
  var firstChunk = ID<PageChunk>.none
  var lastChunk = ID<PageChunk>.none
  /// The array of page pointers that the kernel keeps, by kmalloc or vmalloc. Kernel: `pages`.
  package var pagesArray = Address.null
  /// Its own slab object.
  package var object = Address.null
  /// Who asked: an index into the names of the run. Kernel: `caller`.
  package var caller: Int32 = -1
  /// In the range of modules. Kernel: `VM_FLUSH_RESET_PERMS`, which module_alloc() sets.
  var isModule = false
}

/// Fifteen pages of an area, in order.
struct PageChunk: BitwiseCopyable {
  static let capacity = 15
  var pages = InlineArray<15, PFN>(repeating: .none)
  var next = ID<PageChunk>.none
}

/// All areas in use, with their pages. 64 bytes a 15 pages.
///
/// Kernel: `vm_struct`s and their `pages[]`. Invariant: as many pages in the chunks as counted.
package struct VmStructs: ~Copyable {
  package internal(set) var all: Pool<VmStruct>
  private var chunks: Pool<PageChunk>
  /// Pages owned, all areas together. Kernel: `nr_vmalloc_pages`.
  package internal(set) var pageCount: Int

  init(capacity: Int) {
    all = Pool(capacity: capacity, blank: VmStruct())
    chunks = Pool(capacity: capacity, blank: PageChunk())
    pageCount = 0
  }
  private init(cloning other: borrowing VmStructs) {
    all = other.all.clone()
    chunks = other.chunks.clone()
    pageCount = other.pageCount
  }
  func clone() -> VmStructs { VmStructs(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int { all.byteCount + chunks.byteCount }

  package subscript(id: VmStructID) -> VmStruct {
    @inline(__always) _read { yield all[id] }
    @inline(__always) _modify { yield &all[id] }
  }

  /// Writes down one more page of `vm`.
  mutating func append(_ page: PFN, to vm: VmStructID) {
    let place = Int(all[vm].pageCount) % PageChunk.capacity
    if place == 0 {
      let chunk = chunks.take(PageChunk())
      if all[vm].lastChunk.isNone {
        all[vm].firstChunk = chunk
      } else {
        chunks[all[vm].lastChunk].next = chunk
      }
      all[vm].lastChunk = chunk
    }
    chunks[all[vm].lastChunk].pages[place] = page
    all[vm].pageCount += 1
    pageCount += 1
  }

  /// Takes the page written down first, of those that are left; `taken` says how many are gone.
  ///
  /// Kernel: the loop over `vm->pages[i]` in `vfree()`.
  mutating func takePage(of vm: VmStructID, taken: Int32) -> PFN? {
    guard taken < all[vm].pageCount else { return nil }
    let place = Int(taken) % PageChunk.capacity
    let chunk = all[vm].firstChunk
    let page = chunks[chunk].pages[place]
    if place == PageChunk.capacity - 1 || taken == all[vm].pageCount - 1 {
      all[vm].firstChunk = chunks[chunk].next
      chunks.give(chunk)
    }
    return page
  }

  /// Reads the pages one after the other: `chunk` is where page number `index` is, to begin with
  /// `firstChunk` and 0.
  func page(_ index: Int32, in chunk: inout ID<PageChunk>) -> PFN {
    let place = Int(index) % PageChunk.capacity
    let page = chunks[chunk].pages[place]
    if place == PageChunk.capacity - 1 { chunk = chunks[chunk].next }
    return page
  }

  /// Adds up what the records own. Complexity: O(records).
  func checkInvariants() throws(BrokenInvariant) {
    try all.checkInvariants("vm_structs")
    try chunks.checkInvariants("page chunks")
    var owned = 0
    for index in 0..<all.highWater { owned += Int(all[VmStructID(index)].pageCount) }
    try ensure(
      owned == pageCount, "vm_structs: \(pageCount) pages counted, \(owned) are theirs")
  }

  /// The record of an area that owns nothing any more.
  mutating func give(_ vm: VmStructID) {
    pageCount -= Int(all[vm].pageCount)
    all.give(vm)
  }
}
