import Hardware
import Simulation

/// Objects of `kfree_rcu()` on their way: pointers in blocks of a page, a list for those without a
/// place, both of a CPU.
///
/// A timer gives what has gathered to one of two batches; the batch waits for a grace period, then
/// a work item frees its objects. Blocks come from a few spare pages, which another work item
/// fetches.
///
/// Mechanism: lists and counts; it knows no grace period. Invariants:
/// 1. a pointer is in one block or list; `gathered` counts those that no batch has;
/// 2. a block holds at most `capacity` pointers, a CPU at most `sparesMax` spare ones;
/// 3. a batch that waits has at least one object.
///
/// Kernel: `struct kfree_rcu_cpu` (kernel/rcu/tree.c, 6.12). Not modelled: its lock, which no other
/// CPU takes; freeing at the timer what a grace period has passed for already (`gp_snap`, from 6.4);
/// the delay between two fetches of spare pages, the shrinker.
package struct KfreeRCU: ~Copyable {
  struct Block: BitwiseCopyable {
    var page = PFN.none
    var count: Int32 = 0
    var next = ID<Block>.none
  }
  struct Entry: BitwiseCopyable {
    var address = Address.null
    var next = ID<Entry>.none
  }
  /// The three channels: blocks of slab pointers, of vmalloc pointers, objects without a block.
  struct Lists: BitwiseCopyable {
    var slab = ID<Block>.none
    var vmalloc = ID<Block>.none
    var head = ID<Entry>.none
    var isEmpty: Bool { slab.isNone && vmalloc.isNone && head.isNone }
  }
  struct PerCPU: BitwiseCopyable {
    var gathering = Lists()
    var gathered: Int32 = 0
    var batches = InlineArray<2, Lists>(repeating: Lists())
    /// What the work item is at.
    var freeing = Lists()
    var spares = ID<Block>.none
    var spareCount: Int32 = 0
    var isFetching = false
    /// When the gathered objects become a batch. Kernel: `monitor_work`.
    var timer = Instant.never
  }
  enum Next: BitwiseCopyable { case pointer(Address), emptied(ID<Block>), nothing }

  /// Kernel: `rcu_min_cached_objs`. Unit: pages.
  static let sparesMax: Int32 = 5
  /// Kernel: `KFREE_N_BATCHES`.
  static let batchCount = 2

  let rules: SlabRules
  var blocks: Pool<Block>
  /// The pointers of each block, `capacity` of them.
  var pointers: Buffer<Address>
  var entries: Pool<Entry>
  var cpus: Buffer<PerCPU>

  init(cpuCount: Int, _ rules: SlabRules) {
    self.rules = rules
    blocks = Pool(capacity: 4, blank: Block())
    pointers = Buffer(0, .null)
    entries = Pool(capacity: 4, blank: Entry())
    cpus = Buffer(cpuCount, PerCPU())
  }
  private init(cloning other: borrowing KfreeRCU) {
    rules = other.rules
    blocks = other.blocks.clone()
    pointers = other.pointers.clone()
    entries = other.entries.clone()
    cpus = other.cpus.clone()
  }
  func clone() -> KfreeRCU { KfreeRCU(cloning: self) }

  var byteCount: Int { cpus.byteCount + blocks.byteCount + pointers.byteCount + entries.byteCount }

  /// Pointers of a block. Kernel: `KVFREE_BULK_MAX_ENTR`.
  var capacity: Int { Int(rules.kfreeRCUBlock) }

  // MARK: Gathering

  /// Records a pointer in a block. Returns: whether it had a place, or a spare block gave one.
  ///
  /// Kernel: `add_ptr_to_bulk_krc_lock()`.
  mutating func add(_ address: Address, isVmalloc: Bool, on cpu: CPUID) -> Bool {
    var block = isVmalloc ? cpus[cpu.index].gathering.vmalloc : cpus[cpu.index].gathering.slab
    if block.isNone || Int(blocks[block].count) == capacity {
      let spare = cpus[cpu.index].spares
      guard !spare.isNone else { return false }
      cpus[cpu.index].spares = blocks[spare].next
      cpus[cpu.index].spareCount -= 1
      blocks[spare].next = block
      block = spare
      if isVmalloc {
        cpus[cpu.index].gathering.vmalloc = block
      } else {
        cpus[cpu.index].gathering.slab = block
      }
    }
    pointers[block.index * capacity + Int(blocks[block].count)] = address
    blocks[block].count += 1
    cpus[cpu.index].gathered += 1
    return true
  }

  /// Records an object through its own `rcu_head`.
  mutating func addToHead(_ address: Address, on cpu: CPUID) {
    let next = cpus[cpu.index].gathering.head
    cpus[cpu.index].gathering.head = entries.take(Entry(address: address, next: next))
    cpus[cpu.index].gathered += 1
  }

  /// Keeps a page for a block to come. Returns: false where there are enough, unless `always`.
  ///
  /// Kernel: `put_cached_bnode()`.
  mutating func addSpare(_ page: PFN, on cpu: CPUID, always: Bool = false) -> Bool {
    guard always || cpus[cpu.index].spareCount < KfreeRCU.sparesMax else { return false }
    let block = blocks.take(Block(page: page, next: cpus[cpu.index].spares))
    let end = (block.index + 1) * capacity
    if pointers.count < end { pointers.grow(to: max(end, 2 * pointers.count), .null) }
    cpus[cpu.index].spares = block
    cpus[cpu.index].spareCount += 1
    return true
  }

  // MARK: The timer

  /// Sets the timer: soon where a block is full. Returns: when it is due, `nil` where one runs that
  /// is due sooner.
  ///
  /// Kernel: `schedule_delayed_monitor_work()`; up to 6.0 the delay is one for all.
  mutating func schedule(on cpu: CPUID, at now: Instant, jiffy: Duration) -> Instant? {
    let isSoon = rules.kfreeRCUDelay >= 1000 && Int(cpus[cpu.index].gathered) >= capacity
    let delay: Duration =
      isSoon ? jiffy : .nanoseconds(UInt64(rules.kfreeRCUDelay) * 1_000_000)
    let due = now + delay
    guard due < cpus[cpu.index].timer else { return nil }
    cpus[cpu.index].timer = due
    return due
  }

  func isTimerDue(of cpu: CPUID, at now: Instant) -> Bool { cpus[cpu.index].timer <= now }

  mutating func takeDueTimer(of cpu: CPUID, at now: Instant) -> Bool {
    guard isTimerDue(of: cpu, at: now) else { return false }
    cpus[cpu.index].timer = .never
    return true
  }

  /// Complexity: O(CPUs).
  var firstTimer: Instant {
    (0..<cpus.count).reduce(.never) { min($0, cpus[$1].timer) }
  }

  // MARK: Batches

  /// Gives all that was gathered to a batch that is free. Returns: which; `nil` where none is.
  ///
  /// Kernel: `kvfree_rcu_queue_batch()`.
  mutating func beginBatch(on cpu: CPUID) -> UInt8? {
    guard !cpus[cpu.index].gathering.isEmpty else { return nil }
    for batch in 0..<KfreeRCU.batchCount where cpus[cpu.index].batches[batch].isEmpty {
      cpus[cpu.index].batches[batch] = cpus[cpu.index].gathering
      cpus[cpu.index].gathering = Lists()
      cpus[cpu.index].gathered = 0
      return UInt8(batch)
    }
    return nil
  }

  /// The work item takes its batch, which is free again.
  mutating func beginFreeing(_ batch: UInt8, on cpu: CPUID) {
    cpus[cpu.index].freeing = cpus[cpu.index].batches[Int(batch)]
    cpus[cpu.index].batches[Int(batch)] = Lists()
  }

  /// What is to be freed next: the pointers of a block, then the block itself.
  mutating func nextToFree(on cpu: CPUID) -> Next {
    let lists = cpus[cpu.index].freeing
    let block = lists.slab.isNone ? lists.vmalloc : lists.slab
    guard block.isNone else {
      if blocks[block].count > 0 {
        blocks[block].count -= 1
        return .pointer(pointers[block.index * capacity + Int(blocks[block].count)])
      }
      if lists.slab.isNone {
        cpus[cpu.index].freeing.vmalloc = blocks[block].next
      } else {
        cpus[cpu.index].freeing.slab = blocks[block].next
      }
      return .emptied(block)
    }
    guard !lists.head.isNone else { return .nothing }
    let (address, next) = (entries[lists.head].address, entries[lists.head].next)
    entries.give(lists.head)
    cpus[cpu.index].freeing.head = next
    return .pointer(address)
  }

  /// An empty block becomes a spare, or its page is to be freed. Returns: the page.
  mutating func giveUp(_ block: ID<Block>, on cpu: CPUID) -> PFN? {
    let page = blocks[block].page
    blocks.give(block)
    return addSpare(page, on: cpu) ? nil : page
  }

  /// Walks all lists. Returns: the objects in them. Complexity: O(objects).
  @discardableResult
  func checkInvariants() throws(BrokenInvariant) -> Int {
    try blocks.checkInvariants("blocks of kfree_rcu")
    try entries.checkInvariants("objects of kfree_rcu")
    var (blockCount, entryCount, objects) = (0, 0, 0)
    func walk(_ lists: Lists) throws(BrokenInvariant) -> Int {
      var count = 0
      for first in [lists.slab, lists.vmalloc] {
        var block = first
        while !block.isNone {
          try ensure(Int(blocks[block].count) <= capacity, "kfree_rcu: a block is too full")
          count += Int(blocks[block].count)
          (block, blockCount) = (blocks[block].next, blockCount + 1)
        }
      }
      var entry = lists.head
      while !entry.isNone {
        (entry, entryCount, count) = (entries[entry].next, entryCount + 1, count + 1)
      }
      return count
    }
    for cpu in 0..<cpus.count {
      let gathered = try walk(cpus[cpu].gathering)
      try ensure(gathered == Int(cpus[cpu].gathered), "kfree_rcu: CPU \(cpu) has lost count")
      objects += gathered
      for batch in 0..<KfreeRCU.batchCount { objects += try walk(cpus[cpu].batches[batch]) }
      objects += try walk(cpus[cpu].freeing)
      let spares = try walk(Lists(slab: cpus[cpu].spares))
      try ensure(spares == 0, "kfree_rcu: a spare block has pointers")
    }
    try ensure(
      entryCount == entries.liveCount && blockCount <= blocks.liveCount,
      "kfree_rcu: a block or an object is in no list")
    return objects
  }
}
