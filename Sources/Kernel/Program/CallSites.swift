import Hardware
import Simulation

/// What each place that allocates asked for, got and gave back, as `perf kmem` has it by caller.
///
/// Only while the workload names a call site: then every object is known by its address from its
/// allocation to its free. Objects of a run's end that no slot holds any more are leaks.
///
/// Mechanism: a hash table with linear probing, sums for each site. It costs no emulated time.
/// Invariants: an address is in the table at most once; `live` of all sites together counts it.
package struct CallSites: ~Copyable {
  struct Live: BitwiseCopyable {
    /// 0: the place is empty.
    var address: UInt64 = 0
    var since = Instant.zero
    var size: UInt32 = 0
    var site: Int16 = 0
    var cpu: UInt16 = 0
  }
  /// How an allocation was served.
  package enum Way: UInt8, BitwiseCopyable { case fast, slow, newSlab }

  package struct Totals: BitwiseCopyable, Sendable {
    package var allocations: UInt64 = 0
    package var failures: UInt64 = 0
    /// Unit: bytes.
    package var requested: UInt64 = 0
    package var given: UInt64 = 0
    package var slow: UInt64 = 0
    package var newSlabs: UInt64 = 0
    package var latency = Duration.zero
    package var latencyMost = Duration.zero
    package var frees: UInt64 = 0
    /// Frees on another CPU than that of the allocation.
    package var crossCPUFrees: UInt64 = 0
    package var lifetime = Duration.zero
    package var lifetimeMost = Duration.zero
    /// Objects not freed yet, those from before the measured time too.
    package var live: Int = 0
  }

  let isOn: Bool
  package private(set) var totals: Buffer<Totals>
  private var table: Buffer<Live>
  private var count: Int
  /// For each activation the size that it drew last. Unit: bytes.
  private var asked: Buffer<UInt64>

  init(siteCount: Int, isOn: Bool) {
    self.isOn = isOn
    totals = Buffer(isOn ? siteCount : 0, Totals())
    table = Buffer(isOn ? 1024 : 0, Live())
    asked = Buffer(0, 0)
    count = 0
  }
  private init(cloning other: borrowing CallSites) {
    isOn = other.isOn
    totals = other.totals.clone()
    table = other.table.clone()
    asked = other.asked.clone()
    count = other.count
  }
  func clone() -> CallSites { CallSites(cloning: self) }

  mutating func note(asked size: UInt64, by id: ID<ProgramState.Activation>) {
    if id.index >= asked.count { asked.grow(to: max(id.index + 1, 2 * asked.count), 0) }
    asked[id.index] = size
  }

  func asked(by id: ID<ProgramState.Activation>) -> UInt64 {
    id.index < asked.count ? asked[id.index] : 0
  }

  // MARK: Objects

  private func place(of address: UInt64) -> Int {
    Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) >> 20) & (table.count - 1)
  }

  /// `size` is what was asked for, `given` what may be used. Unit: bytes.
  mutating func allocated(
    _ address: Address, site: Int16, size: UInt64, given: Int, way: Way, took: Duration,
    on cpu: CPUID, at now: Instant
  ) {
    let site = Int(site)
    totals[site].allocations += 1
    totals[site].requested += size
    totals[site].given += UInt64(given)
    if way != .fast { totals[site].slow += 1 }
    if way == .newSlab { totals[site].newSlabs += 1 }
    totals[site].latency += took
    totals[site].latencyMost = max(totals[site].latencyMost, took)
    guard !address.isZeroOrNull else { return }
    if 2 * count >= table.count { expand() }
    // A place whose last object went by ways that this table does not see.
    if let place = find(address.raw) {
      totals[Int(table[place].site)].live -= 1
      remove(place)
    }
    totals[site].live += 1
    insert(
      Live(
        address: address.raw, since: now, size: UInt32(clamping: size), site: Int16(site),
        cpu: UInt16(cpu.index)))
  }

  mutating func failed(site: Int16) { totals[Int(site)].failures += 1 }

  mutating func freed(_ address: Address, on cpu: CPUID, at now: Instant) {
    guard !address.isZeroOrNull, let place = find(address.raw) else { return }
    let (live, site) = (table[place], Int(table[place].site))
    let lifetime = now - live.since
    totals[site].frees += 1
    if Int(live.cpu) != cpu.index { totals[site].crossCPUFrees += 1 }
    totals[site].lifetime += lifetime
    totals[site].lifetimeMost = max(totals[site].lifetimeMost, lifetime)
    totals[site].live -= 1
    remove(place)
  }

  private func find(_ address: UInt64) -> Int? {
    var place = place(of: address)
    while table[place].address != 0 {
      if table[place].address == address { return place }
      place = (place + 1) & (table.count - 1)
    }
    return nil
  }

  private mutating func insert(_ live: Live) {
    var place = place(of: live.address)
    while table[place].address != 0 { place = (place + 1) & (table.count - 1) }
    table[place] = live
    count += 1
  }

  /// Takes an object out, and moves back what probed past it.
  private mutating func remove(_ place: Int) {
    var (hole, next) = (place, place)
    let mask = table.count - 1
    while true {
      next = (next + 1) & mask
      guard table[next].address != 0 else { break }
      let home = self.place(of: table[next].address)
      if (next - home) & mask >= (next - hole) & mask {
        table[hole] = table[next]
        hole = next
      }
    }
    table[hole] = Live()
    count -= 1
  }

  private mutating func expand() {
    let old = table.clone()
    table = Buffer(2 * old.count, Live())
    count = 0
    for place in 0..<old.count where old[place].address != 0 { insert(old[place]) }
  }

  /// Forgets the sums; objects stay.
  mutating func reset() {
    for site in 0..<totals.count {
      let live = totals[site].live
      totals[site] = Totals()
      totals[site].live = live
    }
  }

  /// Every object that is not freed, in no order that means anything.
  func forEachLive(_ body: (Address, Int, UInt32, Instant) -> Void) {
    for place in 0..<table.count where table[place].address != 0 {
      let live = table[place]
      body(Address(live.address), Int(live.site), live.size, live.since)
    }
  }

  func checkInvariants() throws(BrokenInvariant) {
    var (seen, live) = (0, 0)
    for place in 0..<table.count where table[place].address != 0 {
      seen += 1
      try ensure(find(table[place].address) == place, "call sites: an object is not found")
    }
    for site in 0..<totals.count { live += totals[site].live }
    try ensure(seen == count && live == count, "call sites: \(count) objects, \(seen) there")
  }
}
