extension KernelVersion {
  /// Linux 5.5, January 2020: free addresses have a lock of their own.
  package static let v5_5 = v5_4.successor("5.5") {
    $0.vmalloc.hasFreeLock = true
  }
}
