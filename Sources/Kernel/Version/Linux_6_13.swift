extension KernelVersion {
  /// Linux 6.13, January 2025: vmalloc does not count nodes before it maps 2 MiB pages.
  package static let v6_13 = v6_12.successor("6.13") {
    $0.vmalloc.hugeMappings = .bySize
  }
}
