import Hardware
import Simulation

package typealias VmapAreaID = ID<VmapArea>

/// A range of addresses: in use, free, waiting for a purge, or kept in a pool.
///
/// Its links serve whichever structure holds it: the tree links while it is in a tree, the list
/// links always (a tree keeps its areas in a list by address as well).
///
/// Kernel: `struct vmap_area` (include/linux/vmalloc.h, 6.12). 72 bytes there, with its own cache.
package struct VmapArea: BitwiseCopyable {
  package var start: UInt64 = 0
  /// One past the last byte, the guard page included.
  package var end: UInt64 = 0
  /// In the free tree: the size of the largest area in the subtree below. Unit: bytes.
  var subtreeMaxSize: UInt64 = 0
  /// Where its slab object lies. Kernel: `vmap_area_cachep`.
  package var object = Address.null
  /// Left and right, so that mirrored cases are one piece of code.
  var children = InlineArray<2, VmapAreaID>(repeating: .none)
  var parent = VmapAreaID.none
  package internal(set) var previous = VmapAreaID.none
  package internal(set) var next = VmapAreaID.none
  /// What is mapped there; none for free areas.
  package var vm = VmStructID.none
  /// Freed, and in the tree until a purge, to 5.1; the next of those. Kernel: `VM_LAZY_FREE`,
  /// `purge_list`.
  package internal(set) var isLazy = false
  var nextLazy = VmapAreaID.none
  /// The block whose addresses these are. Kernel: `VMAP_BLOCK` in `flags`, and the blocks' xarray.
  var block = ID<VmapBlock>.none
  /// The vmap node whose pool it came from, or comes to. Kernel: `encode_vn_id()` in `flags`.
  package var poolNode = VmapNodeID.none
  var isRed = false

  package init(start: UInt64, end: UInt64, object: Address = .null) {
    (self.start, self.end, self.object) = (start, end, object)
  }
  static let blank = VmapArea(start: 0, end: 0)

  /// Unit: bytes. Kernel: `va_size()`.
  package var size: UInt64 { end &- start }
}

/// The number of a vmap node, at most 127.
package struct VmapNodeID: BitwiseCopyable, Hashable, Sendable {
  let raw: UInt8
  package init(_ index: Int) { raw = UInt8(truncatingIfNeeded: index) }
  package var index: Int { Int(raw) }
  package static var none: VmapNodeID { VmapNodeID(255) }
  package var isNone: Bool { raw == 255 }
}
