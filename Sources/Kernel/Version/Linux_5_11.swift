extension KernelVersion {
  /// Linux 5.11, February 2021: slabs are sized by the CPUs that are present, and areas
  /// that wait for a purge merge.
  package static let v5_11 = v5_10.successor("5.11") {
    $0.slab.cpusCounted = .present
    $0.vmalloc.lazyStore = .merged
  }
}
