extension KernelVersion {
  /// Linux 6.18, November 2025, long-term: sheaves for caches that ask for them.
  package static let v6_18 = v6_16.successor("6.18") {
    $0.slab.sheaves = .onRequest
    $0.vmalloc.quarterOfFewIsAll = false
  }
}
