import Hardware
import Simulation

/// One line of /proc/vmallocinfo. Kernel: `vmalloc_info_show()` (mm/vmalloc.c, 6.12).
package struct VmallocInfo: Equatable, Sendable {
  package let start: UInt64
  package let end: UInt64
  /// An index into the names of the run; -1 where nobody said. Kernel: `caller`.
  package let caller: Int
  /// Pages owned.
  package let pages: Int
  /// The page array lies in vmalloc space too. Kernel: ` vpages`.
  package let hasVmallocedArray: Bool
  /// Kernel: `unpurged vm_area`.
  package let isLazy: Bool
  /// False for what vm_map_ram uses, and for what is lazy.
  package let hasOwner: Bool
}

extension VmallocState {
  /// The lines of /proc/vmallocinfo, in its order: node by node, then the lazy areas likewise.
  package func vmallocInfo() -> [VmallocInfo] {
    var lines: [VmallocInfo] = []
    for isLazy in [false, true] {
      for index in 0..<nodes.count {
        let node = nodes[VmapNodeID(index)]
        var area = isLazy ? node.lazy.first : node.busy.first
        while !area.isNone {
          lines.append(info(of: area, isLazy: isLazy || areas[area].isLazy))
          area = areas[area].next
        }
      }
    }
    return lines
  }

  private func info(of area: VmapAreaID, isLazy: Bool) -> VmallocInfo {
    let record = areas[area]
    let vm = isLazy || record.vm.isNone ? VmStruct() : vms[record.vm]
    return VmallocInfo(
      start: record.start, end: record.end, caller: Int(vm.caller), pages: Int(vm.pageCount),
      hasVmallocedArray: isVmalloc(vm.pagesArray), isLazy: isLazy,
      hasOwner: !isLazy && !record.vm.isNone)
  }

  /// Pages an area owns on each node: ` N0=4 N1=12`.
  package func pagesByNode(
    of address: Address, nodeCount: Int, node: (PFN) -> NodeID
  ) -> [Int] {
    var counts = [Int](repeating: 0, count: nodeCount)
    let home = nodes.node(of: address.raw)
    guard let area = areas.find(address.raw, in: nodes[home].busy).area else { return counts }
    let vm = areas[area].vm
    guard !vm.isNone else { return counts }
    var chunk = vms[vm].firstChunk
    for index in 0..<vms[vm].pageCount {
      counts[node(vms.page(index, in: &chunk)).index] += 1
    }
    return counts
  }

  /// Areas in use, and the pages they own.
  package var areaCount: Int { vms.all.liveCount }
  package var pageCount: Int { vms.pageCount }
  /// Where an address lies that is not in use: for the report of a bad free or access.
  package func isLazy(_ address: UInt64) -> Bool {
    (0..<nodes.count).contains {
      let node = nodes[VmapNodeID($0)]
      if let busy = areas.find(address, in: node.busy).area, areas[busy].isLazy { return true }
      return areas.find(address, in: node.lazy).area != nil
    }
  }
}
