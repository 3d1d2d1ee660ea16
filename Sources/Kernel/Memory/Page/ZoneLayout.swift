import Hardware

/// Which pages each zone of each node has. Policy: how an emulated machine's memory lies.
///
/// Nodes follow each other from address 0, with a hole below 4 GiB for devices; what lies below
/// 16 MiB is zone DMA, below 4 GiB DMA32, above Normal; a 32-bit kernel's direct map ends with
/// Normal, and above is HighMem. Of a node's highest zone with addresses the memory map is taken
/// off: 64 bytes a page, 32 on 32 bits. Of zone DMA the first MiB, which x86-64 keeps.
///
/// Kernel: `zone_sizes_init()` (arch/x86/mm/init.c), `free_area_init()` (mm/mm_init.c),
/// `reserve_real_mode()` (arch/x86/realmode/init.c, 6.12).
/// Not modelled: what firmware, kernel image, swiotlb and per-CPU areas take.
package struct ZoneLayout: Sendable {
  /// One populated zone of one node.
  package struct Extent: Sendable, Equatable {
    package var node: NodeID
    package var kind: ZoneKind
    /// The zone spans `first..<end`. Unit: page frame numbers.
    package var first: Int
    package var end: Int
    /// Pages of memory in it. Unit: pages.
    package var present: Int
    /// Pages the page allocator has, `firstManaged..<firstManaged + managed`.
    package var managed: Int
    package var firstManaged: Int
  }

  /// By node, and by kind within a node: the order of `/proc/zoneinfo`.
  package private(set) var extents: [Extent]
  /// One past the last page of the machine.
  package private(set) var pageCount: Int

  /// Pages of the first MiB, which no one is given, and those of them that are no memory at all:
  /// page 0 and the hole for devices.
  fileprivate static let lowReserved = 256
  fileprivate static let lowHole = 98
  /// Frames are numbered with 31 bits: of 8 TiB, what the hole pushes past them is left out.
  private static let pagesMax = 1 << 31 - 1024

  /// - Parameters:
  ///   - nodes: memory of each node. Unit: bytes.
  ///   - lowEnd: where the hole below 4 GiB begins. Unit: bytes.
  package init(nodes: [UInt64], architecture: Architecture, lowEnd: UInt64 = 3 << 30) {
    let shift = UInt64(architecture.pageShift)
    let ends = [
      (ZoneKind.dma, Int(architecture.zoneDMAEnd >> shift)),
      (.dma32, Int(architecture.zoneDMA32End >> shift)),
      (.normal, architecture.lowMemoryPages), (.highMem, Int.max),
    ]
    let hole = Int(lowEnd >> shift)..<Int((4 << 30) >> shift)
    let hasHole = architecture.hasDeviceHole
    var place = 0
    (extents, pageCount) = ([], 0)
    for (node, bytes) in nodes.enumerated() {
      var left = min(Int(bytes >> shift), ZoneLayout.pagesMax - place)
      let before = extents.count
      while left > 0 {
        if hasHole, place == hole.lowerBound { place = hole.upperBound }
        left = min(left, ZoneLayout.pagesMax - place)
        guard let (kind, end) = ends.first(where: { place < $0.1 }) else { break }
        let limit = hasHole && place < hole.lowerBound ? min(end, hole.lowerBound) : end
        let count = min(left, limit - place)
        extents.append(Extent(NodeID(node), kind, place, count))
        place += count
        left -= count
      }
      takeMemoryMap(of: before..<extents.count, architecture.pageRecordSize)
    }
    pageCount = place
  }

  /// Zones as given: for tests, and for machines whose zones are known exactly.
  package init(extents: [Extent], pageCount: Int) {
    (self.extents, self.pageCount) = (extents, pageCount)
  }

  /// On 32 bits it lies in the direct map, so the zone below high memory gives it.
  private mutating func takeMemoryMap(of zones: Range<Int>, _ bytesPerPage: Int) {
    guard let last = zones.last(where: { extents[$0].kind != .highMem }) else { return }
    let pages = extents[zones].reduce(0) { $0 + $1.present }
    let map = (pages * bytesPerPage + 4095) / 4096
    extents[last].managed -= min(map, extents[last].managed / 2)
  }

  /// Sets what a zone has, as a recorded `/proc/zoneinfo` says. Unit: pages.
  ///
  /// - Returns: false if the machine has no such zone or the zone not so many pages.
  package mutating func setManaged(_ node: NodeID, _ kind: ZoneKind, _ pages: Int) -> Bool {
    guard let place = extents.firstIndex(where: { $0.node == node && $0.kind == kind }),
      pages >= 0, pages <= extents[place].end - extents[place].firstManaged
    else { return false }
    extents[place].managed = pages
    return true
  }
}

extension ZoneLayout.Extent {
  fileprivate init(_ node: NodeID, _ kind: ZoneKind, _ first: Int, _ count: Int) {
    (self.node, self.kind, self.first, self.end) = (node, kind, first, first + count)
    (present, managed, firstManaged) = (count, count, first)
    guard first == 0 else { return }
    let reserved = min(ZoneLayout.lowReserved, count)
    self.first = min(1, count)
    present = count - min(ZoneLayout.lowHole, count)
    (managed, firstManaged) = (count - reserved, reserved)
  }
}
