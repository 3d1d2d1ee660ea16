/// How a release makes all CPUs forget kernel addresses: read by `FlushTLBKernelRange` and by what
/// writes page tables.
package struct FlushRules: BitwiseCopyable, Sendable, Equatable {
  /// Above it a range is not flushed page by page on x86; 0: never is. Unit: pages. Kernel:
  /// `flush_tlb_kernel_range()` (arch/x86/mm/tlb.c; 2.6.32, 4.14, 6.12).
  package var ceiling: UInt32
  /// CPUs that can broadcast flushes are told to: no interrupts. Kernel: `invlpgb_flush_all()`
  /// (arch/x86/mm/tlb.c; 6.18, not 6.13; commit 4afeb0ed1753 is in 6.15).
  package var usesINVLPGB: Bool
  /// On arm64 more pages are one flush of everything. Unit: pages. Kernel: `MAX_TLBI_OPS`,
  /// `flush_tlb_kernel_range()` (arch/arm64/include/asm/tlbflush.h; 4.19: 1024; 5.0: 512).
  package var tlbiMax: UInt32
  /// arm64 tells ranges of pages by one instruction, where the CPU can, for kernel addresses too; and
  /// where it cannot, the maximum itself is too many. Kernel: `flush_tlb_kernel_range()`
  /// (arch/arm64/include/asm/tlbflush.h; 6.13, not 6.12).
  package var usesRangeTLBI: Bool
  /// arm64 waits after each entry of the page table, not once a mapping. Kernel: `__set_pte()`
  /// (arch/arm64/include/asm/pgtable.h; 6.12), `arch_enter_lazy_mmu_mode()` (the same; 6.18).
  package var waitsForEachPTE: Bool

  /// A broadcast of the cores that need it is followed by an interrupt. Kernel:
  /// `broadcast_tlb_a15_erratum()` (arch/arm/kernel/smp_tlb.c; 3.10).
  package var mendsErratum798181: Bool

  package static let v2_6_24 = FlushRules(
    ceiling: 0, usesINVLPGB: false, tlbiMax: 1024, usesRangeTLBI: false, waitsForEachPTE: true,
    mendsErratum798181: false)
}
