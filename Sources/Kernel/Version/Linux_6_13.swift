extension KernelVersion {
  /// Linux 6.13, January 2025: vmalloc does not count nodes before it maps 2 MiB pages; arm64
  /// flushes ranges of kernel addresses by one instruction.
  package static let v6_13 = v6_12.successor("6.13") {
    $0.flush.usesRangeTLBI = true
    $0.vmalloc.hugeMappings = .bySize
  }
}
