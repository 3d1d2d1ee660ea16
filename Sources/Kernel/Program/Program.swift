import Hardware
import Simulation

/// A workload as data: what threads and interrupt handlers do, step by step. Built by `Scenario`
/// for one machine; nothing in it is looked up by name while it runs.
///
/// Code is one flat array of `Op`s; an index into it is a *place*. Objects live in *slots*: each
/// thread and each handler has its own, numbered from 0, and pools are runs of them.
package struct Program: Sendable {
  package struct Thread: Sendable {
    package var name: String
    package var cpu: Int
    /// Its group: the scenario's one entry under `threads`, spread over CPUs.
    package var group: Int
    /// Its number within the group.
    package var index: Int
    package var entry: Int
    package var slotCount: Int
    package var start: Instant

    package init(
      name: String, cpu: Int, group: Int, index: Int, entry: Int, slotCount: Int,
      start: Instant = .zero
    ) {
      (self.name, self.cpu, self.group, self.index) = (name, cpu, group, index)
      (self.entry, self.slotCount, self.start) = (entry, slotCount, start)
    }
  }

  /// The threads of one entry: `count` of them from `first`.
  package struct Group: Sendable {
    package var name: String
    package var first: Int
    package var count: Int
    package init(name: String, first: Int, count: Int) {
      (self.name, self.first, self.count) = (name, first, count)
    }
  }

  /// A device: when it interrupts, whom, and what its handlers do.
  package struct Source: Sendable {
    package var name: String
    /// Interrupts go to these CPUs in turn.
    package var cpus: [Int]
    /// Time between arrivals: an index into `distributions`.
    package var interval: Int
    /// Work units each arrival brings. A burst is an arrival of many.
    package var unitsPerArrival: Int
    package var hardirqEntry: Int
    /// The softirq that `raise` in its hardirq starts, and what it does for each unit.
    package var softirq: SoftIRQ?
    package var softirqEntry: Int
    /// Units one run of the softirq handles before it raises itself again. NAPI's weight is 64.
    package var budget: Int
    package var slotCount: Int
    /// Its interrupt cannot be masked: `hardirqEntry` runs in NMI context.
    package var isNMI = false

    package init(
      name: String, cpus: [Int], interval: Int, unitsPerArrival: Int, hardirqEntry: Int,
      softirq: SoftIRQ?, softirqEntry: Int, budget: Int, slotCount: Int
    ) {
      (self.name, self.cpus, self.interval) = (name, cpus, interval)
      (self.unitsPerArrival, self.hardirqEntry) = (unitsPerArrival, hardirqEntry)
      (self.softirq, self.softirqEntry) = (softirq, softirqEntry)
      (self.budget, self.slotCount) = (budget, slotCount)
    }
  }

  /// What is put off: a work item, a timer, or a tasklet, and its handler.
  package struct Deferred: Sendable {
    package enum Kind: UInt8, BitwiseCopyable, Sendable { case work, timer, tasklet, hiTasklet }
    package var name: String
    package var kind: Kind
    package var entry = 0
    package var slotCount = 0
    package init(name: String, kind: Kind) { (self.name, self.kind) = (name, kind) }
  }

  package var title = ""
  package var deferred: [Deferred] = []
  package var code: [Op] = []
  package var threads: [Thread] = []
  package var groups: [Group] = []
  package var sources: [Source] = []
  package var distributions: [Distribution] = []
  package var allocations: [Allocation] = []
  package var bulks: [Bulk] = []
  package var bulkSlots: [SlotRef] = []
  package var picks: [Pick] = []
  package var choices: [Choice] = []
  package var handOvers: [HandOver] = []
  package var caches: [Cache] = []
  /// Sets of buckets that the workload has, by name.
  package var buckets: [String] = []
  /// Locks of the workload's own, by name, and what kind each is.
  package var locks: [String] = []
  package var lockKinds: [LockKind] = []
  /// What latencies are reported of: `kmalloc(256)`. An op's `operation` is a place in it.
  package var operations: [String] = []
  /// Places that allocate, for what goes by call site: `churn:12`, thread and line, or the name
  /// that the step has.
  package var sites: [String] = []
  /// A step names its site: then objects are followed by call site.
  package var followsSites = false
  /// Counters of the workload's own: `drops.eth0-rx`.
  package var counters: [String] = []
  package init() {}
}

/// A slot by its number in its thread or handler, or the one that `pick` chose last.
package struct SlotRef: BitwiseCopyable, Equatable, Sendable {
  let raw: Int16
  package init(_ index: Int) { raw = Int16(index) }
  package static var picked: SlotRef { SlotRef(-1) }
  /// Others may fill or empty a picked slot: it is of a pool that all threads of a group choose from.
  @inline(__always) var isShared: Bool { raw < 0 }
}

/// A random or fixed quantity: picoseconds or bytes, as its user says.
package enum Distribution: BitwiseCopyable, Hashable, Sendable {
  case constant(UInt64)
  /// Any whole number in the range, both ends included.
  case uniform(from: UInt64, through: UInt64)
  case exponential(mean: UInt64)
}

/// One step of a workload. At most 16 bytes; what is larger is in a table of `Program`.
package enum Op: BitwiseCopyable, Sendable {
  /// Computes. The distribution is of picoseconds.
  case work(distribution: Int32)
  /// In user mode, where the task may be preempted whatever the kernel's model.
  case userWork(distribution: Int32)
  case sleep(distribution: Int32)
  case allocate(Int32, into: SlotRef)
  /// Frees what a slot holds; an empty slot is `kfree(NULL)`.
  case free(FreeAPI, SlotRef, operation: Int16)
  /// Frees a pointer into the object, which stays in its slot: the mistake of a careless driver.
  case freeAt(FreeAPI, SlotRef, offset: UInt32, operation: Int16)
  /// Reads and writes the object, one access each `stride` bytes; `atRandom`: one line of it.
  case touch(SlotRef, stride: Int32, operation: Int16)
  /// Asks where the object's byte at `offset` is in memory.
  case translate(TranslateAPI, SlotRef, offset: UInt32, operation: Int16)
  /// `krealloc()` of the object in a slot, which stays there if it fails.
  case reallocate(Int32, SlotRef)
  case ksize(SlotRef, operation: Int16)
  /// `kmem_cache_refill_sheaf()` of the sheaf in a slot, which another may replace.
  case refillSheaf(Int32, SlotRef)
  case allocateBulk(Int32)
  case freeBulk(Int32)
  /// Forgets what a slot holds without freeing it: a leak.
  case forget(SlotRef)
  /// Chooses a slot of a pool at random; `SlotRef.picked` then means it.
  case pick(Int32)
  /// Chooses the slot after the one chosen last, where that is of the pool, or its first: in turn.
  case pickNext(SlotRef, count: Int32)
  /// Goes on if the slot holds an object, at `otherwise` if it is empty or being filled.
  case whenFull(SlotRef, otherwise: Int32)
  /// Goes on if the slot is empty, at `otherwise` if it holds an object or is being filled.
  case whenEmpty(SlotRef, otherwise: Int32)
  /// Goes on if the slot holds a vmalloc address, at `otherwise` if not. Kernel: `is_vmalloc_addr()`.
  case whenVmalloc(SlotRef, otherwise: Int32)
  /// Goes on if the context is as asked, at `otherwise` if not.
  case whenContext(ContextPredicate, otherwise: Int32)
  case jump(Int32)
  /// Goes to one of several places, by weight.
  case choose(Int32)
  /// `repeat`: sets the counter at a nesting depth, and goes back while it is not used up.
  case repeatBegin(depth: Int16, count: Int32)
  case repeatEnd(depth: Int16, begin: Int32)
  case lock(Int32, irqs: IRQs)
  case unlock(Int32, irqs: IRQs)
  /// With other readers.
  case lockShared(Int32, irqs: IRQs)
  case unlockShared(Int32, irqs: IRQs)
  /// Goes on at `otherwise` if it is taken.
  case tryLock(Int32, irqs: IRQs, otherwise: Int32)
  case disable(Mask)
  case enable(Mask)
  case raise(SoftIRQ)
  case condResched
  case handOver(Int32)
  /// Waits for a hand-over and puts its objects into the slots from `into` on.
  case receive(into: SlotRef)
  case count(Int32)
  case cacheCreate(Int32, operation: Int16)
  case cacheShrink(Int32, operation: Int16)
  case cacheDestroy(Int32, operation: Int16)
  case vmUnmapAliases(operation: Int16)
  case drainAllPages(operation: Int16)
  case synchronizeRCU(operation: Int16)
  /// Of `Program.deferred`; a CPU below zero is the own one.
  case scheduleWork(Int16, cpu: Int16, operation: Int16)
  /// Starts the timer of a delayed work item, unless it is pending.
  case scheduleDelayed(Int16, distribution: Int32)
  case flushWork(Int16, operation: Int16)
  case taskletSchedule(Int16)
  case modTimer(Int16, distribution: Int32)
  case stopMachine(Int16, operation: Int16)
  /// A thread is done; a handler has handled its unit.
  case end
}

/// An op with the place that comes after it, so that no turn of a loop spends time on a `jump`.
struct Instruction: BitwiseCopyable {
  var op: Op
  var next: Int32

  /// The code, each op with the next place that is no `jump`.
  static func all(of code: [Op]) -> [Instruction] {
    code.indices.map { here in
      var next = here + 1
      // A loop of jumps alone stays one: a turn of it takes no time, which `check` refuses.
      for _ in code.indices {
        guard next < code.count, case .jump(let target) = code[next] else { break }
        next = Int(target)
      }
      return Instruction(op: code[here], next: Int32(next))
    }
  }
}

/// Which function frees.
package enum FreeAPI: UInt8, BitwiseCopyable, Sendable {
  case kfree, kfreeSensitive, kfreeRCU, kfreeRCUMightSleep, kmemCacheFree, freePages, vfree, kvfree
  case returnSheaf, vunmap, vmUnmapRAM, vfreeAtomic
}

/// Which function says where an object is.
package enum TranslateAPI: UInt8, BitwiseCopyable, Sendable {
  case vmallocToPage, virtToPhys, virtToPage
}

/// One allocating call, as written in a scenario.
package struct Allocation: BitwiseCopyable, Sendable {
  package enum API: UInt8, BitwiseCopyable, Sendable {
    case kmalloc, krealloc, kmemCacheAlloc, allocPages, vmalloc, kvmalloc, kvrealloc, vrealloc
    /// Mappings of the block of pages in the slot `size`.
    case vmap, vmMapRAM
    /// A prefilled sheaf of `size` objects; an object of the one in the slot `size`.
    case prefillSheaf, allocFromSheaf
  }
  /// Where the memory is asked for.
  package enum Place: BitwiseCopyable, Equatable, Sendable {
    case any
    case node(NodeID)
    /// The node of the CPU that asks.
    case here
    /// A node drawn at random among those that are not the CPU's own.
    case elsewhere
  }
  package var api: API
  /// Bytes, a distribution; for `allocPages` the order, for sheaves see there.
  package var size: Int32
  /// For `kcalloc` and its like: elements of `size` each. 1 for the others.
  package var count: UInt64
  package var gfp: GFPFlags
  package var place: Place
  /// For `kmemCacheAlloc`: the workload's cache.
  package var cache: Int32
  /// For `vmalloc`: what it may do, and where it begins (log 2 of bytes).
  package var vmFlags: VmallocFlags
  package var alignShift: UInt8
  /// Where to go on when it fails; -1: the next op.
  package var onFailure: Int32
  package var operation: Int16
  /// The place of the call, in `Program.sites`.
  package var site: Int16

  package init(
    api: API, size: Int32, count: UInt64 = 1, gfp: GFPFlags = .kernel, place: Place = .any,
    cache: Int32 = -1, vmFlags: VmallocFlags = [], alignShift: UInt8 = 12,
    onFailure: Int32 = -1, operation: Int16, site: Int16 = 0
  ) {
    (self.api, self.size, self.count, self.gfp) = (api, size, count, gfp)
    (self.place, self.cache, self.onFailure) = (place, cache, onFailure)
    (self.operation, self.site) = (operation, site)
    (self.vmFlags, self.alignShift) = (vmFlags, alignShift)
  }

  /// A kmalloc of one object from anywhere, as most are.
  @inline(__always) var isPlain: Bool { api == .kmalloc && count == 1 && place == .any }
}

/// A call for, or with, the objects of several slots: `count` of `Program.bulkSlots` from `first`.
package struct Bulk: BitwiseCopyable, Sendable {
  package var first: Int32
  package var count: Int32
  /// The workload's cache; -1 for `kfree_bulk`.
  package var cache: Int32
  package var gfp: GFPFlags
  package var onFailure: Int32 = -1
  package var operation: Int16
  package var site: Int16

  package init(
    first: Int, count: Int, cache: Int?, gfp: GFPFlags, operation: Int16, site: Int16
  ) {
    (self.first, self.count, self.cache) = (Int32(first), Int32(count), Int32(cache ?? -1))
    (self.gfp, self.operation, self.site) = (gfp, operation, site)
  }
}
