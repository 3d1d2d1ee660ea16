import Simulation

extension VmapAreas {
  /// Walks a whole tree. Complexity: O(areas).
  package func checkInvariants(of tree: VmapTree) throws(BrokenInvariant) {
    try ensure(tree.root.isNone || !pool[tree.root].isRed, "vmap tree: a red root")
    var (counted, before) = (Int32(0), VmapAreaID.none)
    _ = try check(tree.root, parent: .none, tree, &counted, &before)
    try ensure(counted == tree.count, "vmap tree: \(tree.count) areas, \(counted) in the tree")
    try ensure(before == tree.last, "vmap tree: the list ends elsewhere")
  }

  /// - Returns: the black areas on each way down from `area`.
  private func check(
    _ area: VmapAreaID, parent: VmapAreaID, _ tree: VmapTree, _ counted: inout Int32,
    _ before: inout VmapAreaID
  ) throws(BrokenInvariant) -> Int {
    guard !area.isNone else { return 0 }
    let record = pool[area]
    try ensure(record.parent == parent, "vmap tree: a wrong parent")
    try ensure(record.start < record.end, "vmap tree: an empty area")
    let left = try check(record.children[0], parent: area, tree, &counted, &before)
    try ensure(record.previous == before, "vmap tree: the list is in another order than the tree")
    if before.isNone {
      try ensure(tree.first == area, "vmap tree: the list starts elsewhere")
    } else {
      try ensure(pool[before].next == area, "vmap tree: the list is in another order than the tree")
      try ensure(pool[before].end <= record.start, "vmap tree: areas overlap")
    }
    counted += 1
    before = area
    let right = try check(record.children[1], parent: area, tree, &counted, &before)
    try ensure(left == right, "vmap tree: ways of different blackness")
    for child in [record.children[0], record.children[1]] where record.isRed && !child.isNone {
      try ensure(!pool[child].isRed, "vmap tree: red below red")
    }
    if tree.isAugmented {
      let below = max(subtreeMax(record.children[0]), subtreeMax(record.children[1]))
      try ensure(
        record.subtreeMaxSize == max(record.size, below), "vmap tree: a wrong largest size")
    }
    return left + (record.isRed ? 0 : 1)
  }
}
