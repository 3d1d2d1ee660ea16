extension KernelVersion {
  /// Linux 4.2, August 2015: queued spinlocks on x86.
  package static let v4_2 = v4_1.successor("4.2") {
    $0.locks.spinlock = .queued
  }
}
