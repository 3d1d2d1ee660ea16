extension KernelVersion {
  /// Linux 3.14, March 2014: calls of other CPUs are queued without a lock.
  package static let v3_14 = v3_13.successor("3.14") {
    $0.calls.queue = .lockless
  }
}
