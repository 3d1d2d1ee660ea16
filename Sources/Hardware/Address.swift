/// A kernel virtual address. What kmalloc and vmalloc hand out, and kfree and vfree take back.
@frozen public struct Address: BitwiseCopyable, Hashable, Comparable, Sendable {
  public let raw: UInt64
  @inlinable public init(_ raw: UInt64) { self.raw = raw }

  /// `NULL`: an allocation that failed.
  @inlinable public static var null: Address { Address(0) }
  /// What an allocation of no bytes returns. Kernel: `ZERO_SIZE_PTR` (include/linux/slab.h, 6.12).
  @inlinable public static var zeroSize: Address { Address(16) }
  /// Kernel: `ZERO_OR_NULL_PTR()` (include/linux/slab.h, 6.12).
  @inlinable public var isZeroOrNull: Bool { raw <= 16 }

  @inlinable public static func < (a: Address, b: Address) -> Bool { a.raw < b.raw }
  @inlinable public static func + (a: Address, bytes: Int) -> Address {
    Address(a.raw &+ UInt64(bitPattern: Int64(bytes)))
  }
  /// The bytes from `b` up to `a`.
  @inlinable public static func - (a: Address, b: Address) -> Int {
    Int(Int64(bitPattern: a.raw &- b.raw))
  }
}

/// The number of a page frame: physical address over page size. At most 2^31 of them (8 TiB).
@frozen public struct PFN: BitwiseCopyable, Hashable, Comparable, Sendable {
  @usableFromInline let raw: Int32
  @inlinable public init(_ index: Int) { raw = Int32(truncatingIfNeeded: index) }
  @inlinable public var index: Int { Int(raw) }
  /// No frame: an allocation that failed.
  @inlinable public static var none: PFN { PFN(-1) }
  @inlinable public var isNone: Bool { raw < 0 }
  @inlinable public static func < (a: PFN, b: PFN) -> Bool { a.raw < b.raw }
  @inlinable public static func + (a: PFN, pages: Int) -> PFN { PFN(a.index &+ pages) }
}

/// The size of a block of pages: 2^`index` of them. Kernel: `order` (mm/page_alloc.c, 6.12).
@frozen public struct Order: BitwiseCopyable, Hashable, Comparable, Sendable {
  @usableFromInline let raw: UInt8
  @inlinable public init(_ index: Int) { raw = UInt8(truncatingIfNeeded: index) }
  @inlinable public var index: Int { Int(raw) }
  /// Unit: pages.
  @inlinable public var pageCount: Int { 1 &<< index }
  @inlinable public static var zero: Order { Order(0) }
  /// Kernel: `MAX_PAGE_ORDER` (include/linux/mmzone.h, 6.12).
  @inlinable public static var max: Order { Order(10) }
  /// Orders above it are given up early. Kernel: `PAGE_ALLOC_COSTLY_ORDER` (mmzone.h, 6.12).
  @inlinable public static var costly: Order { Order(3) }
  @inlinable public static func < (a: Order, b: Order) -> Bool { a.raw < b.raw }

  /// The smallest order whose block holds `bytes`. Kernel: `get_order()`.
  @inlinable public static func holding(bytes: Int, pageSize: Int = 4096) -> Order {
    let pages = (bytes &+ pageSize &- 1) / pageSize
    return Order(pages <= 1 ? 0 : Int.bitWidth &- (pages &- 1).leadingZeroBitCount)
  }
}
