extension KernelVersion {
  /// Linux 5.17, March 2022: kvmalloc for every mask that may block.
  package static let v5_17 = v5_16.successor("5.17") {
    $0.vmalloc.kvmalloc = .blockingNoRetry
    $0.vmalloc.bulkUse = .all
    $0.vmalloc.honoursMask = true
  }
}
