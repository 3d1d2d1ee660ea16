extension KernelVersion {
  /// Linux 2.6.28, December 2008: vmalloc's areas in a tree, flushed lazily.
  package static let v2_6_28 = v2_6_27.successor("2.6.28") {
    $0.calls.hasX2APIC = true
    $0.vmalloc.store = .walk
    $0.vmalloc.exhaustion = .useVmalloc
    $0.vmalloc.leavesGap = true
    $0.vmalloc.purger = .underSpinlock
    $0.vmalloc.unmapsLate = true
    $0.vmalloc.unlinksAtOnce = false
  }
}
