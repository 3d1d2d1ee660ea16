/// Zones whose sizes are known, as from a recorded zoneinfo, and whose place does not matter.
extension ZoneLayout {
  /// Puts the zones one behind the other, each at a block of the largest order.
  ///
  /// Marks, reserves and list sizes follow from the sizes alone.
  package init(managed zones: [(node: NodeID, kind: ZoneKind, pages: Int)]) {
    let block = 1 << 10
    var place = 0
    let extents = zones.map { zone in
      defer { place += (zone.pages + block - 1) / block * block }
      return Extent(
        node: zone.node, kind: zone.kind, first: place, end: place + zone.pages,
        present: zone.pages, managed: zone.pages, firstManaged: place)
    }
    self.init(extents: extents, pageCount: place)
  }
}
