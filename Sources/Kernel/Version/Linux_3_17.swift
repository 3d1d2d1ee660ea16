extension KernelVersion {
  /// Linux 3.17, October 2014: a node with min_partial slabs keeps no empty one more.
  package static let v3_17 = v3_16.successor("3.17") {
    $0.slab.emptySlabs = .atMinimum
    $0.scheduler.watchdogName = .nmi
  }
}
