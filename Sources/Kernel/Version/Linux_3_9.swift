extension KernelVersion {
  /// Linux 3.9, April 2013: calls of other CPUs have a list a target.
  package static let v3_9 = v3_6.successor("3.9") {
    $0.calls.queue = .locked
  }
}
