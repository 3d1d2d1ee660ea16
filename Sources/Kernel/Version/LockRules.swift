import Hardware

/// How locks pass from CPU to CPU in a release.
package struct LockRules: BitwiseCopyable, Sendable, Equatable {
  package enum Spinlock: UInt8, BitwiseCopyable, Sendable {
    /// Whoever's atomic operation finds the word free has it: no order among those who wait.
    case testAndSet
    /// A number drawn from the word; who waits polls it. In the order of asking.
    case ticket
    /// A pending bit for the second, a queue of per-CPU nodes for all others. In the order of asking.
    case queued
  }
  package enum RWLock: UInt8, BitwiseCopyable, Sendable {
    /// A count: readers may pass a waiting writer for ever.
    case counter
    /// Who cannot have it at once queues on a spinlock of its own. Kernel: `queued_read_lock_slowpath()`.
    case queued
  }
  package enum Spinning: UInt8, BitwiseCopyable, Sendable {
    /// Who finds it taken sleeps.
    case none
    /// Who finds its owner running spins; so may many at a time.
    case owner
    /// Of those, one at a time polls the owner; the others queue behind him.
    case queued
  }

  /// Kernel: `__raw_spin_lock()` (include/asm-x86/spinlock_64.h, 2.6.24), `__ticket_spin_lock()`
  /// (arch/x86/include/asm/spinlock.h; 2.6.25, 4.1), `queued_spin_lock()`
  /// (include/asm-generic/qspinlock.h; 4.2).
  package var spinlock: Spinlock
  /// Kernel: `arch_spin_lock()` (arch/arm64/include/asm/spinlock.h; 4.18, 4.19).
  package var spinlockARM64: Spinlock
  /// Kernel: `arch_spin_lock()` (arch/arm/include/asm/spinlock.h; 3.5, 3.6).
  package var spinlockARM32: Spinlock
  /// x86 from 3.16; arm64 from 4.15 is taken to be the same.
  ///
  /// Kernel: `queued_read_lock()` (include/asm-generic/qrwlock.h; 3.16).
  package var rwlock: RWLock
  /// Kernel: `mutex_spin_on_owner()` (kernel/mutex.c; 2.6.29, 2.6.30), `osq_lock()`
  /// (kernel/locking/osq_lock.c; 3.15).
  package var mutexSpinning: Spinning
  /// A waiter that was woken and beaten asks for the next unlock to be his.
  ///
  /// Kernel: `MUTEX_FLAG_HANDOFF` (kernel/locking/mutex.c; 4.9, 4.10).
  package var mutexHandsOff: Bool
  /// Kernel: `rwsem_optimistic_spin()` (kernel/locking/rwsem-xadd.c; 3.15, 3.16).
  package var rwsemSpinning: Spinning
  /// The first that waits asks for the next release to be his after 4 ms.
  ///
  /// Kernel: `RWSEM_FLAG_HANDOFF` (kernel/locking/rwsem.c; 5.2, 5.3).
  package var rwsemHandsOff: Bool
  /// Kernel: `local_lock()` (include/linux/local_lock.h; 5.7, 5.8).
  package var hasLocalLock: Bool
  /// Kernel: `local_trylock()` (include/linux/local_lock.h; 6.14, 6.15).
  package var hasLocalTryLock: Bool

  /// The spinlock of an architecture.
  package func spinlock(on architecture: Architecture.Name) -> Spinlock {
    switch architecture {
    case .arm64: spinlockARM64
    case .arm32: spinlockARM32
    default: spinlock
    }
  }

  static let v2_6_24 = LockRules(
    spinlock: .testAndSet, spinlockARM64: .ticket, spinlockARM32: .testAndSet, rwlock: .counter,
    mutexSpinning: .none, mutexHandsOff: false, rwsemSpinning: .none, rwsemHandsOff: false,
    hasLocalLock: false, hasLocalTryLock: false)
}
