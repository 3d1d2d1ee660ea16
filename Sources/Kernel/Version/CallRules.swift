/// How a release has functions run on other CPUs: read by `OnEachCPU` and by what sends interrupts.
package struct CallRules: BitwiseCopyable, Sendable, Equatable {
  package enum Queue: UInt8, BitwiseCopyable, Sendable {
    /// One call of the whole machine at a time, under one lock that the others spin for.
    case oneCall
    /// One list of calls that every target walks, with one lock for its ends.
    case global
    /// A list for each target, with a lock.
    case locked
    /// A list for each target, without.
    case lockless
  }
  /// Where calls wait for their targets. Kernel: `smp_call_function_mask()`
  /// (arch/x86/kernel/smp_32.c; 2.6.24), `smp_call_function_many()` (kernel/smp.c; 3.0, 3.4: global;
  /// 3.10: locked; 4.9: lockless). Remembered: 2.6.27, 3.9 and 3.14 as the first of each.
  package var queue: Queue
  /// A target whose list was not empty is sent no interrupt: one is on its way. Kernel:
  /// `smp_call_function_many()` (kernel/smp.c; 5.10, not 4.9; remembered: from 4.13).
  package var sparesPending: Bool
  /// The own part runs while the others' do, not after the last answer. Kernel:
  /// `smp_call_function_many_cond()` (kernel/smp.c; 5.14, not 5.12).
  package var ownPartOverlaps: Bool
  /// All CPUs but one are interrupted by one write, in every mode of the APICs. Kernel:
  /// `native_send_call_func_ipi()` (arch/x86/kernel/apic/ipi.c; 5.4, not 5.2).
  package var usesShorthand: Bool
  /// A single target that polls in its idle loop gets a flag set, and no interrupt. Kernel:
  /// `call_function_single_prep_ipi()` (kernel/sched/core.c; 6.12; remembered: from 5.8).
  package var sparesPolling: Bool
  /// A guest of KVM asks for many interrupts by one call. Kernel: `kvm_send_ipi_mask()`
  /// (arch/x86/kernel/kvm.c; 4.19, 6.12).
  package var hasHypercall: Bool
  /// The kernel can use x2APIC; before, xAPIC serves. Kernel: `x2apic_acpi_madt_oem_check()`
  /// (arch/x86/kernel/apic/x2apic_cluster.c; 2.6.32; remembered: from 2.6.28).
  package var hasX2APIC: Bool

  package static let v2_6_24 = CallRules(
    queue: .oneCall, sparesPending: false, ownPartOverlaps: false, usesShorthand: false,
    sparesPolling: false, hasHypercall: false, hasX2APIC: false)
}
