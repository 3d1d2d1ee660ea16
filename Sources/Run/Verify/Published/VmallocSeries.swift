import Kernel

/// What is known of the machine and kernel behind a published run of lib/test_vmalloc.c.
///
/// Source: U. Rezki, LKML, 14 December 2020 (3970X) and 16 October 2025 (Milan); A. Rambhadran,
/// LKML, March and mid 2026 (Graviton3, Sapphire Rapids).
package struct VmallocSeries: Sendable, Equatable {
  package var name: String
  package var kernel: String
  /// CPUs of each node.
  package var cpus: [Int]
  package var costs: String
  /// The kind of core, which says what the kernel is built for.
  var cpu: String
  /// log 2 of twice what a kernel stack is aligned to. Kernel: `THREAD_ALIGN` (arch/x86, arch/arm64).
  var threadAlignShift: UInt8 = 15
  /// The row whose ratio to ours all prices are multiplied by; nil: as the cost file has them.
  package var calibratedBy: (figure: String, pages: Int)?
  /// What is wrong with it as a model of that machine.
  package var caveat: String

  package static func == (a: Self, b: Self) -> Bool { a.name == b.name }

  /// Unit: bytes.
  static let memory: UInt64 = 64 << 30

  static let all = [
    VmallocSeries(
      name: "graviton3-7.0", kernel: "7.0", cpus: [64], costs: "generic-arm", cpu: "neoverse-v1",
      threadAlignShift: 16, calibratedBy: ("fix_size", 64), caveat: ""),
    VmallocSeries(
      name: "graviton3-6.19", kernel: "6.19", cpus: [64], costs: "generic-arm", cpu: "neoverse-v1",
      threadAlignShift: 16, calibratedBy: ("fix_size", 16), caveat: ""),
    VmallocSeries(
      name: "sapphire-rapids-aws-6.19", kernel: "6.19", cpus: [96], costs: "xeon-8375c",
      cpu: "sapphire-rapids",
      caveat: "prices of Ice Lake; how many CPUs it has is not known"),
    VmallocSeries(
      name: "3970X-5.10-single-cpu", kernel: "5.10", cpus: [64], costs: "generic-x86", cpu: "zen2",
      calibratedBy: ("random_size", 1), caveat: ""),
    VmallocSeries(
      name: "milan-256cpu-6.18dev", kernel: "6.18", cpus: [128, 128], costs: "epyc-7r13",
      cpu: "zen3",
      caveat: ""),
  ]
}
