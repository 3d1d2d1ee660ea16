import Simulation

/// Areas of one size that a vmap node keeps for the next request of that size: last in, first out.
///
/// Kernel: `struct vmap_pool` (mm/vmalloc.c, 6.12; since 6.9).
package struct VmapPool: BitwiseCopyable {
  var first = VmapAreaID.none
  var last = VmapAreaID.none
  package internal(set) var count: Int32 = 0

  /// Sizes above it have no pool. Unit: pages. Kernel: `MAX_VA_SIZE_PAGES`.
  package static let pagesMax = 256
}

extension VmapAreas {
  /// Kernel: `node_pool_add_va()`.
  mutating func push(_ area: VmapAreaID, onto list: inout VmapPool) {
    (pool[area].previous, pool[area].next) = (.none, list.first)
    list.first = area
    if list.last.isNone { list.last = area }
    list.count += 1
  }

  /// The first of the list if it is aligned; one that is not goes to the end, and none is had.
  ///
  /// Kernel: `node_pool_del_va()`.
  mutating func pop(align: UInt64, from list: inout VmapPool) -> VmapAreaID? {
    let area = list.first
    guard !area.isNone else { return nil }
    let isAligned = pool[area].start & (align - 1) == 0
    guard isAligned || area != list.last else { return nil }
    list.first = pool[area].next
    if list.first.isNone { list.last = .none }
    pool[area].next = .none
    guard isAligned else {
      pool[list.last].next = area
      list.last = area
      return nil
    }
    list.count -= 1
    return area
  }

  /// Takes what a purge lets go of: a quarter, or all when the decay is full.
  ///
  /// - Parameter noneMeansAll: whether a quarter that rounds to none means all, as up to 6.12, where
  ///   the count wraps. Kernel: `decay_va_pool_node()`.
  /// - Returns: the head of a list of `count` areas.
  mutating func decay(
    _ list: inout VmapPool, isFull: Bool, noneMeansAll: Bool
  ) -> (first: VmapAreaID, count: Int32) {
    var count = isFull ? list.count : list.count >> 2
    if count == 0, noneMeansAll { count = list.count }
    guard count > 0 else { return (.none, 0) }
    let first = list.first
    var last = first
    for _ in 1..<count { last = pool[last].next }
    list.first = pool[last].next
    if list.first.isNone { list.last = .none }
    list.count -= count
    pool[last].next = .none
    return (first, count)
  }
}
