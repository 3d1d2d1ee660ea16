import Hardware
import Simulation

/// Calls of the vmalloc family with more to say than a size.
extension ProgramPath {
  func vmallocFrame(
    _ allocation: Allocation, _ size: UInt64, _ node: NodeID, _ world: borrowing World
  ) -> Frame {
    let pageSize = UInt64(world.architecture.pageSize)
    let pages = Int32(clamping: (size &+ pageSize &- 1) / pageSize)
    var flags = allocation.vmFlags
    if size % pageSize != 0 { flags.insert(.partialLastPage) }
    return .vmalloc(
      .start(
        pages: pages, gfp: allocation.gfp, node: node, flags: flags,
        alignShift: allocation.alignShift))
  }

  /// Maps the block of pages in a slot of the thread's own; without one nothing is mapped.
  func mappingFrame(
    _ allocation: Allocation, _ slot: Int, _ place: Int, _ id: ID<ProgramState.Activation>,
    _ world: inout World, _ cpu: CPUID
  ) -> Frame {
    let source = world.program.index(of: SlotRef(slot), id)
    let address = world.program.slots[source].address
    let order = Order(Int(world.program.note(of: source, address).order))
    world.program.notes[place] = ProgramState.SlotNote(
      size: UInt32(world.architecture.pageSize << order.index))
    if address == .null { world.complainOfStaleTouch(world.program.notes[source].freed, on: cpu) }
    let first = address == .null ? PFN.none : world.architecture.pfn(of: address)
    let count = first.isNone ? 0 : Int32(order.pageCount)
    return allocation.api == .vmap
      ? .vmap(.start(first: first, count: count)) : .vmMapRAM(.start(first: first, count: count))
  }
}
