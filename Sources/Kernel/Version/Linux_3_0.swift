extension KernelVersion {
  /// Linux 3.0, July 2011: kfree_rcu, an RCU callback for each object.
  package static let v3_0 = v2_6_39.successor("3.0") {
    $0.slab.kfreeRCU = .eachObject
  }
}
