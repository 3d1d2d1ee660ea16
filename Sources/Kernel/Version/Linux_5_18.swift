extension KernelVersion {
  /// Linux 5.18, May 2022: vmalloc may map 2 MiB pages where its caller allows it.
  package static let v5_18 = v5_17.successor("5.18") {
    $0.vmalloc.hugeMappings = .byNodeShare
    $0.vmalloc.purger = .workerUntilFew
  }
}
