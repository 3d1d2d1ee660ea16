import Hardware

/// How many nodes the tree of an address space takes and gives back as mappings come and go.
///
/// Every store writes a leaf anew and leaves the old one to RCU; a leaf that is full is written as
/// two, one that has too few is joined with its neighbour, and then the node above is written anew
/// as well. New mappings come below all others, as `mmap()` places them, so mapping number 0 is in
/// the last leaf.
///
/// It counts; which node is which plays no part, so the oldest that the tree has are given back
/// first. Invariants:
/// 1. no leaf has more than `leafMax` mappings, and none but the only one has no mapping;
/// 2. the leaves' mappings are those of the address space.
///
/// Kernel: lib/maple_tree.c (6.18): `MAPLE_RANGE64_SLOTS`, `mt_min_slots`. Not modelled: levels
/// above the second, the mappings that a program has of its own, nodes asked for and not used.
struct MappingTree {
  /// Nodes that a store takes, and those it gives back.
  struct Change: Equatable {
    var new: Int
    var old: Int
  }
  static let cache = "maple_node"
  /// Each mapping has two of the 16 slots, its own and that of the gap beside it; one is a gap's.
  static let leafMax = 7
  /// Kernel: `mt_min_slots` of a leaf is 6.
  static let leafMin = 3

  /// Mappings of each leaf, the one with the lowest addresses first.
  private(set) var leaves = [0]
  /// The nodes, oldest first.
  private var nodes: [Address] = []

  /// Files a new mapping below all others.
  mutating func insert() -> Change {
    guard leaves[0] == MappingTree.leafMax else {
      leaves[0] += 1
      return Change(new: 1, old: 1)
    }
    let half = (MappingTree.leafMax + 1) / 2
    leaves[0] = MappingTree.leafMax + 1 - half
    leaves.insert(half, at: 0)
    return Change(new: 3, old: 2)
  }

  /// Takes out a mapping by its number in the order in which those that are left were made.
  mutating func remove(_ number: Int) -> Change {
    var (leaf, left) = (leaves.count - 1, number)
    while leaf > 0, left >= leaves[leaf] { (leaf, left) = (leaf - 1, left - leaves[leaf]) }
    leaves[leaf] = max(leaves[leaf] - 1, 0)
    guard leaves[leaf] < MappingTree.leafMin, leaves.count > 1 else {
      return Change(new: 1, old: 1)
    }
    let other = leaf == 0 ? 1 : leaf - 1
    let both = leaves[leaf] + leaves[other]
    guard both > MappingTree.leafMax else {
      leaves[min(leaf, other)] = both
      leaves.remove(at: max(leaf, other))
      return Change(new: 2, old: 3)
    }
    (leaves[leaf], leaves[other]) = (both / 2, both - both / 2)
    return Change(new: 3, old: 3)
  }

  /// Takes in new nodes. Returns: those that a change makes old, as far as there are any.
  mutating func exchange(_ change: Change, for new: [Address]) -> [Address] {
    let old = Array(nodes.prefix(change.old))
    nodes.removeFirst(old.count)
    nodes += new
    return old
  }
}
