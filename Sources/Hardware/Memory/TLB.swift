import Simulation

/// What every CPU remembers of the page table, and may go on believing after it has changed.
///
/// A CPU's arrays come into being with its first access, so a CPU that touches nothing costs
/// twelve bytes. A full flush is a new generation: O(1). The TLBs never look at the page table:
/// who misses walks it and calls `fill`, and who hits may compare the frame to see a stale entry.
///
/// Invariants, verified by `checkInvariants()`:
/// 1. an entry counts only if its generation is its CPU's;
/// 2. no two entries of one set that count have one tag;
/// 3. an entry lies in the set that its page number names.
///
/// Kernel: none; this is hardware. Every entry is global, as kernel mappings are without PTI.
/// Not modelled: user entries, PCIDs, ASIDs, instruction TLBs, 1 GiB pages, prefetched walks.
package struct TLBs: ~Copyable {
  /// Where a translation was found.
  package enum Found: UInt8, BitwiseCopyable { case l1, l2, nowhere }

  struct Entry: BitwiseCopyable {
    /// Page number times two, plus one for a 2 MiB page.
    var tag: UInt64
    var frame: PFN
    var generation: UInt32
  }
  struct Unit: BitwiseCopyable {
    /// Which part of `entries` is this CPU's; -1 before its first access.
    var slot: Int32
    var generation: UInt32
    /// The walk cache's own, since INVLPG empties it and nothing else.
    var walkGeneration: UInt32
  }
  private enum Part { case l1Small, l1Huge, l2, walkCache }

  package let geometry: TLBGeometry
  private let pageShift: Int
  var units: Buffer<Unit>
  var entries: Buffer<Entry>
  private var slotCount: Int

  package init(cpuCount: Int, pageShift: Int, geometry: TLBGeometry) {
    (self.geometry, self.pageShift) = (geometry, pageShift)
    units = Buffer(cpuCount, Unit(slot: -1, generation: 1, walkGeneration: 1))
    entries = Buffer(0, TLBs.blank)
    slotCount = 0
  }

  private init(cloning other: borrowing TLBs) {
    (geometry, pageShift, slotCount) = (other.geometry, other.pageShift, other.slotCount)
    units = other.units.clone()
    entries = other.entries.clone()
  }
  package func clone() -> TLBs { TLBs(cloning: self) }

  /// Bytes of entries, all CPUs together.
  package var byteCount: Int { entries.count * MemoryLayout<Entry>.stride }

  // MARK: - Translations

  /// Looks `address` up as a page of `size`; what the second level knows comes into the first.
  package mutating func look(
    up address: Address, _ size: PageTable.LeafSize, on cpu: Int
  ) -> (found: Found, frame: PFN) {
    let generation = units[cpu].generation
    guard let base = base(of: cpu) else { return (.nowhere, .none) }
    let first = firstLevel(size)
    let (number, tag) = name(address, size)
    if let frame = promote(first, base, number, tag, generation) { return (.l1, frame) }
    guard let frame = promote(.l2, base, number, tag, generation) else { return (.nowhere, .none) }
    insert(first, base, number, Entry(tag: tag, frame: frame, generation: generation))
    return (.l2, frame)
  }

  /// Remembers what a walk of `levels` reads found.
  ///
  /// - Returns: the table reads that the walk cost, the walk cache considered.
  package mutating func fill(
    _ address: Address, _ size: PageTable.LeafSize, _ frame: PFN, levels: Int, on cpu: Int
  ) -> Int {
    let base = makeBase(of: cpu)
    let generation = units[cpu].generation
    let (number, tag) = name(address, size)
    let entry = Entry(tag: tag, frame: frame, generation: generation)
    insert(.l2, base, number, entry)
    insert(firstLevel(size), base, number, entry)
    let above = number >> 9
    let walkTag = above << 1 | tag & 1
    let walkGeneration = units[cpu].walkGeneration
    if promote(.walkCache, base, above, walkTag, walkGeneration) != nil { return 1 }
    let table = Entry(tag: walkTag, frame: PFN(0), generation: walkGeneration)
    insert(.walkCache, base, above, table)
    return levels
  }

  // MARK: - Flushes

  /// Forgets everything. Complexity: O(1). Kernel: INVPCID of all contexts, or CR4.PGE toggled.
  package mutating func flushAll(on cpu: Int) {
    if units[cpu].generation == .max { wipe(cpu) }
    units[cpu].generation += 1
    flushWalks(cpu)
  }

  /// Forgets the page of `address`, and all that shortens walks. Hardware: INVLPG.
  package mutating func flushOne(_ address: Address, on cpu: Int) {
    flushWalks(cpu)
    guard let base = base(of: cpu) else { return }
    for size in [PageTable.LeafSize.page, .huge] {
      let (number, tag) = name(address, size)
      for part in [firstLevel(size), .l2] {
        let start = base + offset(part) + set(part, number)
        for place in start..<start + level(part).ways where entries[place].tag == tag {
          entries[place].generation = 0
        }
      }
    }
  }

  /// Forgets a range of pages: one by one, or by a look at every entry where that is less.
  package mutating func flushRange(_ address: Address, pages: Int, on cpu: Int) {
    flushWalks(cpu)
    guard let base = base(of: cpu) else { return }
    guard pages > 64 else {
      for page in 0..<pages { flushOne(address + (page << pageShift), on: cpu) }
      return
    }
    let (first, last) = (address.raw, (address + (pages << pageShift)).raw - 1)
    for place in base..<base + offset(.walkCache) where entries[place].generation != 0 {
      let shift = UInt64(entries[place].tag & 1 == 0 ? pageShift : pageShift + 9)
      let start = (entries[place].tag >> 1) << shift
      let end = start | ((1 << shift) - 1)
      if start <= last, end >= first { entries[place].generation = 0 }
    }
  }

  /// Has every CPU that remembers anything forget a range, or everything: hardware that broadcasts.
  package mutating func flushEverywhere(_ address: Address, pages: Int, everything: Bool) {
    for cpu in 0..<units.count where units[cpu].slot >= 0 {
      if everything {
        flushAll(on: cpu)
      } else {
        flushRange(address, pages: pages, on: cpu)
      }
    }
  }

  /// Whether `cpu` still remembers the page of `address`. For tests and dumps.
  package func remembers(_ address: Address, _ size: PageTable.LeafSize, on cpu: Int) -> Bool {
    guard let base = base(of: cpu) else { return false }
    let (number, tag) = name(address, size)
    let start = base + offset(.l2) + set(.l2, number)
    let first = firstLevel(size)
    let firstStart = base + offset(first) + set(first, number)
    let generation = units[cpu].generation
    func has(_ place: Int) -> Bool {
      entries[place].tag == tag && entries[place].generation == generation
    }
    return (start..<start + geometry.l2.ways).contains(where: has)
      || (firstStart..<firstStart + level(first).ways).contains(where: has)
  }

  private mutating func flushWalks(_ cpu: Int) {
    if units[cpu].walkGeneration == .max { wipe(cpu) }
    units[cpu].walkGeneration += 1
  }

  /// Starts generations again, when four thousand million flushes have used them up.
  private mutating func wipe(_ cpu: Int) {
    (units[cpu].generation, units[cpu].walkGeneration) = (1, 1)
    guard let base = base(of: cpu) else { return }
    for place in base..<base + entriesPerCPU { entries[place] = TLBs.blank }
  }

  // MARK: - Parts

  private static var blank: Entry { Entry(tag: .max, frame: .none, generation: 0) }

  private var entriesPerCPU: Int { offset(.walkCache) + geometry.walkCache.entries }

  private func base(of cpu: Int) -> Int? {
    let slot = units[cpu].slot
    return slot < 0 ? nil : Int(slot) * entriesPerCPU
  }

  private mutating func makeBase(of cpu: Int) -> Int {
    if let base = base(of: cpu) { return base }
    if (slotCount + 1) * entriesPerCPU > entries.count {
      entries.grow(to: max(1, slotCount * 2) * entriesPerCPU, TLBs.blank)
    }
    units[cpu].slot = Int32(slotCount)
    slotCount += 1
    return (slotCount - 1) * entriesPerCPU
  }

  private func name(
    _ address: Address, _ size: PageTable.LeafSize
  ) -> (number: UInt64, tag: UInt64) {
    let shift = UInt64(size == .page ? pageShift : pageShift + 9)
    let number = address.raw &>> shift
    return (number, number &<< 1 | (size == .page ? 0 : 1))
  }

  /// Where pages of `size` are looked up first.
  private func firstLevel(_ size: PageTable.LeafSize) -> Part {
    size == .huge && geometry.l1Huge != nil ? .l1Huge : .l1Small
  }

  private func level(_ part: Part) -> TLBGeometry.Level {
    switch part {
    case .l1Small: geometry.l1Small
    case .l1Huge: geometry.l1Huge ?? .none
    case .l2: geometry.l2
    case .walkCache: geometry.walkCache
    }
  }

  private func offset(_ part: Part) -> Int {
    switch part {
    case .l1Small: 0
    case .l1Huge: geometry.l1Small.entries
    case .l2: geometry.l1Small.entries + level(.l1Huge).entries
    case .walkCache: offset(.l2) + geometry.l2.entries
    }
  }

  /// Where the set of page `number` starts in its array.
  private func set(_ part: Part, _ number: UInt64) -> Int {
    let level = level(part)
    return Int(truncatingIfNeeded: number & UInt64(level.sets - 1)) * level.ways
  }

  /// Finds `tag` in its set and makes it the most recently used.
  private mutating func promote(
    _ part: Part, _ base: Int, _ number: UInt64, _ tag: UInt64, _ generation: UInt32
  ) -> PFN? {
    let start = base + offset(part) + set(part, number)
    var place = start
    let end = start + level(part).ways
    while place < end, entries[place].tag != tag || entries[place].generation != generation {
      place += 1
    }
    guard place < end else { return nil }
    let entry = entries[place]
    moveDown(from: start, to: place)
    entries[start] = entry
    return entry.frame
  }

  /// Puts an entry first in its set; a dead one makes room, or else the least recently used.
  private mutating func insert(_ part: Part, _ base: Int, _ number: UInt64, _ entry: Entry) {
    guard level(part).ways > 0 else { return }
    let start = base + offset(part) + set(part, number)
    let last = start + level(part).ways - 1
    var (place, dead) = (start, last)
    while place < last, entries[place].tag != entry.tag {
      if entries[place].generation != entry.generation { dead = min(dead, place) }
      place += 1
    }
    if entries[place].tag != entry.tag { place = dead }
    moveDown(from: start, to: place)
    entries[start] = entry
  }

  private mutating func moveDown(from start: Int, to end: Int) {
    var place = end
    while place > start {
      entries[place] = entries[place - 1]
      place -= 1
    }
  }

  /// Walks everything. Complexity: O(entries).
  package func checkInvariants() throws(BrokenInvariant) {
    for cpu in 0..<units.count {
      guard let base = base(of: cpu) else { continue }
      for part in [Part.l1Small, .l1Huge, .l2] {
        let level = level(part)
        for set in 0..<level.sets {
          let start = base + offset(part) + set * level.ways
          try check(start..<start + level.ways, set, of: level.sets, cpu)
        }
      }
    }
  }

  /// The ways of one set.
  private func check(
    _ places: Range<Int>, _ set: Int, of sets: Int, _ cpu: Int
  ) throws(BrokenInvariant) {
    let generation = units[cpu].generation
    for place in places where entries[place].generation == generation {
      let tag = entries[place].tag
      try ensure(
        Int(tag >> 1) & (sets - 1) == set, "TLB of CPU \(cpu): an entry in a foreign set")
      for other in place + 1..<places.upperBound where entries[other].generation == generation {
        try ensure(
          entries[other].tag != tag, "TLB of CPU \(cpu): one translation twice in a set")
      }
    }
  }
}
