import Simulation

/// A red-black tree of areas by address, with the same areas in a list: the root and both ends.
///
/// Kernel: an `rb_root` with its `list_head` (`struct rb_list`, mm/vmalloc.c, 6.12).
package struct VmapTree: BitwiseCopyable {
  package internal(set) var root = VmapAreaID.none
  package internal(set) var first = VmapAreaID.none
  package internal(set) var last = VmapAreaID.none
  package internal(set) var count: Int32 = 0
  /// Whether areas know the largest size below them, as a search for room needs.
  let isAugmented: Bool

  package init(augmented: Bool) { isAugmented = augmented }
}

/// All areas there are, and what trees do with them.
///
/// It knows no lock and no time; what visits nodes returns how many, to be priced by a path.
///
/// Invariants of each tree, verified by `checkInvariants(of:)`:
/// 1. areas are in order of address and do not overlap;
/// 2. the root is black, no red area has a red child, and each way down has as many black ones;
/// 3. the list holds the same areas in the same order;
/// 4. in an augmented tree, each area knows the largest size at and below it.
///
/// Kernel: lib/rbtree.c, `link_va()`, `unlink_va()`, `augment_tree_propagate_from()` (6.12).
package struct VmapAreas: ~Copyable {
  package internal(set) var pool: Pool<VmapArea>

  package init(capacity: Int) { pool = Pool(capacity: capacity, blank: .blank) }
  private init(pool: consuming Pool<VmapArea>) { self.pool = pool }
  package func clone() -> VmapAreas { VmapAreas(pool: pool.clone()) }

  package subscript(id: VmapAreaID) -> VmapArea {
    @inline(__always) _read { yield pool[id] }
    @inline(__always) _modify { yield &pool[id] }
  }

  /// The area that holds `address`. Kernel: `__find_vmap_area()`.
  ///
  /// Complexity: O(log areas); `visited` says how many nodes.
  package func find(_ address: UInt64, in tree: VmapTree) -> (area: VmapAreaID?, visited: Int32) {
    var (area, visited) = (tree.root, Int32(0))
    while !area.isNone {
      visited += 1
      if address < pool[area].start {
        area = pool[area].children[0]
      } else if address >= pool[area].end {
        area = pool[area].children[1]
      } else {
        return (area, visited)
      }
    }
    return (nil, visited)
  }

  /// Where an area would hang: below which one, and on which side (0 left, 1 right).
  ///
  /// Nil if it overlaps one that is there. Kernel: `find_va_links()`.
  func place(
    from start: UInt64, to end: UInt64, in tree: VmapTree
  ) -> (parent: VmapAreaID, side: Int, visited: Int32)? {
    var (parent, side, visited) = (VmapAreaID.none, 0, Int32(0))
    var area = tree.root
    while !area.isNone {
      visited += 1
      parent = area
      if end <= pool[area].start {
        side = 0
      } else if start >= pool[area].end {
        side = 1
      } else {
        return nil
      }
      area = pool[area].children[side]
    }
    return (parent, side, visited)
  }

  /// Puts an area into the tree. Kernel: `insert_vmap_area()`.
  ///
  /// - Precondition: it overlaps none that is there.
  /// - Returns: the nodes visited. Complexity: O(log areas).
  @discardableResult
  package mutating func insert(_ area: VmapAreaID, into tree: inout VmapTree) -> Int32 {
    guard let place = place(from: pool[area].start, to: pool[area].end, in: tree) else {
      preconditionFailure("vmap areas overlap at \(pool[area].start)")
    }
    link(area, below: place.parent, side: place.side, in: &tree)
    return place.visited + 1
  }

  /// Kernel: `link_va()`, with the list kept as `rb_link_node()`'s parent tells.
  mutating func link(
    _ area: VmapAreaID, below parent: VmapAreaID, side: Int, in tree: inout VmapTree
  ) {
    pool[area].parent = parent
    pool[area].children = InlineArray(repeating: .none)
    pool[area].isRed = true
    pool[area].subtreeMaxSize = pool[area].size
    tree.count += 1
    guard !parent.isNone else {
      (tree.root, tree.first, tree.last) = (area, area, area)
      pool[area].isRed = false
      (pool[area].previous, pool[area].next) = (.none, .none)
      return
    }
    let previous = side == 0 ? pool[parent].previous : parent
    let next = side == 0 ? parent : pool[parent].next
    (pool[area].previous, pool[area].next) = (previous, next)
    if previous.isNone { tree.first = area } else { pool[previous].next = area }
    if next.isNone { tree.last = area } else { pool[next].previous = area }
    pool[parent].children[side] = area
    if tree.isAugmented { propagate(from: parent) }
    repairAfterInsert(area, &tree)
  }

  /// Takes an area out of the tree. Kernel: `unlink_va()`. Complexity: O(log areas).
  package mutating func remove(_ area: VmapAreaID, from tree: inout VmapTree) {
    unlinkFromList(area, &tree)
    tree.count -= 1
    let (left, right) = (pool[area].children[0], pool[area].children[1])
    var wasRed = pool[area].isRed
    let (moved, above): (VmapAreaID, VmapAreaID)
    if left.isNone || right.isNone {
      (moved, above) = (left.isNone ? right : left, pool[area].parent)
      replace(area, by: moved, &tree)
    } else {
      var heir = right
      while !pool[heir].children[0].isNone { heir = pool[heir].children[0] }
      wasRed = pool[heir].isRed
      moved = pool[heir].children[1]
      if pool[heir].parent == area {
        above = heir
      } else {
        above = pool[heir].parent
        replace(heir, by: moved, &tree)
        pool[heir].children[1] = right
        pool[right].parent = heir
      }
      replace(area, by: heir, &tree)
      pool[heir].children[0] = left
      pool[left].parent = heir
      pool[heir].isRed = pool[area].isRed
    }
    if tree.isAugmented { refresh(from: above) }
    if !wasRed { repairAfterRemove(moved, below: above, &tree) }
  }

  /// Empties the tree; its areas stay in their list. Kernel: `list_replace_init()` at a purge.
  ///
  /// - Returns: the first of the list and the last.
  package mutating func detach(_ tree: inout VmapTree) -> (first: VmapAreaID, last: VmapAreaID) {
    defer { tree = VmapTree(augmented: tree.isAugmented) }
    return (tree.first, tree.last)
  }

  // MARK: - Largest size below

  func subtreeMax(_ area: VmapAreaID) -> UInt64 { area.isNone ? 0 : pool[area].subtreeMaxSize }

  private func computedMax(_ area: VmapAreaID) -> UInt64 {
    let below = max(subtreeMax(pool[area].children[0]), subtreeMax(pool[area].children[1]))
    return max(pool[area].size, below)
  }

  /// Corrects the sizes upward until one was right already.
  mutating func propagate(from area: VmapAreaID) {
    var area = area
    while !area.isNone {
      let size = computedMax(area)
      guard size != pool[area].subtreeMaxSize else { return }
      pool[area].subtreeMaxSize = size
      area = pool[area].parent
    }
  }

  /// Corrects the sizes up to the root, an area above having been replaced.
  private mutating func refresh(from area: VmapAreaID) {
    var area = area
    while !area.isNone {
      pool[area].subtreeMaxSize = computedMax(area)
      area = pool[area].parent
    }
  }

  // MARK: - Links

  private mutating func unlinkFromList(_ area: VmapAreaID, _ tree: inout VmapTree) {
    let (previous, next) = (pool[area].previous, pool[area].next)
    if previous.isNone { tree.first = next } else { pool[previous].next = next }
    if next.isNone { tree.last = previous } else { pool[next].previous = previous }
    (pool[area].previous, pool[area].next) = (.none, .none)
  }

  /// Hangs `other` (or nothing) where `area` hangs.
  private mutating func replace(_ area: VmapAreaID, by other: VmapAreaID, _ tree: inout VmapTree) {
    let parent = pool[area].parent
    if parent.isNone { tree.root = other } else { pool[parent].children[side(of: area)] = other }
    if !other.isNone { pool[other].parent = parent }
  }

  /// On which side of its parent an area hangs.
  private func side(of area: VmapAreaID) -> Int {
    pool[pool[area].parent].children[0] == area ? 0 : 1
  }

  private func isRed(_ area: VmapAreaID) -> Bool { !area.isNone && pool[area].isRed }

  // MARK: - Balance

  /// Turns `area` down to `side`; its other child takes its place.
  private mutating func rotate(_ area: VmapAreaID, _ side: Int, _ tree: inout VmapTree) {
    let up = pool[area].children[1 - side]
    let across = pool[up].children[side]
    replace(area, by: up, &tree)
    pool[area].children[1 - side] = across
    if !across.isNone { pool[across].parent = area }
    pool[up].children[side] = area
    pool[area].parent = up
    guard tree.isAugmented else { return }
    pool[area].subtreeMaxSize = computedMax(area)
    pool[up].subtreeMaxSize = computedMax(up)
  }

  private mutating func repairAfterInsert(_ area: VmapAreaID, _ tree: inout VmapTree) {
    var area = area
    while isRed(pool[area].parent) {
      var parent = pool[area].parent
      let grandparent = pool[parent].parent
      let side = side(of: parent)
      let uncle = pool[grandparent].children[1 - side]
      if isRed(uncle) {
        (pool[parent].isRed, pool[uncle].isRed) = (false, false)
        pool[grandparent].isRed = true
        area = grandparent
        continue
      }
      if self.side(of: area) != side {
        rotate(parent, side, &tree)
        (area, parent) = (parent, area)
      }
      pool[parent].isRed = false
      pool[grandparent].isRed = true
      rotate(grandparent, 1 - side, &tree)
    }
    pool[tree.root].isRed = false
  }

  /// `area` (perhaps none) lacks one black on its way: found red it turns black, else others turn.
  private mutating func repairAfterRemove(
    _ area: VmapAreaID, below parent: VmapAreaID, _ tree: inout VmapTree
  ) {
    var (area, parent) = (area, parent)
    while area != tree.root, !isRed(area) {
      let side = pool[parent].children[0] == area ? 0 : 1
      var sibling = pool[parent].children[1 - side]
      if isRed(sibling) {
        pool[sibling].isRed = false
        pool[parent].isRed = true
        rotate(parent, side, &tree)
        sibling = pool[parent].children[1 - side]
      }
      if !isRed(pool[sibling].children[0]), !isRed(pool[sibling].children[1]) {
        pool[sibling].isRed = true
        area = parent
        parent = pool[area].parent
        continue
      }
      if !isRed(pool[sibling].children[1 - side]) {
        pool[pool[sibling].children[side]].isRed = false
        pool[sibling].isRed = true
        rotate(sibling, 1 - side, &tree)
        sibling = pool[parent].children[1 - side]
      }
      pool[sibling].isRed = pool[parent].isRed
      pool[parent].isRed = false
      pool[pool[sibling].children[1 - side]].isRed = false
      rotate(parent, side, &tree)
      area = tree.root
    }
    if !area.isNone { pool[area].isRed = false }
  }
}
