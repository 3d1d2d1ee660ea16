/// Which devices reach the memory of a zone: by address, from the lowest.
///
/// Kernel: `enum zone_type` (include/linux/mmzone.h, 6.12, x86-64).
/// Not modelled: memory in `ZONE_MOVABLE` and `ZONE_DEVICE`, which need a boot option or a device.
package enum ZoneKind: UInt8, BitwiseCopyable, Comparable, CaseIterable, Sendable {
  case dma = 0
  case dma32 = 1
  case normal = 2
  case movable = 3

  static let count = 4

  /// The highest zone that `gfp` allows; lower ones stand in for it.
  ///
  /// Kernel: `gfp_zone()` (include/linux/gfp.h, 6.12, without high memory).
  @inline(__always)
  package init(_ gfp: GFPFlags) {
    if gfp.contains(.dma) {
      self = .dma
    } else if gfp.contains(.dma32) {
      self = .dma32
    } else {
      self = gfp.isSuperset(of: [.highMem, .movable]) ? .movable : .normal
    }
  }

  /// As `/proc/zoneinfo` spells it.
  package var name: String {
    switch self {
    case .dma: "DMA"
    case .dma32: "DMA32"
    case .normal: "Normal"
    case .movable: "Movable"
    }
  }

  package static func < (a: ZoneKind, b: ZoneKind) -> Bool { a.rawValue < b.rawValue }
}
