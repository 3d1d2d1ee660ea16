import Hardware
import Kernel

extension Explainer {
  /// The way from an address to memory, level by level, as it is at boot; nil where the text is no
  /// number.
  package func address(_ text: String) -> Explanation? {
    let digits = text.lowercased().hasPrefix("0x") ? text.dropFirst(2) : text[...]
    guard let raw = UInt64(digits.filter { $0 != "_" }, radix: 16) else { return nil }
    let machine = Machine(boot)
    let walk = machine.world.walk(Address(raw))
    let spelled = "0x" + String(raw, radix: 16)
    var found = explanation("address \(spelled)", spelled)
    found.facts = [.init("region", .text(walk.region.rawValue))]
    if !walk.frame.isNone {
      found.facts += [
        .init("physical address", .text("0x" + String(walk.physical, radix: 16))),
        .init("page frame", .number(walk.frame.index)),
        .init("zone", .text(zone(of: walk.frame, machine.world.pages))),
      ]
    }
    guard walk.region != .other else {
      found.text = ["No memory and no vmalloc space: nothing that an allocator gives out."]
      return found
    }
    found.tables = [levels(raw, walk)]
    found.text = [
      walk.region == .linearMap
        ? "All memory is shown here at one distance: virt_to_phys() takes that off, and "
          + "vmalloc_to_page() of such an address is a mistake."
        : "Nothing is mapped at boot. vmalloc_to_page() reads these tables for each page; "
          + "virt_to_phys() of such an address is a mistake."
    ]
    return found
  }

  private func zone(of frame: PFN, _ pages: borrowing PageAllocator) -> String {
    for number in 0..<pages.zones.count {
      let zone = pages.zones[number]
      guard (zone.first..<zone.end).contains(frame.index) else { continue }
      return "node \(zone.node.index) \(zone.kind.name)"
    }
    return "none"
  }

  private func levels(_ raw: UInt64, _ walk: AddressWalk) -> Explanation.Table {
    let (count, roots) = (boot.architecture.tableLevels, boot.architecture.rootEntries)
    var table = Explanation.Table(["level", "index", "entry"])
    for level in stride(from: count, through: 1, by: -1) {
      let read = count - level + 1
      let shift = boot.architecture.pageShift + 9 * (level - 1)
      let entry =
        if read < walk.tablesRead {
          "table"
        } else if read > walk.tablesRead || walk.frame.isNone {
          "-"
        } else {
          walk.leaf == .huge ? "huge page" : "page"
        }
      table.rows.append([
        .text(level == count ? "pgd" : Explainer.levelNames[level - 1]),
        .number(
          Int(truncatingIfNeeded: raw >> UInt64(shift)) & ((level == count ? roots : 512) - 1)),
        .text(entry),
      ])
    }
    return table
  }

  /// From the lowest level up. Kernel: include/linux/pgtable.h.
  private static let levelNames = ["pte", "pmd", "pud", "p4d"]
}
