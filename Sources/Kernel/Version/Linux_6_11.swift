extension KernelVersion {
  /// Linux 6.11, September 2024: kmalloc classes are aligned by their divisor, nodes are tried
  /// first, buckets for users that ask for them.
  package static let v6_11 = v6_9.successor("6.11") {
    $0.slab.kmallocAlignment = .largestDivisor
    $0.vmalloc.exhaustion = .rangeRestricted
    $0.slab.hasBuckets = true
    $0.slab.triesNodeFirst = true
    $0.slab.nodeRequestSearchesOthers = true
    $0.vmalloc.blockBytes = 104
  }
}
