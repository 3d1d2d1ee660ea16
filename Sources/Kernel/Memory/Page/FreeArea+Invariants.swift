import Hardware

extension FreeArea {
  /// Walks all lists and says what is wrong, or nil. For tests and `--check-invariants`.
  ///
  /// - Complexity: O(free blocks). Finds a wrong record of a listed block, a wrong list, a wrong
  ///   count and buddies that should have merged; an overlap only where the smaller block's record
  ///   is inside a listed one.
  func checkInvariants(_ map: borrowing MemMap) -> String? {
    var (pages, reserved) = (fresh.blocks * MemMap.chunkPages, 0)
    for type in MigrateType.allCases {
      for order in 0...FreeArea.orderMax {
        let list = list(order, type)
        let isAny = blockCount(Order(order), type) > 0
        if isAny != (nonEmptyOrders(type) & 1 << UInt16(order) != 0) {
          return "order \(order) of \(type): the bit is wrong"
        }
        var block = list.first
        for _ in 0..<list.count {
          if let fault = fault(block, order, type, map) { return fault }
          block = map[block].next
        }
        if block != list.first { return "order \(order) of \(type): the count is wrong" }
        pages += Int(list.count) << order
        if type == .highAtomic { reserved += Int(list.count) << order }
      }
    }
    if pages != freePages { return "\(pages) pages are on lists, \(freePages) are counted" }
    if reserved != highAtomicPages { return "\(reserved) in reserve, \(highAtomicPages) counted" }
    return nil
  }

  private func fault(
    _ block: PFN, _ order: Int, _ type: MigrateType, _ map: borrowing MemMap
  ) -> String? {
    let record = map[block]
    let name = "page \(block.index), order \(order)"
    guard record.state == .free, record.order.index == order, record.zone == zone else {
      return "\(name): its record says \(record)"
    }
    if block.index & (1 << order - 1) != 0 { return "\(name) is not aligned" }
    if map[record.next].previous != block { return "\(name): the list is broken" }
    if order < MemMap.pageblockOrder, map.type(of: block) != type {
      return "\(name) is on the list of \(type)"
    }
    for page in block.index + 1..<block.index + 1 << order where map[PFN(page)].state == .free {
      return "\(name): page \(page) inside is free too"
    }
    guard order < FreeArea.orderMax else { return nil }
    let buddy = PFN(block.index ^ 1 << order)
    let other = map[buddy]
    guard other.state == .free, other.order.index == order, other.zone == zone else { return nil }
    let (a, b) = (map.type(of: block), map.type(of: buddy))
    let mayStay = order >= MemMap.pageblockOrder && a != b && !(a.isMergeable && b.isMergeable)
    return mayStay ? nil : "\(name): its buddy is free"
  }
}
