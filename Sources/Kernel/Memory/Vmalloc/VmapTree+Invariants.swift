import Simulation

extension VmapAreas {
  /// Walks a whole tree. Complexity: O(areas).
  package func checkInvariants(of tree: VmapTree) {
    precondition(!(!tree.root.isNone && pool[tree.root].isRed), "a red root")
    var (counted, before) = (Int32(0), VmapAreaID.none)
    _ = check(tree.root, parent: .none, tree, &counted, &before)
    precondition(counted == tree.count, "\(tree.count) areas, \(counted) in the tree")
    precondition(before == tree.last, "the list ends elsewhere")
  }

  /// - Returns: the black areas on each way down from `area`.
  private func check(
    _ area: VmapAreaID, parent: VmapAreaID, _ tree: VmapTree, _ counted: inout Int32,
    _ before: inout VmapAreaID
  ) -> Int {
    guard !area.isNone else { return 0 }
    let record = pool[area]
    precondition(record.parent == parent, "a wrong parent")
    precondition(record.start < record.end, "an empty area")
    let left = check(record.children[0], parent: area, tree, &counted, &before)
    precondition(record.previous == before, "the list is in another order than the tree")
    if before.isNone {
      precondition(tree.first == area, "the list starts elsewhere")
    } else {
      precondition(pool[before].next == area, "the list is in another order than the tree")
      precondition(pool[before].end <= record.start, "areas overlap")
    }
    counted += 1
    before = area
    let right = check(record.children[1], parent: area, tree, &counted, &before)
    precondition(left == right, "ways of different blackness")
    for child in [record.children[0], record.children[1]] where record.isRed && !child.isNone {
      precondition(!pool[child].isRed, "red below red")
    }
    if tree.isAugmented {
      let below = max(subtreeMax(record.children[0]), subtreeMax(record.children[1]))
      precondition(record.subtreeMaxSize == max(record.size, below), "a wrong largest size")
    }
    return left + (record.isRed ? 0 : 1)
  }
}
