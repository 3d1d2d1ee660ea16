extension KernelVersion {
  /// Linux 5.16, January 2022: partial slabs of CPUs are counted as slabs.
  package static let v5_16 = v5_15.successor("5.16") {
    $0.slab.cpuPartialUnit = .slabs
  }
}
