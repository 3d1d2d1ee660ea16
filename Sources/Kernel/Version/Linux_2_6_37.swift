extension KernelVersion {
  /// Linux 2.6.37, January 2011: vfree clears the page table at once.
  package static let v2_6_37 = v2_6_36.successor("2.6.37") {
    $0.vmalloc.unmapsLate = false
  }
}
