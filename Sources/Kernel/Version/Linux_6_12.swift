extension KernelVersion {
  /// Linux 6.12 (November 2024, long-term): the first release that is emulated.
  package static let v6_12 = KernelVersion(name: "6.12", slab: .v6_12, vmalloc: .v6_12)
}
