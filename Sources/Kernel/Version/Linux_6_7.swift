extension KernelVersion {
  /// Linux 6.7, January 2024: CPUs' lists of pages tune themselves.
  package static let v6_7 = v6_6.successor("6.7") {
    $0.pages.listTuning = .automatic
  }
}
