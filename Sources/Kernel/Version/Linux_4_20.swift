extension KernelVersion {
  /// Linux 4.20, December 2018: kmalloc-rcl.
  package static let v4_20 = v4_19.successor("4.20") {
    $0.slab.kmallocNames = .kibibytes
    $0.slab.hasReclaimCaches = true
  }
}
