extension KernelVersion {
  /// Linux 4.19, October 2018, long-term: no slab rule differs from 4.9.
  package static let v4_19 = v4_13.successor("4.19") {
    $0.calls.hasHypercall = true
    $0.scheduler.leftToKsoftirqd = .notHiAndTasklet
    $0.scheduler.rcuSaysItsName = true
    $0.locks.spinlockARM64 = .queued
  }
}
