extension Architecture {
  /// x86-64 with 4-level tables and no KASLR.
  ///
  /// Kernel: Documentation/arch/x86/x86_64/mm.rst, arch/x86/include/asm/pgtable_64_types.h (6.12).
  public static let x86_64 = Architecture(
    pageShift: 12,
    tableLevels: 4,
    directMap: Address(0xffff_8880_0000_0000),
    vmallocStart: Address(0xffff_c900_0000_0000),
    vmallocEnd: Address(0xffff_e900_0000_0000),
    zoneDMAEnd: 16 << 20,
    zoneDMA32End: 4 << 30,
    kmallocMin: 8,
    cacheLineSize: 64,
    shootdown: .interrupts)
}
