extension KernelVersion {
  /// Linux 5.13, June 2021: the own part of a call runs beside the others'.
  package static let v5_13 = v5_12.successor("5.13") {
    $0.calls.ownPartOverlaps = true
  }
}
