extension KernelVersion {
  /// Linux 4.10, February 2017: a mutex for purges, which sees lazy areas only.
  package static let v4_10 = v4_9.successor("4.10") {
    $0.locks.mutexHandsOff = true
    $0.vmalloc.purger = .underMutex
    $0.vmalloc.areaBytes = 96
    $0.vmalloc.hasVfreeAtomic = true
  }
}
