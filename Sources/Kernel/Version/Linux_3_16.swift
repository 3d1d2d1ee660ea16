extension KernelVersion {
  /// Linux 3.16, August 2014: queued rwlocks, spinning writers of rwsems.
  package static let v3_16 = v3_15.successor("3.16") {
    $0.locks.rwlock = .queued
    $0.locks.rwsemSpinning = .queued
  }
}
