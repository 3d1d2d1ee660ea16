/// The pending-event set: one slot a leaf, the earliest slot always at the root.
///
/// A slot's key is `time << 13 | leaf`, so the order is total and ties go to the lower leaf. A
/// change replays one path whose addresses depend on the leaf alone. The `min` must stay a
/// conditional move: as a branch it is mispredicted at each level and the tree is four times
/// slower (docs/HACKING.md says how to look).
@frozen public struct WinnerTree: ~Copyable {
  /// Bits of a key that name the leaf: two leaves for each of 4,096 CPUs.
  @inlinable public static var leafBits: UInt64 { 13 }
  @usableFromInline var keys: Buffer<UInt64>
  @usableFromInline let width: Int

  @inlinable public init(leafCount: Int) {
    precondition(leafCount <= 1 << Int(WinnerTree.leafBits), "more leaves than a key can name")
    var width = 2
    while width < leafCount { width *= 2 }
    self.width = width
    keys = Buffer(2 * width, Instant.never.picoseconds << WinnerTree.leafBits | 0x1FFF)
  }

  private init(width: Int, keys: consuming Buffer<UInt64>) {
    self.width = width
    self.keys = keys
  }
  public func clone() -> WinnerTree { WinnerTree(width: width, keys: keys.clone()) }

  /// The earliest key; `Instant.never` in it when nothing is scheduled.
  @inlinable public var first: UInt64 { keys[1] }

  @inlinable public func time(of leaf: Int) -> Instant {
    Instant(picoseconds: keys[width &+ leaf] >> WinnerTree.leafBits)
  }

  /// Compares every inner place with the two below it. Complexity: O(leaves).
  public func checkInvariants() throws(BrokenInvariant) {
    for place in 1..<width {
      let least = min(keys[2 * place], keys[2 * place + 1])
      try ensure(keys[place] == least, "queue: place \(place) is not the least of those below")
    }
    for leaf in 0..<width {
      let (key, none) = (keys[width + leaf], Instant.never.picoseconds)
      let isNamed = Int(key & (1 << WinnerTree.leafBits - 1)) == leaf
      try ensure(
        isNamed || key >> WinnerTree.leafBits == none, "queue: leaf \(leaf) has another's key")
    }
  }

  /// The leaf that is earliest in that half, quarter, eighth (`rounds` 1, 2, 3) of the tree in which
  /// `leaf` is. Whoever wins such a part comes soon.
  @inlinable @inline(__always)
  public func winner(near leaf: Int, rounds: Int) -> Int {
    let place = (width &+ leaf) &>> max(width.trailingZeroBitCount &- rounds, 0)
    return Int(truncatingIfNeeded: keys[place] & (1 &<< WinnerTree.leafBits &- 1))
  }

  /// Sets the time of `leaf`. Complexity: O(log leaves), no data-dependent branch.
  @inlinable public mutating func set(_ leaf: Int, _ time: Instant) {
    let key = time.picoseconds &<< WinnerTree.leafBits | UInt64(truncatingIfNeeded: leaf)
    keys.replay(from: width &+ leaf, key)
  }
}
