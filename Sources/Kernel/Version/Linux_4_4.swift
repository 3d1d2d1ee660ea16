extension KernelVersion {
  /// Linux 4.4, January 2016, long-term: SLUB's bulk frees gather the objects of one slab.
  package static let v4_4 = v4_2.successor("4.4") {
    $0.slab.gathersBulkFrees = true
  }
}
