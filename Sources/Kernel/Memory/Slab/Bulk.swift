import Hardware
import Simulation

/// What a bulk call was given, or gives: too much for a frame.
///
/// Whoever calls opens it, fills in addresses or reads them, and closes it, but for a call that
/// frees, which closes it itself.
package struct BulkCall: BitwiseCopyable {
  /// The cache, or none for kfree_bulk, which takes each object's own.
  var cache: CacheID
  var gfp: GFPFlags
  /// Where its addresses begin, and for how many there is room, as a power of two.
  var first: Int32
  var room: UInt8
  /// Objects asked for, and those not done with yet: of an allocation at the end, of a free at the
  /// beginning.
  var count: Int32
  var left: Int32
  /// The objects of one slab that a free does next: linked, if they are more than one.
  var slab: ID<Slab>
  var head: UInt16
  var length: UInt16

  static let blank = BulkCall(
    cache: .none, gfp: [], first: 0, room: 0, count: 0, left: 0, slab: .none, head: 0, length: 0)
}

/// The bulk calls under way, and their addresses. Kernel: the array `void **p` of the caller.
///
/// Mechanism: a pool, and blocks of a buffer in sizes of powers of two. Invariant: no block is in
/// two calls, which `open` and `close` keep.
package struct BulkCalls: ~Copyable {
  /// Objects one call may ask for. Unit: objects.
  package static let countMax = 1 << 20

  var calls: Pool<BulkCall>
  private var addresses: Buffer<Address>
  private var used: Int
  /// Blocks given back, by the logarithm of their size.
  private var unused: [[Int32]]

  init() {
    calls = Pool(capacity: 4, blank: .blank)
    addresses = Buffer(64, .null)
    used = 0
    unused = [[Int32]](repeating: [], count: 21)
  }

  private init(cloning other: borrowing BulkCalls) {
    calls = other.calls.clone()
    addresses = other.addresses.clone()
    (used, unused) = (other.used, other.unused)
  }
  func clone() -> BulkCalls { BulkCalls(cloning: self) }

  /// A call for 1 to `countMax` objects, all addresses NULL.
  mutating func open(_ cache: CacheID, _ gfp: GFPFlags, count: Int) -> ID<BulkCall> {
    precondition(count > 0 && count <= BulkCalls.countMax, "a bulk call of no or too many objects")
    let room = SlabSizing.fls(count - 1)
    var first = used
    if let block = unused[room].popLast() {
      first = Int(block)
    } else {
      used += 1 << room
      if used > addresses.count { addresses.grow(to: max(used, 2 * addresses.count), .null) }
    }
    for place in 0..<count { addresses[first + place] = .null }
    var call = BulkCall.blank
    (call.cache, call.gfp, call.first, call.room) = (cache, gfp, Int32(first), UInt8(room))
    (call.count, call.left) = (Int32(count), Int32(count))
    return calls.take(call)
  }

  mutating func close(_ id: ID<BulkCall>) {
    unused[Int(calls[id].room)].append(calls[id].first)
    calls.give(id)
  }

  package func count(_ id: ID<BulkCall>) -> Int { Int(calls[id].count) }

  package subscript(_ id: ID<BulkCall>, _ place: Int) -> Address {
    get { addresses[Int(calls[id].first) + place] }
    set { addresses[Int(calls[id].first) + place] = newValue }
  }
}

extension World {
  /// The call that allocates `count` objects of a cache. Its reply is how many there are, all or
  /// none; the caller reads and closes `id`.
  package mutating func bulkAllocation(
    _ cache: CacheID, count: Int, gfp: GFPFlags
  ) -> (frame: Frame, id: ID<BulkCall>) {
    let id = slab.bulk.open(cache, gfp, count: count)
    return (.kmemCacheAllocBulk(.start(id)), id)
  }

  /// The call that frees objects of a cache, or of any (`none`: kfree_bulk).
  package mutating func bulkFree(_ cache: CacheID, _ objects: [Address]) -> Frame {
    let id = slab.bulk.open(cache, [], count: objects.count)
    for (place, object) in objects.enumerated() { slab.bulk[id, place] = object }
    return .kmemCacheFreeBulk(.start(id))
  }

  /// The objects that a bulk allocation got, and its end.
  package mutating func closeBulk(_ id: ID<BulkCall>) -> [Address] {
    let objects = (0..<slab.bulk.count(id)).map { slab.bulk[id, $0] }.filter { $0 != .null }
    slab.bulk.close(id)
    return objects
  }
}
