extension KernelVersion {
  /// Linux 3.6, September 2012: ticket spinlocks on arm32.
  package static let v3_6 = v3_2.successor("3.6") {
    $0.locks.spinlockARM32 = .ticket
  }
}
