/// How many translations a CPU remembers, and in how many places each may lie.
///
/// Source: the files of `CPUs/Files`, each line with its own.
package struct TLBGeometry: BitwiseCopyable, Sendable, Equatable {
  /// One array of translations: `sets` (a power of two) rows of `ways`.
  package struct Level: BitwiseCopyable, Sendable, Equatable {
    package let sets: Int
    package let ways: Int
    package var entries: Int { sets * ways }

    /// Returns: nil where `entries / ways` is no power of two, or the array larger than any there is.
    package init?(checking entries: Int, ways: Int) {
      guard ways > 0, entries > 0, entries <= 1 << 16, entries % ways == 0 else { return nil }
      (sets, self.ways) = (entries / ways, ways)
      guard sets & (sets - 1) == 0 else { return nil }
    }
    private init(sets: Int, ways: Int) { (self.sets, self.ways) = (sets, ways) }
    /// An array that remembers nothing.
    package static let none = Level(sets: 1, ways: 0)
  }
  /// The first level for 4 KiB pages and that for 2 MiB pages; none: both share the first.
  package var l1Small: Level
  package var l1Huge: Level?
  /// The second level, which both sizes share.
  package var l2: Level
  /// Pointers to tables of the lowest level, which shorten a walk to one read.
  package var walkCache: Level

  package init(l1Small: Level, l1Huge: Level?, l2: Level, walkCache: Level) {
    (self.l1Small, self.l1Huge) = (l1Small, l1Huge)
    (self.l2, self.walkCache) = (l2, walkCache)
  }
}
