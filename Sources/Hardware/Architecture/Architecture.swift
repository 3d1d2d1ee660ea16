/// What an instruction set and a kernel built for it fix: a value for each layout of addresses.
///
/// Where things lie follows from release and memory as well, so the values are made by
/// `AddressSpace` in `Kernel/Version`.
public struct Architecture: Sendable, BitwiseCopyable {
  public enum Name: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case x86_64, x86_32, arm64, arm32

    /// As users write it: `x86-64`.
    public var text: String {
      switch self {
      case .x86_64: "x86-64"
      case .x86_32: "x86-32"
      case .arm64: "arm64"
      case .arm32: "arm32"
      }
    }
    public var is64Bit: Bool { self == .x86_64 || self == .arm64 }
    /// What a 32-bit kernel reaches. Kernel: `MAX_PHYSMEM_BITS`: 36 with PAE, 32 without LPAE. Unit:
    /// bytes.
    public var memoryMax: UInt64 {
      switch self {
      case .x86_64, .arm64: .max
      case .x86_32: 64 << 30
      case .arm32: 4 << 30
      }
    }
    public var isARM: Bool { self == .arm64 || self == .arm32 }
    public init?(text: String) {
      guard let found = Name.allCases.first(where: { $0.text == text }) else { return nil }
      self = found
    }
  }

  public var name: Name
  /// Bits of a virtual address that are translated. Kernel: `VA_BITS`, `__VIRTUAL_MASK_SHIFT` + 1.
  public var addressBits: Int
  /// Unit: bytes, as log 2.
  public var pageShift: Int
  /// Levels of the kernel's page table, and entries of its root where they are more than 512.
  public var tableLevels: Int
  public var rootEntries = 512
  /// Whether the tables just below the root exist from boot on, for vmalloc space. Kernel:
  /// `preallocate_vmalloc_pages()` (arch/x86/mm/init_64.c, 5.8+).
  public var hasBootTables: Bool
  /// Unit: bytes.
  public var pointerSize: Int
  /// Where physical address 0 lies in the direct map. Kernel: `PAGE_OFFSET`.
  public var directMap: Address
  /// Frames from here on are in no direct map: high memory. Kernel: `max_low_pfn`.
  public var lowMemoryPages = Int.max
  /// Kernel: `VMALLOC_START`.
  public var vmallocStart: Address
  /// One past the last byte. Kernel: `VMALLOC_END`, on x86 plus 1.
  public var vmallocEnd: Address
  /// Where modules are put, a second range of the same allocator. Kernel: `MODULES_VADDR`.
  public var modulesStart: Address
  /// One past the last byte. Kernel: `MODULES_END`.
  public var modulesEnd: Address
  /// Physical memory below it is zone DMA. Unit: bytes.
  public var zoneDMAEnd: UInt64
  /// Physical memory below it (and not DMA) is zone DMA32. Unit: bytes.
  public var zoneDMA32End: UInt64
  /// Whether devices have the end of the first 4 GiB to themselves.
  public var hasDeviceHole: Bool
  /// Of the memory map. Unit: bytes a page. Kernel: `sizeof(struct page)`.
  public var pageRecordSize: Int
  /// The smallest kmalloc class. Unit: bytes. Kernel: `KMALLOC_MIN_SIZE`.
  public var kmallocMin: Int
  public var cacheLineSize: Int

  public init(
    name: Name, addressBits: Int, tableLevels: Int, directMap: Address,
    vmalloc: Range<Address>, modules: Range<Address>, zoneDMAEnd: UInt64, zoneDMA32End: UInt64,
    kmallocMin: Int
  ) {
    (self.name, self.addressBits, pageShift) = (name, addressBits, 12)
    (self.tableLevels, self.directMap) = (tableLevels, directMap)
    (vmallocStart, vmallocEnd) = (vmalloc.lowerBound, vmalloc.upperBound)
    (modulesStart, modulesEnd) = (modules.lowerBound, modules.upperBound)
    (self.zoneDMAEnd, self.zoneDMA32End) = (zoneDMAEnd, zoneDMA32End)
    (hasBootTables, hasDeviceHole) = (!name.isARM, !name.isARM)
    (pointerSize, pageRecordSize) = name.is64Bit ? (8, 64) : (4, 32)
    (self.kmallocMin, cacheLineSize) = (kmallocMin, 64)
  }

  @inlinable public var pageSize: Int { 1 << pageShift }

  /// Kernel: `__va()`. High memory has none: a number above all addresses stands for its page.
  @inlinable public func address(of pfn: PFN) -> Address {
    let offset = UInt64(truncatingIfNeeded: pfn.index) &<< UInt64(pageShift)
    guard pfn.index < lowMemoryPages else { return Address(Self.highMemory &+ offset) }
    return Address(directMap.raw &+ offset)
  }
  /// The frame of an address in the direct map. Kernel: `virt_to_pfn()`, valid there only.
  @inlinable public func pfn(of address: Address) -> PFN {
    let base = isHighMemory(address) ? Self.highMemory : directMap.raw
    return PFN(Int(truncatingIfNeeded: (address.raw &- base) &>> UInt64(pageShift)))
  }
  /// Whether it stands for a page that has no address until it is mapped.
  @inlinable public func isHighMemory(_ address: Address) -> Bool {
    lowMemoryPages < Int.max && address.raw >= Self.highMemory
  }
  @usableFromInline static let highMemory: UInt64 = 1 << 40

  /// Kernel: `is_vmalloc_addr()` (mm/vmalloc.c, 6.12).
  @inlinable public func isVmalloc(_ address: Address) -> Bool {
    address >= vmallocStart && address < vmallocEnd
  }
  /// Kernel: `is_vmalloc_or_module_addr()` (mm/vmalloc.c, 6.12).
  @inlinable public func isVmallocOrModule(_ address: Address) -> Bool {
    isVmalloc(address) || address >= modulesStart && address < modulesEnd
  }
}
