import Hardware
import Simulation

package typealias LockID = ID<Lock>

/// What a lock is to who takes it: how he waits, and whether others may have it with him.
package enum LockKind: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case spinlock, rawSpinlock
  case rwlock
  case mutex, rwsem
  case localLock

  /// One has it, and the others spin: what the allocators take most.
  @inline(__always) var spinsAlone: Bool { rawValue <= LockKind.rawSpinlock.rawValue }

  /// Who waits may sleep, so only a task may wait.
  var maySleep: Bool { self == .mutex || self == .rwsem }

  /// What it is with CONFIG_PREEMPT_RT: spinlocks and rwlocks become locks that their waiters sleep for.
  /// Kernel: include/linux/spinlock_rt.h, rwlock_rt.h (6.12).
  var onRT: LockKind {
    switch self {
    case .spinlock: .mutex
    case .rwlock: .rwsem
    default: self
    }
  }

  /// As scenarios and results say it.
  package var text: String {
    switch self {
    case .spinlock: "spinlock"
    case .rawSpinlock: "raw_spinlock"
    case .rwlock: "rwlock"
    case .mutex: "mutex"
    case .rwsem: "rwsem"
    case .localLock: "local_lock"
    }
  }
}

/// One lock of any kind: who has it, who waits for it, and how often and how long.
package struct Lock: BitwiseCopyable {
  package let name: Int32
  package let lockClass: LockClass
  package let kind: LockKind
  /// Lockdep's class: that of `lockClass`, but one of its own for a lock of the workload.
  let order: UInt8
  /// A queued spinlock's first waiter spins on the word itself, with no node.
  var hasPending = false
  /// Who has it got it from another's hands, and may still be on his way to it.
  var wasHanded = false
  /// The next to give it up must give it to the first who waits.
  var handsOff = false
  let line: LineID
  /// The context that has it; for one that sleepers wait for, that of its task.
  package internal(set) var holder = ContextID.none
  /// Those that spin for it, in the order of asking.
  var first = ContextID.none
  var last = ContextID.none
  /// Tasks that sleep until they have it.
  var firstTask = TaskID.none
  var lastTask = TaskID.none
  var holderTask = TaskID.none
  /// Readers that have it, or nested holds of a CPU's local lock.
  var sharers: Int32 = 0
  /// Those that spin and sleep for it.
  var depth: Int32 = 0
  var acquiredAt = Instant.zero
  /// From when on the head of a queued spinlock's queue polls the word.
  var headPollsFrom = Instant.zero
  package internal(set) var acquisitions: UInt64 = 0
  package internal(set) var contended: UInt64 = 0
  package internal(set) var waitTotal = Duration.zero
  package internal(set) var waitMax = Duration.zero
  package internal(set) var holdTotal = Duration.zero
  package internal(set) var holdMax = Duration.zero
  /// Hand-overs to a CPU of another node.
  package internal(set) var crossNode: UInt32 = 0
  package internal(set) var depthMax: Int32 = 0
}
