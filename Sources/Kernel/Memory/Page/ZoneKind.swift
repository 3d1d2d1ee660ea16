import Hardware

/// Which devices reach the memory of a zone: by address, from the lowest.
///
/// High memory is a 32-bit kernel's: what its direct map has no addresses for.
///
/// Kernel: `enum zone_type` (include/linux/mmzone.h, 6.12).
/// Not modelled: memory in `ZONE_MOVABLE` and `ZONE_DEVICE`, which need a boot option or a device.
package enum ZoneKind: UInt8, BitwiseCopyable, Comparable, CaseIterable, Sendable {
  case dma = 0
  case dma32 = 1
  case normal = 2
  case highMem = 3
  case movable = 4

  static let count = 5

  /// The highest zone that `gfp` allows; lower ones stand in for it.
  ///
  /// Kernel: `gfp_zone()` (include/linux/gfp.h, 6.12). Where there is no high memory its place on the
  /// lists is empty, and the next lower zone is the highest.
  @inline(__always)
  package init(_ gfp: GFPFlags) {
    if gfp.contains(.dma) {
      self = .dma
    } else if gfp.contains(.dma32) {
      self = .dma32
    } else {
      self =
        gfp.contains(.highMem) ? (gfp.contains(.movable) ? .movable : .highMem) : .normal
    }
  }

  /// As `/proc/zoneinfo` spells it.
  package var name: String {
    switch self {
    case .dma: "DMA"
    case .dma32: "DMA32"
    case .normal: "Normal"
    case .highMem: "HighMem"
    case .movable: "Movable"
    }
  }

  /// The zones that a kernel for `architecture` has.
  package static func all(of architecture: Architecture) -> [ZoneKind] {
    allCases.filter {
      switch $0 {
      case .dma32: architecture.name.is64Bit
      case .highMem: !architecture.name.is64Bit
      default: true
      }
    }
  }

  package static func < (a: ZoneKind, b: ZoneKind) -> Bool { a.rawValue < b.rawValue }
}

extension PageAllocator {
  /// The highest zone that `gfp` allows on this machine's architecture.
  @inline(__always)
  func highestZone(_ gfp: GFPFlags) -> ZoneKind {
    let kind = ZoneKind(gfp)
    guard kind < .normal else { return kind }
    return (kind == .dma ? settings.hasDMA : settings.hasDMA32) ? kind : .normal
  }
}
