extension KernelVersion {
  /// Linux 6.19, February 2026: vmalloc asks for large blocks first; tables are freed by a worker.
  package static let v6_19 = v6_18.successor("6.19") {
    $0.vmalloc.triesLargeOrders = true
    $0.vmalloc.freesTablesLater = true
    $0.vmalloc.servesAtomicTasks = true
    $0.vmalloc.maskCheck = .listed
  }
}
