import Hardware

/// Lists of blocks of pages: circles through their records, each known by its first block.
///
/// Kernel: `list_add()`, `list_add_tail()`, `list_del()` (include/linux/list.h, 6.12).
extension MemMap {
  /// Puts `block` before the first block or behind the last.
  @inline(__always)
  mutating func link(_ block: PFN, to first: inout PFN, atTail: Bool) {
    guard !first.isNone else {
      self[block].next = block
      self[block].previous = block
      first = block
      return
    }
    let tail = self[first].previous
    self[block].next = first
    self[block].previous = tail
    self[tail].next = block
    self[first].previous = block
    if !atTail { first = block }
  }

  /// Takes `block`, which is on the list that begins with `first`, off it.
  @inline(__always)
  mutating func unlink(_ block: PFN, from first: inout PFN) {
    let record = self[block]
    guard record.next != block else {
      first = .none
      return
    }
    self[record.next].previous = record.previous
    self[record.previous].next = record.next
    if first == block { first = record.next }
  }
}

/// A list that knows its length.
package struct PageList: BitwiseCopyable {
  package private(set) var first: PFN
  /// Unit: blocks.
  package private(set) var count: Int32

  static var empty: PageList { PageList(first: .none, count: 0) }
  package var isEmpty: Bool { first.isNone }

  @inline(__always)
  mutating func insert(_ block: PFN, atTail: Bool, _ map: inout MemMap) {
    count &+= 1
    map.link(block, to: &first, atTail: atTail)
  }

  @inline(__always)
  mutating func remove(_ block: PFN, _ map: inout MemMap) {
    count &-= 1
    map.unlink(block, from: &first)
  }
}
