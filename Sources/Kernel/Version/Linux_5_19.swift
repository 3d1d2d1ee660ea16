extension KernelVersion {
  /// Linux 5.19, July 2022: stacks that debug caches note lie in the stack depot.
  package static let v5_19 = v5_18.successor("5.19") {
    $0.slab.debugTrackBytes = 32
  }
}
