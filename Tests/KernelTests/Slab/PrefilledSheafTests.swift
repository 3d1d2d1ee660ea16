import Hardware
import Simulation
import Testing

@testable import Kernel

/// Sheaves in the hand of users, against a model that counts objects.
@Suite struct PrefilledSheafTests {
  @Test("a sheaf comes from the spare one or the barn, and goes back there")
  func ownSize() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let first = try runner.hold(cache, 5)
    let slow = [SlabStat.sheaf_prefill_slow, .barn_get_fail, .sheaf_refill].map {
      runner.count($0, cache)
    }
    // Whatever was asked for, it is filled whole.
    #expect(slow == [1, 1, 28])
    runner.hasNoPages = true
    let objects = (0..<28).map { _ in runner.take(first) }
    let none = runner.take(first)
    #expect(Set(objects).count == 28 && !objects.contains(.null) && none == .null)
    runner.hasNoPages = false
    _ = runner.call(.returnSheaf(.start(first, .noWait)), on: 0)
    let again = try runner.hold(cache, 1)
    let fast = [SlabStat.sheaf_return_fast, .sheaf_prefill_fast, .sheaf_refill].map {
      runner.count($0, cache)
    }
    #expect(again == first && fast == [1, 1, 56])
    let second = try runner.hold(cache, 28)
    for sheaf in [again, second] { _ = runner.call(.returnSheaf(.start(sheaf, .noWait)), on: 0) }
    let returns = [SlabStat.sheaf_return_fast, .sheaf_return_slow, .barn_put].map {
      runner.count($0, cache)
    }
    #expect(returns == [2, 1, 1])
    for object in objects { runner.free(object, on: 0) }
    _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0)
    let left = runner.world.slab.figures(of: cache).slabs
    #expect(left == [0] && runner.world.complaints.raised.isEmpty)
    try runner.world.slab.checkInvariants()
  }

  @Test("more objects than a sheaf holds make an oversize one, which ends with its return")
  func oversize() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let small = try runner.hold(cache, 28)
    let refill = RefillPrefilled.start(small, size: 100, gfp: .kernel)
    let large = ID<Sheaf>(runner.call(.refillPrefilled(refill), on: 0).number)
    #expect(large != small)
    let objects = (0..<100).map { _ in runner.take(large) }
    #expect(Set(objects).count == 100 && !objects.contains(.null))
    // It is filled to its own capacity.
    let refilled = runner.call(
      .refillPrefilled(.start(large, size: 10, gfp: .kernel)), on: 0
    ).number
    let size = runner.world.slab.sheaves.all[large].size
    #expect(refilled == large.index && size == 100)
    _ = runner.call(.returnSheaf(.start(large, .noWait)), on: 0)
    let counts = [SlabStat.sheaf_prefill_oversize, .sheaf_return_fast, .sheaf_return_slow].map {
      runner.count($0, cache)
    }
    #expect(counts == [1, 1, 0])
    for object in objects { runner.free(object, on: 0) }
    let taken = runner.world.slab.allocatedCount(of: cache)
    #expect(taken == 0)
    try runner.world.slab.checkInvariants()
  }

  @Test("a sheaf that is used after its return, or left out, is reported")
  func rules() throws {
    var runner = try PathRunner(cpus: 1, kernel: "7.2")
    let cache = try runner.makeCache("c", size: 512)
    let sheaf = try runner.hold(cache, 5)
    _ = runner.call(.kmemCacheDestroy(.start(cache)), on: 0)
    _ = runner.call(.returnSheaf(.start(sheaf, .noWait)), on: 0)
    let object = runner.take(sheaf)
    _ = runner.call(.returnSheaf(.start(sheaf, .noWait)), on: 0)
    let kinds = runner.world.complaints.raised.map(\.kind)
    #expect(object == .null && kinds == [.leak, .useAfterFree, .useAfterFree])
    try runner.world.slab.checkInvariants()
  }

  /// A sheaf in hand as a count.
  struct Hand {
    let sheaf: ID<Sheaf>
    var least: Int
  }

  @Test(
    "an object in hand is there when it is asked for, and none is lost or doubled",
    arguments: [
      (4096, 1, "7.2", false), (1024, 2, "7.2", false), (512, 3, "7.0", false),
      (2048, 4, "6.18", false), (1024, 5, "7.2", true), (1024, 6, "6.18", true),
    ] as [(Int, UInt64, String, Bool)], [1, 3])
  func model(_ shape: (Int, UInt64, String, Bool), cpus: Int) throws {
    let (size, seed, kernel, isDebug) = shape
    var runner = try PathRunner(
      cpus: cpus, nodes: min(cpus, 2), bytesPerNode: 64 << 20, seed: seed, kernel: kernel)
    let cache = try runner.makeCache(
      "c", size: size, flags: isDebug ? [.consistency, .redZone] : [],
      sheaf: kernel < "7" ? 6 : 0)
    var (hands, held) = ([Hand](), Set<Address>())
    var (random, refused) = (RandomStream(seed: seed, name: "hands", index: cpus), 0)
    for turn in 0..<4_000 {
      let cpu = random.below(cpus)
      runner.hasNoPages = turn % 500 > 400
      switch random.below(10) {
      case 0, 1:
        let wanted = 1 + random.below(40)
        guard hands.count < 12, let sheaf = runner.prefill(cache, wanted, on: cpu) else {
          refused += hands.count < 12 ? 1 : 0
          break
        }
        #expect(!hands.contains { $0.sheaf == sheaf })
        hands.append(Hand(sheaf: sheaf, least: wanted))
      case 2 where !hands.isEmpty:
        let hand = hands.remove(at: random.below(hands.count))
        _ = runner.call(.returnSheaf(.start(hand.sheaf, .noWait)), on: cpu)
      case 3 where !hands.isEmpty:
        let (place, wanted) = (random.below(hands.count), 1 + random.below(40))
        let refill = RefillPrefilled.start(
          hands[place].sheaf, size: UInt16(wanted), gfp: [.kernel, .noWarn])
        let answer = runner.call(.refillPrefilled(refill), on: cpu).number
        guard answer >= 0 else { break }
        hands[place] = Hand(sheaf: ID(answer), least: max(hands[place].least, wanted))
      case 4...6 where !hands.isEmpty:
        let place = random.below(hands.count)
        let object = runner.take(hands[place].sheaf, on: cpu)
        if hands[place].least > 0 {
          try #require(object != .null, "a reserved object is missing")
          hands[place].least -= 1
        }
        if object != .null {
          let isNew = held.insert(object).inserted
          try #require(isNew)
        }
      case 7:
        let object = runner.allocate(cache, gfp: [.kernel, .noWarn], on: cpu)
        if object != .null {
          let isNew = held.insert(object).inserted
          try #require(isNew)
        }
      default:
        for _ in 0..<4 {
          guard let object = held.min(by: { $0.raw &* 0x9E37 < $1.raw &* 0x9E37 }) else { break }
          held.remove(object)
          runner.free(object, on: cpu)
        }
      }
      let inHand = hands.reduce(0) { $0 + Int(runner.world.slab.sheaves.all[$1.sheaf].size) }
      let taken = runner.world.slab.allocatedCount(of: cache)
      try #require(taken == held.count + (isDebug ? inHand : 0))
      if turn % 20 == 0 { try runner.world.slab.checkInvariants() }
    }
    runner.hasNoPages = false
    for hand in hands { _ = runner.call(.returnSheaf(.start(hand.sheaf, .noWait)), on: 0) }
    for object in held { runner.free(object, on: 0) }
    // The barn of a later node may have objects of one whose slabs were looked at before.
    for _ in 0..<2 { _ = runner.call(.kmemCacheShrink(.start(cache)), on: 0) }
    let (slabs, complaints) = (
      runner.world.slab.figures(of: cache).slabs, runner.world.complaints.raised.count
    )
    #expect(slabs.allSatisfy { $0 == 0 })
    #expect(complaints == 0 && refused > 0, "\(runner.world.complaints.raised.prefix(3))")
  }
}

extension PathRunner {
  fileprivate mutating func prefill(
    _ cache: CacheID, _ size: Int, on cpu: Int = 0
  ) -> ID<Sheaf>? {
    let call = PrefillSheaf.start(
      cache: UInt16(cache.index), size: UInt16(size), gfp: [.kernel, .noWarn])
    let number = self.call(.prefillSheaf(call), on: cpu).number
    return number < 0 ? nil : ID(number)
  }

  fileprivate mutating func hold(_ cache: CacheID, _ size: Int) throws -> ID<Sheaf> {
    let sheaf = prefill(cache, size)
    return try #require(sheaf)
  }

  fileprivate mutating func take(_ sheaf: ID<Sheaf>, on cpu: Int = 0) -> Address {
    call(.allocFromSheaf(.start(sheaf, .kernel)), on: cpu).address
  }
}
