extension KernelVersion {
  /// Linux 7.1, 2026: sheaves are refilled where the caller may not block too.
  package static let v7_1 = v7_0.successor("7.1") {
    $0.slab.sheafRefillMayNotBlock = true
    $0.vmalloc.kvmalloc = .any
    $0.vmalloc.maskCheck = .listedWithRetryMayFail
  }
}
