import Simulation

public typealias LineID = ID<CacheLine>

/// One cache line that several CPUs use. Kernel terms: M is `owner` alone, S is `sharers`.
@frozen public struct CacheLine: BitwiseCopyable, Sendable {
  /// The CPU that wrote it last; -1 before the first write.
  @usableFromInline var owner: Int32 = -1
  /// Where its memory lies, for the first access.
  @usableFromInline var node: Int32 = 0
  /// LLC domains that have read it since, one bit each, number modulo 64.
  @usableFromInline var sharers: UInt64 = 0
  @usableFromInline var busyUntil = Instant.zero
  @usableFromInline init(node: Int) { self.node = Int32(node) }
}

/// The cache lines that matter, and the price of getting one.
///
/// Writers of a line queue on it: requests come in time order, so the order of reservation is the
/// order of arrival. A reader waits for a write that is under way and adds its LLC domain to the
/// sharers; the next writer pays for the farthest of owner and sharers.
///
/// Not modelled: capacity (a line that was here stays here), which of an LLC's CPUs shares.
public struct CacheLines: ~Copyable {
  @usableFromInline var lines: Pool<CacheLine>
  @usableFromInline let hit, atomicHit: Duration

  public init(costs: Costs) {
    lines = Pool(capacity: 1024, blank: CacheLine(node: 0))
    (hit, atomicHit) = (costs[.cacheHit], costs[.atomicHit])
  }

  private init(cloning other: borrowing CacheLines) {
    lines = other.lines.clone()
    (hit, atomicHit) = (other.hit, other.atomicHit)
  }
  public func clone() -> CacheLines { CacheLines(cloning: self) }

  /// A new line whose memory lies on `node`.
  public mutating func make(node: Int = 0) -> LineID { lines.take(CacheLine(node: node)) }
  public mutating func give(_ line: LineID) { lines.give(line) }
  public var count: Int { lines.liveCount }
  /// Unit: bytes of the host.
  public var byteCount: Int { lines.byteCount }

  /// Every line is owned by a CPU there is, or by none. Complexity: O(lines).
  public func checkInvariants(cpuCount: Int) throws(BrokenInvariant) {
    try lines.checkInvariants("cache lines")
    for index in 0..<lines.highWater {
      let owner = Int(lines[LineID(index)].owner)
      try ensure(owner < cpuCount, "cache line \(index): CPU \(owner) has it, and there is none")
    }
  }

  /// Moves `line` to `cpu` for writing. Returns: when it is there.
  @inlinable @inline(__always)
  public mutating func claim(
    _ line: LineID, by cpu: Int, at now: Instant, _ layout: borrowing Layout
  ) -> Instant {
    let held = lines.items[line]
    let price =
      held.owner == Int32(truncatingIfNeeded: cpu) && held.sharers == 0
      ? atomicHit : transfer(held, cpu, layout)
    let here = max(now, held.busyUntil) + price
    lines.items[line].owner = Int32(truncatingIfNeeded: cpu)
    lines.items[line].sharers = 0
    lines.items[line].busyUntil = here
    return here
  }

  /// Brings `line` to `cpu` for reading. Returns: when it is there.
  public mutating func read(
    _ line: LineID, by cpu: Int, at now: Instant, _ layout: borrowing Layout
  ) -> Instant {
    let held = lines.items[line]
    let bit: UInt64 = 1 << UInt64(layout.places[cpu].llc & 63)
    if held.owner == Int32(truncatingIfNeeded: cpu) || held.sharers & bit != 0 {
      return max(now, held.busyUntil) + hit
    }
    lines.items[line].sharers |= bit
    return max(now, held.busyUntil) + transfer(held, cpu, layout)
  }

  /// Moves `line` to `cpu` for writing; who polled it reads it again at once, so is a sharer still.
  /// Returns: when it is there.
  public mutating func claimPolled(
    _ line: LineID, by cpu: Int, at now: Instant, _ layout: borrowing Layout
  ) -> Instant {
    let pollers = lines[line].sharers
    let here = claim(line, by: cpu, at: now, layout)
    lines[line].sharers = pollers
    return here
  }

  /// A CPU that owns `line` and goes on polling it is one of its readers.
  public mutating func poll(_ line: LineID, by cpu: Int, _ layout: borrowing Layout) {
    lines[line].sharers |= 1 << UInt64(layout.places[cpu].llc & 63)
  }

  /// Nobody polls `line` any more.
  public mutating func forgetPollers(_ line: LineID) { lines[line].sharers = 0 }

  /// LLC domains that poll `line`.
  public func pollingDomains(_ line: LineID) -> Int { max(1, lines[line].sharers.nonzeroBitCount) }

  /// When the last write of `line` that was asked for is over.
  public func freeFrom(_ line: LineID) -> Instant { lines[line].busyUntil }

  /// What was written to a polled line has been read, and the line is `cpu`'s.
  public mutating func handTo(_ line: LineID, _ cpu: Int, at time: Instant) {
    lines[line].owner = Int32(cpu)
    lines[line].sharers = 0
    lines[line].busyUntil = time
  }

  /// What `cpu` writes to a polled line at `time` is read again by all `readers` that poll it. The line
  /// crosses to each LLC domain once; a domain serves its own readers one after the other, and nobody
  /// writes the line before the last of them has read it.
  ///
  /// - Parameter place: the place of `reader` among the readers of its domain, from 0.
  /// Returns: when `reader` has read it.
  public mutating func write(
    _ line: LineID, by cpu: Int, at time: Instant, for reader: Int, place: Int, of readers: Int,
    _ layout: borrowing Layout
  ) -> Instant {
    let domains = pollingDomains(line)
    let inDomain = (readers + domains - 1) / domains
    let first = layout.linePrice(from: cpu, to: reader)
    func after(_ count: Int, _ first: Duration) -> Instant {
      time + first + Duration(picoseconds: layout.sameLLC.picoseconds * UInt64(count))
    }
    lines[line].owner = Int32(cpu)
    lines[line].busyUntil = after(
      inDomain - 1, domains > 1 ? max(first, layout.farthestPrice) : first)
    return after(place, first)
  }

  /// Readers of one LLC domain that it serves in `length`.
  public func readsDuring(_ length: Duration, _ layout: borrowing Layout) -> Int {
    Int(length.picoseconds / max(layout.sameLLC.picoseconds, 1)) + 1
  }

  /// Others write the line for nothing, so long: atomic operations that fail.
  public mutating func occupy(_ line: LineID, for length: Duration) {
    lines[line].busyUntil = lines[line].busyUntil + length
  }

  @usableFromInline
  func transfer(_ held: CacheLine, _ cpu: Int, _ layout: borrowing Layout) -> Duration {
    guard held.owner >= 0 else { return layout.memoryPrice(of: Int(held.node), at: cpu) }
    var price = atomicHit
    if Int(held.owner) != cpu {
      price = max(price, layout.linePrice(from: Int(held.owner), to: cpu))
    }
    guard held.sharers != 0 else { return price }
    // A reader elsewhere must be told; how far away is known by LLC domain, not by CPU.
    let own: UInt64 = 1 << UInt64(layout.places[cpu].llc & 63)
    if held.sharers & ~own != 0 { price = max(price, layout.farthestPrice) }
    return max(price, layout.sameLLC)
  }
}
