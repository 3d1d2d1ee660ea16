extension KernelVersion {
  /// Linux 6.14, March 2025: kvmalloc does not reclaim for its try of kmalloc.
  package static let v6_14 = v6_13.successor("6.14") {
    $0.vmalloc.kvmalloc = .blockingNoReclaim
  }
}
