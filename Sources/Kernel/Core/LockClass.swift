/// What kind of lock a lock is: lockdep's class. Order and irq use are checked by class.
package enum LockClass: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case workload
  case alienLock, slobLock
  case listLock, barnLock, slabMutex, slubFlush, slabLock
  case zoneLock, pcpLock, pcpuDrainMutex
  case vmapPurgeSpin, vmapBlock, vmapBlockQueue
  case vmapBusy, vmapLazy, vmapPool, freeVmapArea, vmapPurge, pageTable
  case callLock, callFunction, callQueue

  /// Whether a waiter sleeps.
  package var isMutex: Bool {
    switch self {
    case .slabMutex, .slubFlush, .vmapPurge, .pcpuDrainMutex: true
    default: false
    }
  }
}
