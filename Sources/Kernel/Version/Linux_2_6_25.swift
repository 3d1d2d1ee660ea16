extension KernelVersion {
  /// Linux 2.6.25, April 2008: ticket spinlocks on x86.
  package static let v2_6_25 = v2_6_24.successor("2.6.25") {
    $0.locks.spinlock = .ticket
  }
}
