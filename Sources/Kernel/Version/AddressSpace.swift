import Hardware

/// Where a kernel puts things in its half of the address space: a row for each layout there was.
///
/// A new layout is a row; a release has the last one of its architecture that is not newer. The
/// 32-bit kernels' rows follow from how much memory there is, and are made by functions.
///
/// Kernel: arch/x86/include/asm/pgtable_64_types.h (2.6.27 to 6.12), Documentation/arch/x86/x86_64/mm.rst
/// (6.12), arch/arm64/include/asm/memory.h and pgtable.h (4.19, 5.4, 6.1, 6.12).
/// Not modelled: KASLR, which moves these by multiples of a top-level entry; KASAN; 52 bits.
struct AddressSpace {
  let architecture: Architecture.Name
  /// Bits of a virtual address.
  let bits: Int
  /// The first release that has it.
  let since: String
  let directMap: UInt64
  /// Up to but not including the end.
  let vmalloc: (start: UInt64, end: UInt64)
  let modules: (start: UInt64, end: UInt64)

  static let rows: [AddressSpace] = [
    .init(
      architecture: .x86_64, bits: 48, since: "2.6.24", directMap: 0xffff_8100_0000_0000,
      vmalloc: (0xffff_c200_0000_0000, 0xffff_e200_0000_0000),
      modules: (0xffff_ffff_8800_0000, 0xffff_ffff_fff0_0000)),
    .init(
      architecture: .x86_64, bits: 48, since: "2.6.27", directMap: 0xffff_8800_0000_0000,
      vmalloc: (0xffff_c200_0000_0000, 0xffff_e200_0000_0000),
      modules: (0xffff_ffff_a000_0000, 0xffff_ffff_fff0_0000)),
    .init(
      architecture: .x86_64, bits: 48, since: "2.6.31", directMap: 0xffff_8800_0000_0000,
      vmalloc: (0xffff_c900_0000_0000, 0xffff_e900_0000_0000),
      modules: (0xffff_ffff_a000_0000, 0xffff_ffff_ff00_0000)),
    .init(
      architecture: .x86_64, bits: 48, since: "4.20", directMap: 0xffff_8880_0000_0000,
      vmalloc: (0xffff_c900_0000_0000, 0xffff_e900_0000_0000),
      modules: (0xffff_ffff_a000_0000, 0xffff_ffff_ff00_0000)),
    .init(
      architecture: .x86_64, bits: 57, since: "4.17", directMap: 0xff10_0000_0000_0000,
      vmalloc: (0xffa0_0000_0000_0000, 0xffd2_0000_0000_0000),
      modules: (0xffff_ffff_a000_0000, 0xffff_ffff_ff00_0000)),
    .init(
      architecture: .x86_64, bits: 57, since: "4.20", directMap: 0xff11_0000_0000_0000,
      vmalloc: (0xffa0_0000_0000_0000, 0xffd2_0000_0000_0000),
      modules: (0xffff_ffff_a000_0000, 0xffff_ffff_ff00_0000)),
    .init(
      architecture: .arm64, bits: 39, since: "3.7", directMap: 0xffff_ffc0_0000_0000,
      vmalloc: (0xffff_ff80_0800_0000, 0xffff_ffbe_bfff_0000),
      modules: (0xffff_ff80_0000_0000, 0xffff_ff80_0800_0000)),
    .init(
      architecture: .arm64, bits: 48, since: "3.19", directMap: 0xffff_8000_0000_0000,
      vmalloc: (0xffff_0000_0800_0000, 0xffff_7dff_bfff_0000),
      modules: (0xffff_0000_0000_0000, 0xffff_0000_0800_0000)),
    .init(
      architecture: .arm64, bits: 39, since: "5.4", directMap: 0xffff_ff80_0000_0000,
      vmalloc: (0xffff_ffc0_1000_0000, 0xffff_fffe_bfff_0000),
      modules: (0xffff_ffc0_0800_0000, 0xffff_ffc0_1000_0000)),
    .init(
      architecture: .arm64, bits: 48, since: "5.4", directMap: 0xffff_0000_0000_0000,
      vmalloc: (0xffff_8000_1000_0000, 0xffff_fdff_bfff_0000),
      modules: (0xffff_8000_0800_0000, 0xffff_8000_1000_0000)),
    .init(
      architecture: .arm64, bits: 39, since: "5.17", directMap: 0xffff_ff80_0000_0000,
      vmalloc: (0xffff_ffc0_0800_0000, 0xffff_fffd_f000_0000),
      modules: (0xffff_ffc0_0000_0000, 0xffff_ffc0_0800_0000)),
    .init(
      architecture: .arm64, bits: 48, since: "5.17", directMap: 0xffff_0000_0000_0000,
      vmalloc: (0xffff_8000_0800_0000, 0xffff_fbff_f000_0000),
      modules: (0xffff_8000_0000_0000, 0xffff_8000_0800_0000)),
    .init(
      architecture: .arm64, bits: 39, since: "6.5", directMap: 0xffff_ff80_0000_0000,
      vmalloc: (0xffff_ffc0_8000_0000, 0xffff_fffd_f000_0000),
      modules: (0xffff_ffc0_0000_0000, 0xffff_ffc0_8000_0000)),
    .init(
      architecture: .arm64, bits: 48, since: "6.5", directMap: 0xffff_0000_0000_0000,
      vmalloc: (0xffff_8000_8000_0000, 0xffff_fbff_f000_0000),
      modules: (0xffff_8000_0000_0000, 0xffff_8000_8000_0000)),
    .init(
      architecture: .arm64, bits: 39, since: "6.9", directMap: 0xffff_ff80_0000_0000,
      vmalloc: (0xffff_ffc0_8000_0000, 0xffff_fffe_bf80_0000),
      modules: (0xffff_ffc0_0000_0000, 0xffff_ffc0_8000_0000)),
    .init(
      architecture: .arm64, bits: 48, since: "6.9", directMap: 0xffff_0000_0000_0000,
      vmalloc: (0xffff_8000_8000_0000, 0xffff_fdff_bf80_0000),
      modules: (0xffff_8000_0000_0000, 0xffff_8000_8000_0000)),
  ]

  /// Levels of tables of 512 entries that the bits make.
  private var levels: Int { (bits - 12 + 8) / 9 }

  fileprivate func architecture(_ kmallocMin: Int) -> Architecture {
    let isARM = architecture.isARM
    return Architecture(
      name: architecture, addressBits: bits, tableLevels: levels, directMap: Address(directMap),
      vmalloc: Address(vmalloc.start)..<Address(vmalloc.end),
      modules: Address(modules.start)..<Address(modules.end),
      zoneDMAEnd: isARM ? 4 << 30 : 16 << 20, zoneDMA32End: 4 << 30, kmallocMin: kmallocMin)
  }
}

extension Architecture {
  /// The standard one: x86-64 with 4 levels as in 6.12.
  package static let x86_64 = Architecture(.x86_64, in: .v6_12, memory: 0)!

  /// - Parameters:
  ///   - bits: of a virtual address; nil: 48, or the 39 bits that arm64 began with.
  ///   - memory: of the machine; a 32-bit kernel maps its first part. Unit: bytes.
  /// - Returns: nil where the release had no such kernel.
  package init?(_ name: Name, bits: Int? = nil, in version: KernelVersion, memory: UInt64) {
    guard let release = KernelNumber(version.name) else { return nil }
    switch name {
    case .x86_32: self = Architecture.x86_32(memory)
    case .arm32: self = Architecture.arm32(memory, release)
    case .x86_64, .arm64:
      let rows = AddressSpace.rows.filter {
        $0.architecture == name && KernelNumber($0.since)! <= release
      }
      let wanted = bits ?? (rows.contains { $0.bits == 48 } ? 48 : 39)
      guard let row = rows.last(where: { $0.bits == wanted }) else { return nil }
      // Kernel: `ARCH_DMA_MINALIGN` of arm64; from 6.5 on smaller where a swiotlb exists.
      let isCoarse = name == .arm64 && release < KernelNumber("6.5")!
      self = row.architecture(isCoarse ? 128 : 8)
    }
    if let bits, bits != addressBits { return nil }
  }

  /// `39 from 3.7, 48 from 3.19`.
  package static func firstRelease(of name: Name) -> String {
    let first = addressBits(of: name).compactMap { bits in
      AddressSpace.rows.first { $0.architecture == name && $0.bits == bits }
    }
    return first.isEmpty
      ? "32 from the first release on"
      : first.map { "\($0.bits) from \($0.since)" }.joined(separator: ", ")
  }

  /// The sizes of address there are for an architecture. Unit: bits.
  package static func addressBits(of name: Name) -> [Int] {
    name.is64Bit
      ? Set(AddressSpace.rows.filter { $0.architecture == name }.map(\.bits)).sorted() : [32]
  }

  /// x86-32 with PAE: 128 MiB for vmalloc and a hole of 8 MiB, below what maps high memory.
  ///
  /// Kernel: `__VMALLOC_RESERVE`, `VMALLOC_OFFSET` (arch/x86/include/asm/pgtable_32_areas.h, 6.12),
  /// `find_low_pfn_range()` (arch/x86/mm/init_32.c, 6.12). Modules are put into vmalloc space.
  private static func x86_32(_ memory: UInt64) -> Architecture {
    let end: UInt64 = 0xffbf_e000
    let lowEnd = min(0xc000_0000 + memory, end - 128 << 20)
    let start = lowEnd + 8 << 20
    var made = Architecture(
      name: .x86_32, addressBits: 32, tableLevels: 3, directMap: Address(0xc000_0000),
      vmalloc: Address(start)..<Address(end), modules: Address(start)..<Address(end),
      zoneDMAEnd: 16 << 20, zoneDMA32End: 16 << 20, kmallocMin: 8)
    made.lowMemoryPages = Int((lowEnd - 0xc000_0000) >> 12)
    return made
  }

  /// arm32 with LPAE off and 3 GiB for processes: 240 MiB for vmalloc where memory is plenty.
  ///
  /// Kernel: `VMALLOC_END` (arch/arm/include/asm/pgtable.h; 0xff000000 to 4.3), `vmalloc_min`
  /// (arch/arm/mm/mmu.c), `MODULES_VADDR` (arch/arm/include/asm/memory.h, 6.12).
  private static func arm32(_ memory: UInt64, _ release: KernelNumber) -> Architecture {
    let end: UInt64 = release < KernelNumber("4.4")! ? 0xff00_0000 : 0xff80_0000
    let (hole, least): (UInt64, UInt64) = (8 << 20, 240 << 20)
    let lowEnd = min(0xc000_0000 + memory, end - least - hole)
    let start = (lowEnd + hole) & ~(hole - 1)
    var made = Architecture(
      name: .arm32, addressBits: 32, tableLevels: 2, directMap: Address(0xc000_0000),
      vmalloc: Address(start)..<Address(end),
      modules: Address(0xbf00_0000)..<Address(0xbfe0_0000), zoneDMAEnd: 0, zoneDMA32End: 0,
      kmallocMin: 64)
    made.rootEntries = 2048
    made.lowMemoryPages = Int((lowEnd - 0xc000_0000) >> 12)
    return made
  }
}
