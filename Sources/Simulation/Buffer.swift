import CPrefetch
import Glibc

/// A typed index: only `ID<Slab>` finds a `Slab` in a `Buffer<Slab>`, so indices cannot be mixed.
@frozen public struct ID<Of>: BitwiseCopyable, Hashable, Sendable {
  @usableFromInline let raw: Int32
  @inlinable public init(_ index: Int) { raw = Int32(truncatingIfNeeded: index) }
  @inlinable public var index: Int { Int(raw) }
  /// What a link holds when it leads nowhere.
  @inlinable public static var none: ID { ID(-1) }
  @inlinable public var isNone: Bool { raw < 0 }
}

/// Owned storage: no reference count, no uniqueness check, no exclusivity check.
///
/// The only file of the model with unsafe code. Bounds are checked in release builds too.
@frozen @safe public struct Buffer<Element: BitwiseCopyable>: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<Element>
  @usableFromInline var size: Int
  @inlinable public var count: Int { size }

  /// Storage for `count` elements, all equal to `value`.
  @inlinable public init(_ count: Int, _ value: Element) {
    unsafe base = Buffer.allocate(count)
    unsafe base.initialize(repeating: value, count: count)
    size = count
  }

  /// Storage for `count` elements whose bytes are all zero, which costs no memory until touched.
  ///
  /// For tables with a record a page of the emulated machine. The caller knows that all zero bytes
  /// are a good `Element`.
  public static func zeroed(_ count: Int) -> Buffer {
    let bytes = unsafe calloc(max(count, 1), MemoryLayout<Element>.stride)
    guard let bytes = unsafe bytes else { preconditionFailure("the host is out of memory") }
    return unsafe Buffer(base: bytes.bindMemory(to: Element.self, capacity: count), count: count)
  }

  /// Storage that begins at a line of the host's cache, so that a record of 64 bytes is one line.
  /// Large storage is of the host's huge pages if it has them: records of thousands of CPUs lie in
  /// as many of its small pages, more than a TLB holds.
  @usableFromInline static func allocate(_ count: Int) -> UnsafeMutablePointer<Element> {
    var memory: UnsafeMutableRawPointer?
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let (line, huge) = (64, 2 << 20)
    let unit = bytes < huge / 2 ? line : huge
    let rounded = (bytes + unit - 1) / unit * unit
    guard unsafe posix_memalign(&memory, unit, rounded) == 0, let memory = unsafe memory else {
      preconditionFailure("the host is out of memory")
    }
    // Advice: where the host has none to give, all is as without it.
    if unit == huge { _ = unsafe madvise(memory, rounded, MADV_HUGEPAGE) }
    return unsafe memory.bindMemory(to: Element.self, capacity: count)
  }

  @usableFromInline init(base: UnsafeMutablePointer<Element>, count: Int) {
    unsafe self.base = base
    size = count
  }

  /// What it takes of the host's memory, touched or not. Unit: bytes.
  public var byteCount: Int { size * MemoryLayout<Element>.stride }

  @inlinable deinit { unsafe free(base) }

  /// An independent copy. Complexity: O(`count`), one block move.
  public func clone() -> Buffer {
    let copy = unsafe Buffer.allocate(count)
    unsafe copy.update(from: base, count: count)
    return unsafe Buffer(base: copy, count: count)
  }

  /// Makes room for `newCount` elements; the new ones are equal to `value`. Never shrinks.
  ///
  /// - Complexity: O(`newCount`) when it grows, so let callers double.
  public mutating func grow(to newCount: Int, _ value: Element) {
    guard newCount > count else { return }
    let moved = unsafe Buffer.allocate(newCount)
    unsafe moved.update(from: base, count: count)
    unsafe free(base)
    unsafe base = moved
    unsafe (base + count).initialize(repeating: value, count: newCount - count)
    size = newCount
  }

  /// Asks the host for the record's line, for a use that comes soon. Changes nothing.
  @inlinable @inline(__always)
  public func prefetch(_ index: Int) {
    guard UInt(bitPattern: index) < UInt(bitPattern: count) else { return }
    unsafe kmemu_prefetch(base + index)
  }

  public subscript(index: Int) -> Element {
    @inlinable @inline(__always) unsafeAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe UnsafePointer(base + index)
    }
    @inlinable @inline(__always) unsafeMutableAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe base + index
    }
  }

  public subscript(id: ID<Element>) -> Element {
    @inlinable @inline(__always) unsafeAddress {
      precondition(UInt(bitPattern: id.index) < UInt(bitPattern: count))
      return unsafe UnsafePointer(base + id.index)
    }
    @inlinable @inline(__always) unsafeMutableAddress {
      precondition(UInt(bitPattern: id.index) < UInt(bitPattern: count))
      return unsafe base + id.index
    }
  }
}

/// Tournaments: the minimum of the pair (2i, 2i + 1) is at i.
extension Buffer where Element == UInt64 {
  /// Puts `key` at `leaf` and replays its path to the root, at 1. The `count` is even. One check
  /// of bounds for the whole path, since all of it lies below the leaf.
  @inlinable @inline(__always)
  public mutating func replay(from leaf: Int, _ key: UInt64) {
    precondition(UInt(bitPattern: leaf) < UInt(bitPattern: count) && count & 1 == 0)
    var (place, winner) = (leaf, key)
    unsafe base[place] = winner
    while place > 1 {
      let rival = unsafe base[place ^ 1]
      place &>>= 1
      winner = min(winner, rival)
      unsafe base[place] = winner
    }
  }
}

/// Bytes for encoders: a word at a time at any place, each with one bounds check.
extension Buffer where Element == UInt8 {
  /// Stores the 8 bytes of `word`, lowest first, from `index` on.
  @inlinable @inline(__always)
  public mutating func store(_ word: UInt64, at index: Int) {
    precondition(index >= 0 && index <= count &- 8)
    unsafe UnsafeMutableRawPointer(base).storeBytes(
      of: word.littleEndian, toByteOffset: index, as: UInt64.self)
  }

  /// Copies `length` bytes of `source` from `start` on to `index` on.
  @inlinable
  public mutating func copy(
    _ length: Int, from source: borrowing Buffer<UInt8>, at start: Int, to index: Int
  ) {
    precondition(length >= 0 && start >= 0 && start <= source.count &- length)
    precondition(index >= 0 && index <= count &- length)
    unsafe (base + index).update(from: source.base + start, count: length)
  }

  /// Lends the first `length` bytes: nothing is copied.
  public func lend<Answer>(
    _ length: Int, to body: (Span<UInt8>) throws -> Answer
  ) rethrows -> Answer {
    precondition(length >= 0 && length <= count)
    let bytes = unsafe UnsafeBufferPointer(start: base, count: length)
    return try body(unsafe bytes.span)
  }
}
