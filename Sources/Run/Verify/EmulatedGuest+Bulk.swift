import Hardware
import Kernel

/// A bulk allocation or free of a list: `bulk cpu=2 cache=sh n=40 batch=8 set=a`.
package struct BulkOperation: Sendable, Equatable {
  package var site: OperationSite
  /// Nil for a free, whose objects know their cache.
  package var cache: String?
  package var gfp: UInt32
  package var count: Int
  package var batch: Int
  package var set: String

  init(
    _ fields: OperationFields, allocates: Bool
  ) throws(RecordingError) {
    site = try fields.site()
    cache = allocates ? try fields.required("cache") : nil
    gfp = try fields.gfp().rawValue
    count = try fields.number("n", in: 0...RecordingLimits.objectsMax, default: 1)
    batch = try fields.number("batch", in: 1...RecordingLimits.objectsMax, default: 1)
    set = try fields.required("set")
  }
}

extension EmulatedGuest {
  mutating func carryOut(_ bulk: BulkOperation) throws(Refusal) -> [String: String] {
    if let name = bulk.cache { return try allocateBulk(bulk, name) }
    return try freeBulk(bulk)
  }

  private mutating func allocateBulk(
    _ bulk: BulkOperation, _ name: String
  ) throws(Refusal) -> [String: String] {
    let cache = try cache(name)
    var objects: [HeldObject] = []
    while objects.count < bulk.count {
      let count = min(bulk.batch, bulk.count - objects.count)
      let (frame, id) = machine.world.bulkAllocation(
        cache, count: count, gfp: GFPFlags(rawValue: bulk.gfp))
      _ = call([frame], at: try checked(bulk.site))
      let got = machine.world.closeBulk(id)
      guard !got.isEmpty else { break }
      // From 7.2 on kmem_cache_alloc_bulk() returns a bool, which the recorder took for a count: of
      // each call it kept one object and lost the others.
      let kept = isOfSheavesOnly ? 1 : got.count
      objects += got.prefix(kept).map { .object(cache, $0) }
    }
    sets[bulk.set, default: []] += objects
    var result = stateOfSet(bulk.set, wantsRuns: false)
    result["result.got"] = "\(objects.count)"
    result["result.fail"] = "\(bulk.count - objects.count)"
    return result
  }

  /// Newest first: each batch is the end of the set, in its order, which the call takes from behind.
  private mutating func freeBulk(_ bulk: BulkOperation) throws(Refusal) -> [String: String] {
    guard var all = sets[bulk.set] else {
      throw Refusal(message: "no set \(bulk.set) was filled", hint: "allocate into it before")
    }
    let wanted = min(bulk.count, all.count)
    for first in stride(from: 0, to: wanted, by: bulk.batch) {
      let batch = Array(all.suffix(min(bulk.batch, wanted - first)))
      all.removeLast(batch.count)
      try freeBatch(batch, bulk.site)
    }
    sets[bulk.set] = all
    var result = stateOfSet(bulk.set, wantsRuns: false)
    result["result.got"] = "\(wanted)"
    result["result.fail"] = "0"
    return result
  }

  private mutating func freeBatch(
    _ batch: [HeldObject], _ site: OperationSite
  ) throws(Refusal) {
    var addresses: [Address] = []
    var owner: CacheID?
    for object in batch {
      guard case .object(let cache, let address) = object, owner == nil || owner == cache else {
        throw Refusal(
          message: "bulkfree of objects that are not of one cache", hint: "use free for these")
      }
      owner = cache
      addresses.append(address)
    }
    guard let owner else { return }
    _ = call([machine.world.bulkFree(owner, addresses)], at: try checked(site))
  }
}
