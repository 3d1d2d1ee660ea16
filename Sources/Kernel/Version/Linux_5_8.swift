extension KernelVersion {
  /// Linux 5.8, August 2020: kfree_rcu in batches.
  package static let v5_8 = v5_5.successor("5.8") {
    $0.calls.sparesPolling = true
    $0.locks.hasLocalLock = true
    $0.slab.kfreeRCU = .batched
  }
}
