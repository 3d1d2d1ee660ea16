extension KernelVersion {
  /// Linux 2.6.32, December 2009, long-term.
  package static let v2_6_32 = v2_6_30.successor("2.6.32") {
    $0.slab.orderSearch = .fewerObjects
    $0.slab.minPartial = .logarithm
    $0.slab.slubCacheMax = 8192
  }
}
