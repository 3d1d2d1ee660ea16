extension KernelVersion {
  /// Linux 4.6, May 2016: SLAB's indexes inside a free object.
  package static let v4_6 = v4_4.successor("4.6") {
    $0.slab.hasObjectFreelist = true
    $0.slab.hasLeftRedZone = true
  }
}
