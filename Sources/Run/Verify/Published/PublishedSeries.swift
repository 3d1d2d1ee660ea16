import Kernel

/// What is known of the machine and kernel behind a published series, and what is assumed.
///
/// Source: published tables of slab_test (C. Lameter, J. D. Brouer, T. Garnier, J. Kim, 2014 to
/// 2016) and of the bulk API (J. D. Brouer, C. Lameter, June 2015); their letters name the kernel,
/// not always the machine.
package struct PublishedSeries: Sendable, Equatable {
  package var name: String
  package var kernel: String
  package var slab: SlabKind
  /// What turns time into cycles. Unit: MHz.
  package var clock: Int
  /// Series with equal names here were measured on one machine, and share what is calibrated: on
  /// the first of them.
  package var machine: String
  /// Objects allocated before the first is freed.
  package var objects: Int

  var isBulk: Bool { name == "bulk-api" }

  /// CPUs of each of these machines, as far as known: they decide the order of slabs.
  static let cpuCount = 8

  static let all = [
    // "very likely the 4.0 GHz i7-4790K" of the bulk series: 4 cores, 8 threads.
    PublishedSeries("Brouer-before", "3.19", machine: "i7-4790K before 4.0"),
    PublishedSeries("Brouer-after(4.0)", "4.0", machine: "i7-4790K"),
    PublishedSeries("Lameter-before(preempt)", "3.18", machine: "Lameter, before"),
    PublishedSeries("Lameter-after", "4.0", machine: "Lameter"),
    PublishedSeries("Garnier-SLUB-4.6", "4.6", machine: "Garnier"),
    PublishedSeries("Garnier-SLAB-4.6", "4.6", slab: .slab, machine: "Garnier"),
    PublishedSeries("JoonsooKim-SLUB-4.6(50 reps)", "4.6", machine: "Kim", objects: 100_000),
    PublishedSeries("fallback-one-at-a-time", "4.3", machine: "i7-4790K"),
    PublishedSeries("bulk-api", "4.3", machine: "i7-4790K"),
  ]

  private init(
    _ name: String, _ kernel: String, slab: SlabKind = .slub, machine: String,
    objects: Int = 10_000
  ) {
    (self.name, self.kernel, self.slab, self.machine) = (name, kernel, slab, machine)
    (clock, self.objects) = (4000, objects)
  }
}
