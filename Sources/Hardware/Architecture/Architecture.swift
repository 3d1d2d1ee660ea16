/// What an instruction set fixes for the kernel: a new one is a value in a file of its own.
public struct Architecture: Sendable, BitwiseCopyable {
  /// How the TLBs of other CPUs are told to forget.
  public enum Shootdown: Sendable, BitwiseCopyable { case interrupts }

  /// Unit: bytes, as log 2.
  public var pageShift: Int
  /// Levels of the kernel's page table.
  public var tableLevels: Int
  /// Where physical address 0 lies in the direct map. Kernel: `PAGE_OFFSET`.
  public var directMap: Address
  /// Kernel: `VMALLOC_START`.
  public var vmallocStart: Address
  /// One past the last byte. Kernel: `VMALLOC_END` + 1.
  public var vmallocEnd: Address
  /// Physical memory below it is zone DMA. Unit: bytes.
  public var zoneDMAEnd: UInt64
  /// Physical memory below it (and not DMA) is zone DMA32. Unit: bytes.
  public var zoneDMA32End: UInt64
  /// The smallest kmalloc class. Unit: bytes. Kernel: `KMALLOC_MIN_SIZE`.
  public var kmallocMin: Int
  public var cacheLineSize: Int
  public var shootdown: Shootdown

  @inlinable public var pageSize: Int { 1 << pageShift }

  /// Kernel: `__va()`.
  @inlinable public func address(of pfn: PFN) -> Address {
    Address(directMap.raw &+ UInt64(truncatingIfNeeded: pfn.index) &<< UInt64(pageShift))
  }
  /// The frame of an address in the direct map. Kernel: `virt_to_pfn()`, valid there only.
  @inlinable public func pfn(of address: Address) -> PFN {
    PFN(Int(truncatingIfNeeded: (address.raw &- directMap.raw) &>> UInt64(pageShift)))
  }
  /// Kernel: `is_vmalloc_addr()` (mm/vmalloc.c, 6.12).
  @inlinable public func isVmalloc(_ address: Address) -> Bool {
    address >= vmallocStart && address < vmallocEnd
  }
}
