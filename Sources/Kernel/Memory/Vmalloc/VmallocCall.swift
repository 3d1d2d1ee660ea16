import Hardware
import Simulation

/// What a caller of the vmalloc family asks for beside size, mask and node.
///
/// Kernel: `VM_*` of include/linux/vmalloc.h (6.12), as far as they change what is done.
package struct VmallocFlags: OptionSet, BitwiseCopyable, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// May be mapped by 2 MiB pages. Kernel: `VM_ALLOW_HUGE_VMAP`.
  package static let allowsHuge = VmallocFlags(rawValue: 1 << 0)
  /// The size in bytes does not fill the last page: it matters where a size is compared in bytes.
  package static let partialLastPage = VmallocFlags(rawValue: 1 << 1)
  /// In the range of modules. Kernel: `module_alloc()`, from 6.10 on `execmem_alloc()`.
  package static let module = VmallocFlags(rawValue: 1 << 3)
  /// No guard page at the end. Kernel: `VM_NO_GUARD`, and areas that have no `vm_struct`.
  package static let noGuard = VmallocFlags(rawValue: 1 << 2)
  /// By a function that looks at the bits of its mask. Kernel: `__vmalloc()`, `vmalloc_huge_node()`
  /// (mm/vmalloc.c, 6.19).
  package static let checksMask = VmallocFlags(rawValue: 1 << 4)
}

/// One activation of `__vmalloc_node_range()` and those it calls: what does not fit a frame.
package struct VmallocCall: BitwiseCopyable {
  /// Asked for, the guard page not counted. Unit: pages.
  let asked: Int32
  /// What is had and mapped: more where its large pages are larger. Unit: pages.
  var pages: Int32
  var gfp: GFPFlags
  var node: NodeID
  var flags: VmallocFlags
  /// Where it may begin. Unit: bytes, as log 2.
  var alignShift: UInt8
  let alignAsked: UInt8
  /// Of each block that is mapped as one page: 0, or that of 2 MiB. Kernel: `page_order`.
  var order = Order.zero
  /// Larger blocks are not tried any more. Kernel: `max_attempt_order` (6.19+).
  var orderMax = Order.max
  /// Slept through for what must be had. Unit: ticks.
  var ticks: Int16 = 0
  /// An overflow has been purged for once.
  var hasPurged = false
  var vm = VmStructID.none
  var area = VmapAreaID.none
  var poolNode = VmapNodeID.none
  /// Mapped so far, and where the next page is written down.
  var mapped: Int32 = 0
  var chunk = ID<PageChunk>.none
  /// The first of consecutive frames that are the caller's own; none where the area has pages.
  var source = PFN.none
  /// Where it begins: found by the search, or in a block.
  var address = Address.null
  /// The record of the block that the addresses are for. Kernel: `struct vmap_block`.
  var object = Address.null

  init(
    pages: Int32, gfp: GFPFlags, node: NodeID, flags: VmallocFlags = [], alignShift: UInt8 = 12
  ) {
    (asked, self.pages, self.gfp, self.node) = (pages, pages, gfp, node)
    (self.flags, self.alignShift, alignAsked) = (flags, alignShift, alignShift)
  }
  static let blank = VmallocCall(pages: 0, gfp: [], node: .any)

  /// Address space, the guard page included. Unit: bytes.
  var areaSize: UInt64 { UInt64(areaPages) << 12 }
  var areaPages: Int32 { pages + (flags.contains(.noGuard) ? 0 : 1) }
  /// Unit: bytes.
  var align: UInt64 { 1 << UInt64(alignShift) }

  /// Chooses 2 MiB pages, and what is had and mapped with them.
  mutating func useHugePages() {
    order = .pmd
    alignShift = max(alignShift, 21)
    pages = (asked + 511) & ~511
  }

  /// Goes back to small pages, where the large ones could not be had. Kernel: the label `fail`.
  mutating func useSmallPages() {
    self = VmallocCall(
      pages: asked, gfp: gfp, node: node, flags: flags.subtracting(.allowsHuge),
      alignShift: alignAsked)
  }
}
typealias VmallocCallID = ID<VmallocCall>

extension Order {
  /// Of what one entry of a page-middle table maps: 2 MiB. Kernel: `PMD_ORDER`.
  static var pmd: Order { Order(9) }
}
