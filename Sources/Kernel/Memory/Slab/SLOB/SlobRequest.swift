import Hardware
import Simulation

/// What is asked of SLOB. 8 bytes.
package struct SlobRequest: BitwiseCopyable {
  var gfp: GFPFlags
  /// The block's size, with the header of kmalloc. Unit: bytes.
  private var size: UInt16
  var node: NodeID
  /// The alignment as a power of two in bits 0 to 4; bit 7: it is kmalloc's.
  private var shape: UInt8

  /// What kmalloc puts in front. Kernel: `ARCH_KMALLOC_MINALIGN` of x86-64. Unit: bytes.
  static let headerBytes = 8

  /// A kmalloc of `bytes`. Kernel: `__do_kmalloc_node()` (mm/slob.c; 5.3, 5.4).
  init(kmalloc bytes: Int, gfp: GFPFlags, node: NodeID, rules: SlabRules) {
    let isAligned = rules.kmallocAlignment != .minimum && bytes & (bytes - 1) == 0
    self.init(
      bytes: bytes + SlobRequest.headerBytes, align: isAligned ? max(bytes, 8) : 8,
      isKmalloc: true, gfp: gfp, node: node)
  }
  init(bytes: Int, align: Int, isKmalloc: Bool, gfp: GFPFlags, node: NodeID) {
    (self.gfp, self.node, size) = (gfp, node, UInt16(bytes))
    shape = UInt8(align.trailingZeroBitCount) | (isKmalloc ? 0x80 : 0)
  }

  var bytes: Int { Int(size) }
  var isKmalloc: Bool { shape & 0x80 != 0 }

  /// Units between a place and the first behind it that is aligned, the header not counted.
  func gap(at unit: Int) -> Int {
    let align = 1 << Int(shape & 0x1F)
    let start = unit * SlobPages.unitBytes + (isKmalloc ? SlobRequest.headerBytes : 0)
    return (roundUp(start, to: align) - start) / SlobPages.unitBytes
  }
}
