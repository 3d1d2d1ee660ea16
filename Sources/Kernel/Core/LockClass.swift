/// What kind of lock a lock is: lockdep's class. Order and irq use are checked by class.
package enum LockClass: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case workload
  case alienLock, slobLock
  case listLock, barnLock, slabMutex, slubFlush, slabLock
  case zoneLock, pcpLock, pcpuDrainMutex
  case vmapPurgeSpin, vmapBlock, vmapBlockQueue
  case vmapBusy, vmapLazy, vmapPool, freeVmapArea, vmapPurge, pageTable
  case callLock, callFunction, callQueue
  case stopCPUs

  /// What kind of lock it is, but for the workload's, which says itself.
  var kind: LockKind {
    switch self {
    case .slabMutex, .slubFlush, .vmapPurge, .pcpuDrainMutex, .stopCPUs: .mutex
    // Bit spinlocks spin everywhere, and so does what interrupts are made of.
    case .slabLock, .callLock, .callFunction, .callQueue: .rawSpinlock
    default: .spinlock
    }
  }
}
