extension KernelVersion {
  /// Linux 5.4, November 2019, long-term: kmalloc of a power of two is aligned to its size.
  package static let v5_4 = v5_3.successor("5.4") {
    $0.calls.usesShorthand = true
    $0.slab.kmallocAlignment = .powerOfTwo
  }
}
