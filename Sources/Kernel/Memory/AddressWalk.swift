import Hardware
import Simulation

/// The way from a kernel address to the page of memory behind it.
///
/// The linear map shows memory at one distance for ever, by pages of 2 MiB; vmalloc space is what
/// the page table says at the moment. Anything else is nothing here.
package struct AddressWalk: BitwiseCopyable, Equatable {
  package enum Region: String, BitwiseCopyable, Sendable {
    case linearMap = "linear map"
    case vmalloc = "vmalloc space"
    case other = "neither linear map nor vmalloc space"
  }
  package let region: Region
  /// The frame of the very page; none if nothing is mapped.
  package let frame: PFN
  /// The physical address; 0 if nothing is mapped.
  package let physical: UInt64
  /// What the last entry maps.
  package let leaf: PageTable.LeafSize
  /// Tables that are read on the way, the root's included.
  package let tablesRead: Int
}

extension World {
  /// Walks from any address. Complexity: O(levels).
  package func walk(_ address: Address) -> AddressWalk {
    let inPage = address.raw & UInt64(architecture.pageSize - 1)
    func found(
      _ region: AddressWalk.Region, _ frame: PFN, _ leaf: PageTable.LeafSize, _ tables: Int
    ) -> AddressWalk {
      let page = UInt64(truncatingIfNeeded: frame.index) << UInt64(architecture.pageShift)
      return AddressWalk(
        region: region, frame: frame, physical: frame.isNone ? 0 : page + inPage, leaf: leaf,
        tablesRead: tables)
    }
    if vmalloc.isVmallocOrModule(address) {
      let walk = vmalloc.pageTable.walk(address)
      return found(.vmalloc, walk.frame, walk.size, walk.levels)
    }
    guard isLinear(address) else { return found(.other, .none, .page, 0) }
    return found(
      .linearMap, architecture.pfn(of: address), .huge, vmalloc.pageTable.levels - 1)
  }

  /// Whether an address is one of memory that the machine has, in the linear map. Kernel:
  /// `virt_addr_valid()`.
  package func isLinear(_ address: Address) -> Bool {
    address >= architecture.directMap && !architecture.isHighMemory(address)
      && (address - architecture.directMap) >> architecture.pageShift
        < min(pages.map.end, architecture.lowMemoryPages)
      && !vmalloc.isVmallocOrModule(address)
  }
}

/// The physical address, or the page, behind an address of the linear map: a subtraction, wrong for
/// any other. Replies with the frame; with one that has nothing to do with the address where it is
/// no linear one, as the kernel without CONFIG_DEBUG_VIRTUAL.
///
/// Kernel: `virt_to_phys()`, `virt_to_page()`, `__phys_addr()` (arch/x86/mm/physaddr.c, 6.12),
/// `__virt_to_phys()` (arch/arm64/mm/physaddr.c, 6.12), whose message it is.
package enum VirtToPhys: Path {
  case start(Address, isPage: Bool)

  package static var name: PathName { .virt_to_phys }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    guard case .start(let address, let isPage) = self else { return .return(.pfn(.none)) }
    let walk = world.walk(address)
    if walk.region != .linearMap {
      let function = isPage ? "virt_to_page" : "virt_to_phys"
      let advice =
        walk.region == .vmalloc
        ? ". Its pages need not follow each other: use vmalloc_to_page() for each of them."
        : ". It is an address of no memory."
      world.complain(
        .badAddress,
        "\(function) used for non-linear address: \(hex(address)), a BUG with CONFIG_DEBUG_VIRTUAL"
          + ", without it other memory or none" + advice, on: cpu)
    }
    return .return(.pfn(world.architecture.pfn(of: address)))
  }
}

/// The page behind an address of vmalloc space: each level of the page table is read. Replies with
/// its frame, or none.
///
/// Kernel: `vmalloc_to_page()` (mm/vmalloc.c, 6.12), whose
/// `VIRTUAL_BUG_ON(!is_vmalloc_or_module_addr())` is CONFIG_DEBUG_VIRTUAL's.
package enum VmallocToPage: Path {
  case start(Address)
  case read(PFN)

  package static var name: PathName { .vmalloc_to_page }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      let walk = world.walk(address)
      guard walk.region == .vmalloc else {
        world.complain(
          .badAddress,
          "vmalloc_to_page() of \(hex(address)), which is no vmalloc address: a BUG with "
            + "CONFIG_DEBUG_VIRTUAL. Use virt_to_page() for what kmalloc or alloc_pages returned.",
          on: cpu)
        return .return(.pfn(walk.frame))
      }
      if walk.frame.isNone {
        let why = world.vmalloc.isLazy(address.raw) ? "it was freed" : "nothing is mapped there"
        world.complain(
          .badAddress, "vmalloc_to_page() of \(hex(address)) is NULL: \(why)", on: cpu)
      }
      return ask(.work(.vmapLine, times: Int32(walk.tablesRead)), then: .read(walk.frame))
    case .read(let frame): return .return(.pfn(frame))
    }
  }
}
