extension KernelVersion {
  /// Linux 5.3, September 2019: rwsems are handed over to who waits too long.
  package static let v5_3 = v5_2.successor("5.3") {
    $0.locks.rwsemHandsOff = true
  }
}
