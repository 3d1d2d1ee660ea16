extension KernelVersion {
  /// Linux 3.10, June 2013: a run of softirqs has 2 ms.
  package static let v3_10 = v3_9.successor("3.10") {
    $0.flush.mendsErratum798181 = true
    $0.slab.slobLineAlignment = .halvedForSmall
    $0.slab.kmallocNames = .bytes
    $0.slab.minPartial = .halfLogarithm
    $0.vmalloc.leavesGap = false
    $0.vmalloc.defersInInterrupt = true
    $0.scheduler.softirqsHaveTime = true
  }
}
