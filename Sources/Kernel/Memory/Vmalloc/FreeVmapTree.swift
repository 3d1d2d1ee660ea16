import Simulation

/// How a request lies in the free area that it is cut from. Kernel: `enum fit_type` (6.12).
package enum FitType: BitwiseCopyable, Sendable {
  /// Full: the free area is used up.
  case full
  /// At its left edge, or its right: what is left stays where it was.
  case leftEdge, rightEdge
  /// In the middle: what is left of it to the left needs an area of its own.
  case middle

  /// Kernel: `classify_va_fit_type()`.
  init(_ area: VmapArea, from start: UInt64, size: UInt64) {
    switch (area.start == start, area.end == start + size) {
    case (true, true): self = .full
    case (true, false): self = .leftEdge
    case (false, true): self = .rightEdge
    case (false, false): self = .middle
    }
  }
}

/// The free addresses: first fit by lowest address, with the largest size known below each area.
///
/// Knows no lock, no time and no slab: an area that is used up is given to the caller, whose is
/// its object; one that is needed for a middle cut is brought by the caller.
///
/// Invariants, beside those of the tree: no two free areas touch, for they would have merged.
///
/// Kernel: `free_vmap_area_root`, `find_vmap_lowest_match()`, `va_clip()`,
/// `merge_or_add_vmap_area_augment()` (mm/vmalloc.c, 6.12; since 5.2).
extension VmapAreas {
  /// What a request was given.
  package struct Cut: BitwiseCopyable, Equatable {
    package let start: UInt64
    package let fit: FitType
    /// An area that a full fit used up; it is in no tree now.
    package let usedUp: VmapAreaID
    package let visited: Int32
  }

  /// The lowest free place for `size` bytes, aligned, in [`lower`, `upper`).
  ///
  /// - Returns: the area it would be cut from, and the nodes visited. Complexity: O(log areas),
  ///   but for alignments above the page size, which may lead into subtrees in vain.
  package func lowestMatch(
    _ size: UInt64, align: UInt64, from lower: UInt64, upper: UInt64, in tree: VmapTree
  ) -> (area: VmapAreaID?, visited: Int32) {
    let isExact = align <= 4096 || upper - lower == size
    let length = isExact ? size : size + align - 1
    var (lower, visited) = (lower, Int32(0))
    var area = tree.root
    while !area.isNone {
      visited += 1
      let left = pool[area].children[0]
      if subtreeMax(left) >= length, lower < pool[area].start {
        area = left
        continue
      }
      if holds(area, size, align, lower) { return (area, visited) }
      if subtreeMax(pool[area].children[1]) >= length {
        area = pool[area].children[1]
        continue
      }
      // Back up, to the first right subtree that may do.
      repeat {
        area = pool[area].parent
        guard !area.isNone else { return (nil, visited) }
        visited += 1
        if holds(area, size, align, lower) { return (area, visited) }
      } while subtreeMax(pool[area].children[1]) < length || lower > pool[area].start
      lower = pool[area].start + 1
      area = pool[area].children[1]
    }
    return (nil, visited)
  }

  /// Kernel: `is_within_this_va()`.
  private func holds(
    _ area: VmapAreaID, _ size: UInt64, _ align: UInt64, _ lower: UInt64
  ) -> Bool {
    let start = alignedStart(area, align, lower)
    guard start >= pool[area].start, start <= UInt64.max - size else { return false }
    return start + size <= pool[area].end
  }

  private func alignedStart(_ area: VmapAreaID, _ align: UInt64, _ lower: UInt64) -> UInt64 {
    (max(pool[area].start, lower) &+ (align - 1)) & ~(align - 1)
  }

  /// Cuts `size` bytes out of the free addresses in [`lower`, `upper`).
  ///
  /// - Parameter spare: an area outside any tree, taken over by a middle cut.
  /// - Returns: nil if there is no room, or none to spare for a middle cut.
  ///   Kernel: `__alloc_vmap_area()`.
  package mutating func cut(
    _ size: UInt64, align: UInt64, from lower: UInt64, upper: UInt64, of tree: inout VmapTree,
    spare: VmapAreaID
  ) -> Cut? {
    let (found, visited) = lowestMatch(size, align: align, from: lower, upper: upper, in: tree)
    guard let area = found else { return nil }
    let start = alignedStart(area, align, lower)
    guard start + size <= upper else { return nil }
    let fit = FitType(pool[area], from: start, size: size)
    guard fit != .middle || !spare.isNone else { return nil }
    switch fit {
    case .full: remove(area, from: &tree)
    case .leftEdge:
      pool[area].start += size
      propagate(from: area)
    case .rightEdge:
      pool[area].end = start
      propagate(from: area)
    case .middle:
      (pool[spare].start, pool[spare].end) = (pool[area].start, start)
      pool[area].start = start + size
      propagate(from: area)
      insert(spare, into: &tree)
    }
    let usedUp = fit == .full ? area : .none
    return Cut(start: start, fit: fit, usedUp: usedUp, visited: visited)
  }

  /// Adds an area, or merges it with those that touch it: what is merged is in no tree then.
  ///
  /// - Returns: up to two areas that are needed no more (`none` where fewer), and nodes visited.
  /// - Complexity: O(log areas). Kernel: `merge_or_add_vmap_area()` and its augmented form.
  package mutating func mergeOrAdd(
    _ area: VmapAreaID, into tree: inout VmapTree
  ) -> (needless: (VmapAreaID, VmapAreaID), visited: Int32) {
    let (start, end) = (pool[area].start, pool[area].end)
    guard let place = place(from: start, to: end, in: tree) else {
      preconditionFailure("freed twice: addresses at \(start)")
    }
    let parent = place.parent
    let next = parent.isNone ? parent : place.side == 0 ? parent : pool[parent].next
    let previous = parent.isNone ? parent : place.side == 1 ? parent : pool[parent].previous
    let touchesNext = !next.isNone && pool[next].start == end
    let touchesPrevious = !previous.isNone && pool[previous].end == start
    switch (touchesPrevious, touchesNext) {
    case (false, false):
      link(area, below: parent, side: place.side, in: &tree)
      return ((.none, .none), place.visited + 1)
    case (false, true):
      pool[next].start = start
      if tree.isAugmented { propagate(from: next) }
      return ((area, .none), place.visited)
    case (true, false):
      pool[previous].end = end
      if tree.isAugmented { propagate(from: previous) }
      return ((area, .none), place.visited)
    case (true, true):
      let upper = pool[next].end
      remove(next, from: &tree)
      pool[previous].end = upper
      if tree.isAugmented { propagate(from: previous) }
      return ((area, next), place.visited)
    }
  }
}
