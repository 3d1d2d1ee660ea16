import Hardware
import Simulation

/// What is to be done when all who might still look have looked away.
///
/// To add one: a case, and what `RCUCore` does with it in `invoke`.
package enum RCUCallback: BitwiseCopyable, Equatable {
  case nothing
  /// Kernel: `kfree_call_rcu()` up to 5.7, and the objects without a place in a block after that.
  case kfree(Address)
  /// The pages of a slab of a SLAB_TYPESAFE_BY_RCU cache. Kernel: `rcu_free_slab()`.
  case freePages(PFN, Order)
  /// A batch of `kfree_rcu()` may be freed. Kernel: `rcu_work_rcufn()` (kernel/workqueue.c).
  case kfreeBatch(UInt8)
  /// A sheaf that `kfree_rcu()` filled. Kernel: `rcu_free_sheaf()`, `rcu_free_sheaf_nobarn()`.
  case freeSheaf(ID<Sheaf>, toBarn: Bool)
  /// Kernel: `wakeme_after_rcu()`.
  case wake(TaskID)
  /// Kernel: `rcu_barrier_callback()`.
  case barrier(ID<RCU.Barrier>)
}

/// Read-copy-update: a callback runs when every CPU has passed a quiescent state since it was
/// queued.
///
/// A CPU is quiescent when it switches tasks, idles, or when a tick finds it in user mode, or, in a
/// kernel that may be preempted, where preemption is on. Callbacks run in the RCU softirq of the CPU that queued them, `batchLimit` at
/// a time.
///
/// Mechanism: lists and bits; it knows no lock and raises no interrupt. Invariants:
/// 1. a callback is in one list of one CPU, and `pending` counts them all;
/// 2. a grace period is under way as long as some CPU's bit is set, and ends with the last;
/// 3. a callback is ready only if a whole grace period lies behind its queueing.
///
/// Kernel: kernel/rcu/tree.c (6.12), with CONFIG_PREEMPT_RCU. Not modelled: the tree above its
/// leaves, the kthread of grace periods, expedited ones, callback offloading, boosting.
package struct RCU: ~Copyable {
  struct Entry: BitwiseCopyable {
    var callback = RCUCallback.nothing
    var next = ID<Entry>.none
  }
  /// A task that waits for callbacks, and how many of its own have not run. Kernel: `rcu_barrier()`.
  package struct Barrier: BitwiseCopyable {
    var task = TaskID.none
    var left: Int32 = 0
  }
  struct List: BitwiseCopyable {
    var first = ID<Entry>.none
    var last = ID<Entry>.none
    var count: Int32 = 0
    var isEmpty: Bool { count == 0 }
  }
  struct PerCPU: BitwiseCopyable {
    /// Not yet given a grace period. Kernel: `RCU_NEXT_TAIL`.
    var next = List()
    /// Ready when the grace period `waitsFor` is over. Kernel: `RCU_WAIT_TAIL`.
    var waiting = List()
    var waitsFor: UInt64 = 0
    /// Kernel: `RCU_DONE_TAIL`.
    var done = List()
    /// The grace period that this CPU has noticed. Kernel: `rcu_data.gp_seq`.
    var seen: UInt64 = 0
    /// A quiescent state since it noticed. Kernel: `rcu_data.cpu_no_qs`, the other way round.
    var passed = false
    /// It idled since the grace period began. Kernel: `rcu_implicit_dynticks_qs()`.
    var idled = false
    var isNeeded = false

    var hasCallbacks: Bool { !next.isEmpty || !waiting.isEmpty || !done.isEmpty }
  }

  /// Callbacks of one run of the softirq. Kernel: `blimit`.
  static let batchLimit: Int32 = 10
  /// CPUs that report to one leaf. Kernel: `RCU_FANOUT_LEAF`.
  static let leafSize = 16

  var entries: Pool<Entry>
  var barriers: Pool<Barrier>
  var cpus: Buffer<PerCPU>
  /// The lines of the leaves' locks. Kernel: `struct rcu_node`.
  var leaves: Buffer<LineID>
  /// Grace periods that are over.
  package private(set) var completed: UInt64
  package private(set) var isInProgress: Bool
  private(set) var startedAt: Instant
  private var neededCount: Int
  /// The last grace period that someone waits for.
  private var wanted: UInt64
  /// Callbacks in all lists.
  package private(set) var pending: Int
  /// The grace period under way was said to stall.
  private var saidStall: Bool
  /// Callbacks that ran. Kernel: `rcu_data.n_cbs_invoked`.
  package internal(set) var invoked: UInt64

  init(cpuCount: Int) {
    entries = Pool(capacity: 4, blank: Entry())
    barriers = Pool(capacity: 1, blank: Barrier())
    cpus = Buffer(cpuCount, PerCPU())
    leaves = Buffer((cpuCount + RCU.leafSize - 1) / RCU.leafSize, .none)
    (completed, isInProgress, startedAt) = (0, false, .zero)
    (neededCount, wanted, pending, invoked) = (0, 0, 0, 0)
    saidStall = false
  }

  private init(cloning other: borrowing RCU) {
    entries = other.entries.clone()
    barriers = other.barriers.clone()
    cpus = other.cpus.clone()
    leaves = other.leaves.clone()
    (completed, isInProgress, startedAt) = (other.completed, other.isInProgress, other.startedAt)
    (neededCount, wanted, pending) = (other.neededCount, other.wanted, other.pending)
    (saidStall, invoked) = (other.saidStall, other.invoked)
  }
  func clone() -> RCU { RCU(cloning: self) }

  /// Unit: bytes of the host.
  var byteCount: Int { entries.byteCount + cpus.byteCount + leaves.byteCount }

  /// Whether ticks are wanted.
  var isActive: Bool { pending > 0 || isInProgress }

  /// Queues a callback on a CPU. Kernel: `rcu_segcblist_enqueue()`.
  mutating func enqueue(_ callback: RCUCallback, on cpu: CPUID) {
    let entry = entries.take(Entry(callback: callback))
    let last = cpus[cpu.index].next.last
    if last.isNone { cpus[cpu.index].next.first = entry } else { entries[last].next = entry }
    cpus[cpu.index].next.last = entry
    cpus[cpu.index].next.count += 1
    pending += 1
  }

  /// Moves what is ready, and gives what is new a grace period. Kernel: `rcu_advance_cbs()`,
  /// `rcu_accelerate_cbs()`; `rcu_seq_snap()`: one that is under way began too early.
  mutating func advance(_ cpu: CPUID) {
    if !cpus[cpu.index].waiting.isEmpty, cpus[cpu.index].waitsFor <= completed {
      let (list, last) = (cpus[cpu.index].waiting, cpus[cpu.index].done.last)
      if last.isNone {
        cpus[cpu.index].done = list
      } else {
        entries[last].next = list.first
        cpus[cpu.index].done.last = list.last
        cpus[cpu.index].done.count += list.count
      }
      cpus[cpu.index].waiting = List()
    }
    guard cpus[cpu.index].waiting.isEmpty, !cpus[cpu.index].next.isEmpty else { return }
    cpus[cpu.index].waiting = cpus[cpu.index].next
    cpus[cpu.index].next = List()
    cpus[cpu.index].waitsFor = completed + (isInProgress ? 2 : 1)
    wanted = max(wanted, cpus[cpu.index].waitsFor)
  }

  /// Begins a grace period if one is wanted and none is under way. Complexity: O(CPUs).
  mutating func beginIfWanted(at now: Instant) {
    guard !isInProgress, wanted > completed else { return }
    (isInProgress, startedAt, neededCount) = (true, now, cpus.count)
    saidStall = false
    for cpu in 0..<cpus.count { (cpus[cpu].isNeeded, cpus[cpu].idled) = (true, false) }
  }

  /// A CPU takes part in the grace period once it has noticed it. Kernel: `__note_gp_changes()`.
  ///
  /// Returns: whether it has passed a quiescent state in this one and has not said so.
  mutating func mayReport(_ cpu: CPUID) -> Bool {
    guard isInProgress, cpus[cpu.index].isNeeded else { return false }
    guard cpus[cpu.index].seen == completed + 1 else {
      (cpus[cpu.index].seen, cpus[cpu.index].passed) = (completed + 1, false)
      return false
    }
    return cpus[cpu.index].passed
  }

  /// A CPU's bit is cleared; the last one ends the grace period. Kernel: `rcu_report_qs_rnp()`.
  mutating func report(_ cpu: CPUID, at now: Instant) {
    guard isInProgress, cpus[cpu.index].isNeeded else { return }
    cpus[cpu.index].isNeeded = false
    neededCount -= 1
    guard neededCount == 0 else { return }
    (isInProgress, completed) = (false, completed + 1)
    beginIfWanted(at: now)
  }

  /// The CPU switches tasks. Kernel: `rcu_note_context_switch()`.
  @inline(__always) mutating func noteSwitch(_ cpu: CPUID) {
    if isInProgress { cpus[cpu.index].passed = true }
  }
  /// The CPU has nothing to do.
  @inline(__always) mutating func noteIdle(_ cpu: CPUID) {
    if isInProgress { cpus[cpu.index].idled = true }
  }

  /// Takes the first callback that is ready.
  mutating func takeDone(_ cpu: CPUID) -> RCUCallback? {
    let first = cpus[cpu.index].done.first
    guard !first.isNone else { return nil }
    let (callback, next) = (entries[first].callback, entries[first].next)
    entries.give(first)
    cpus[cpu.index].done.first = next
    if next.isNone { cpus[cpu.index].done.last = .none }
    cpus[cpu.index].done.count -= 1
    pending -= 1
    invoked &+= 1
    return callback
  }

  /// Whether a tick of a CPU has work for the softirq. Kernel: `rcu_pending()`.
  func isPending(_ cpu: CPUID) -> Bool {
    let mine = cpus[cpu.index]
    if isInProgress, mine.isNeeded, mine.seen != completed + 1 || mine.passed { return true }
    if !mine.done.isEmpty || !mine.next.isEmpty && mine.waiting.isEmpty { return true }
    return !mine.waiting.isEmpty && mine.waitsFor <= completed
  }

  /// When idle CPUs are looked for: a tick or a few after the beginning, later on large machines.
  ///
  /// Kernel: `rcu_gp_fqs_loop()`, `RCU_JIFFIES_TILL_FORCE_QS` + CPUs / `RCU_JIFFIES_FQS_DIV`.
  func isScanDue(at now: Instant, _ ticks: borrowing Ticks) -> Bool {
    let jiffies = 1 + (ticks.hz > 250 ? 1 : 0) + (ticks.hz > 500 ? 1 : 0) + cpus.count / 256
    return isInProgress && now >= startedAt + ticks.jiffy * Int32(jiffies)
  }

  /// Returns: a CPU that a grace period has been waiting for too long, told once a grace period.
  mutating func takeStalled(at now: Instant) -> CPUID? {
    guard isInProgress, !saidStall, now - startedAt >= Ticks.rcuStall else { return nil }
    saidStall = true
    return (0..<cpus.count).first { cpus[$0].isNeeded }.map { CPUID($0) }
  }

  /// Walks all lists. Complexity: O(callbacks + CPUs).
  func checkInvariants() throws(BrokenInvariant) {
    try entries.checkInvariants("RCU callbacks")
    try barriers.checkInvariants("barriers of RCU")
    var (all, needed) = (0, 0)
    for cpu in 0..<cpus.count {
      if cpus[cpu].isNeeded { needed += 1 }
      for list in [cpus[cpu].next, cpus[cpu].waiting, cpus[cpu].done] {
        var (entry, last, count) = (list.first, ID<Entry>.none, Int32(0))
        while !entry.isNone, count <= list.count {
          (last, entry, count) = (entry, entries[entry].next, count + 1)
        }
        try ensure(
          count == list.count && last == list.last,
          "RCU: a list of CPU \(cpu) has \(count) callbacks, and counts \(list.count)")
        all += Int(count)
      }
    }
    try ensure(
      all == pending && all == entries.liveCount, "RCU: \(pending) callbacks counted, \(all) there")
    try ensure(
      needed == neededCount && isInProgress == (needed > 0),
      "RCU: \(needed) CPUs needed, \(neededCount) counted")
  }
}
