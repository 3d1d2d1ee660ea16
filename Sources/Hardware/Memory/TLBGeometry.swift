/// How many translations a CPU remembers, and in how many places each may lie.
///
/// Source: vendor manuals by way of the table of TLB sizes by core in docs/COSTS.md.
package struct TLBGeometry: BitwiseCopyable, Sendable {
  /// One array of translations: `sets` (a power of two) rows of `ways`.
  package struct Level: BitwiseCopyable, Sendable {
    package let sets: Int
    package let ways: Int
    package var entries: Int { sets * ways }

    /// - Precondition: `entries / ways` is a power of two.
    package init(entries: Int, ways: Int) {
      (sets, self.ways) = (entries / ways, ways)
      precondition(sets > 0 && sets & (sets - 1) == 0 && sets * ways == entries)
    }
  }
  /// The first level for 4 KiB pages and that for 2 MiB pages.
  package var l1Small: Level
  package var l1Huge: Level
  /// The second level, which both sizes share.
  package var l2: Level
  /// Pointers to tables of the lowest level, which shorten a walk to one read.
  package var walkCache: Level

  package init(l1Small: Level, l1Huge: Level, l2: Level, walkCache: Level) {
    (self.l1Small, self.l1Huge) = (l1Small, l1Huge)
    (self.l2, self.walkCache) = (l2, walkCache)
  }

  /// Skylake and Cascade Lake: 64 and 32 in the first level, 1,536 in the second.
  package static let skylake = TLBGeometry(
    l1Small: Level(entries: 64, ways: 4), l1Huge: Level(entries: 32, ways: 4),
    l2: Level(entries: 1536, ways: 12), walkCache: Level(entries: 32, ways: 4))

  /// Zen 3: one fully associative first level (halved here between the sizes), 2,048 in the second.
  package static let zen3 = TLBGeometry(
    l1Small: Level(entries: 32, ways: 32), l1Huge: Level(entries: 32, ways: 32),
    l2: Level(entries: 2048, ways: 16), walkCache: Level(entries: 64, ways: 64))
}
