extension KernelVersion {
  /// Linux 5.2, July 2019: vmalloc looks for addresses in a tree of what is free.
  package static let v5_2 = v5_0.successor("5.2") {
    $0.vmalloc.resetsPermissions = true
    $0.vmalloc.store = .freeTree
    $0.vmalloc.areaBytes = 64
  }
}
