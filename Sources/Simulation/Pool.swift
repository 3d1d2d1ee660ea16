/// Records that come and go: a growing buffer with a stack of unused places.
///
/// An `ID` is good from `take` to `give`. The place given last is taken next, so a run that takes
/// and gives in the same order uses the same places.
@frozen public struct Pool<Element: BitwiseCopyable>: ~Copyable {
  public var items: Buffer<Element>
  @usableFromInline var unused: Buffer<Int32>
  @usableFromInline var unusedCount: Int
  @usableFromInline var used: Int
  /// What an unused place holds, in storage of its own: as a field it would make a large enum part
  /// of every type that has a pool, and the compiler's checks of ownership walk all of its cases.
  @usableFromInline let blank: Buffer<Element>

  /// An empty pool with room for `capacity` records before it first grows.
  @inlinable public init(capacity: Int, blank: Element) {
    items = Buffer(max(capacity, 4), blank)
    unused = Buffer(max(capacity, 4), 0)
    (unusedCount, used) = (0, 0)
    self.blank = Buffer(1, blank)
  }

  private init(cloning other: borrowing Pool) {
    items = other.items.clone()
    unused = other.unused.clone()
    (unusedCount, used) = (other.unusedCount, other.used)
    blank = other.blank.clone()
  }
  public func clone() -> Pool { Pool(cloning: self) }

  /// What it takes of the host's memory. Unit: bytes.
  public var byteCount: Int { items.byteCount + unused.byteCount }
  /// Records in use. Unit: records.
  @inlinable public var liveCount: Int { used - unusedCount }
  /// No ID was ever as large as this.
  @inlinable public var highWater: Int { used }

  /// A place for `value`. Complexity: O(1), amortised.
  @inlinable public mutating func take(_ value: Element) -> ID<Element> {
    if unusedCount > 0 {
      unusedCount &-= 1
      let id = ID<Element>(Int(unused[unusedCount]))
      items[id] = value
      return id
    }
    if used == items.count { expand() }
    let id = ID<Element>(used)
    used &+= 1
    items[id] = value
    return id
  }

  /// Gives a place back; its `ID` is no longer good.
  @inlinable public mutating func give(_ id: ID<Element>) {
    unused[unusedCount] = Int32(truncatingIfNeeded: id.index)
    unusedCount &+= 1
    items[id] = blank[0]
  }

  /// Every unused place is there once. Complexity: O(places).
  public func checkInvariants(_ name: @autoclosure () -> String) throws(BrokenInvariant) {
    var isUnused = Buffer<UInt8>(max(used, 1), 0)
    for place in 0..<unusedCount {
      let index = Int(unused[place])
      try ensure(
        index < used && isUnused[index] == 0, "\(name()): place \(index) was given back twice")
      isUnused[index] = 1
    }
  }

  @usableFromInline mutating func expand() {
    items.grow(to: items.count * 2, blank[0])
    unused.grow(to: items.count, 0)
  }

  @inlinable public subscript(id: ID<Element>) -> Element {
    @inline(__always) _read { yield items[id] }
    @inline(__always) _modify { yield &items[id] }
  }
}
