import Hardware
import Simulation

/// The pages of an area: a hundred at a time, and one by one once the bulk allocator gave fewer.
///
/// What was had is in the `vm_struct`. Kernel: `vm_area_alloc_pages()` (mm/vmalloc.c, 6.12).
package enum VmAreaAllocPages: Path {
  case start(ID<VmallocCall>)
  case bulkGot(ID<VmallocCall>, asked: Int32)
  case nextBulk(ID<VmallocCall>)
  case singleGot(ID<VmallocCall>)
  case nextSingle(ID<VmallocCall>)

  package static var name: PathName { .vm_area_alloc_pages }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call), .nextBulk(let call): return bulk(call, world)
    case .bulkGot(let call, let asked):
      let (first, count) = reply.pages
      let vm = world.vmalloc.calls[call].vm
      var page = first
      for _ in 0..<count {
        let next = world.pages.next(of: page)
        world.vmalloc.vms.append(page, to: vm)
        page = next
      }
      let place: Self = count == Int(asked) ? .nextBulk(call) : .nextSingle(call)
      return ask(.condResched, then: place)
    case .nextSingle(let call): return single(call, world)
    case .singleGot(let call):
      guard !reply.pfn.isNone else { return .return() }
      let record = world.vmalloc.calls[call]
      world.vmalloc.vms.append(reply.pfn, to: record.vm)
      guard record.gfp.allowsBlocking else { return single(call, world) }
      return ask(.condResched, then: .nextSingle(call))
    }
  }

  private func missing(_ call: ID<VmallocCall>, _ world: borrowing World) -> Int32 {
    let record = world.vmalloc.calls[call]
    return record.pages - world.vmalloc.vms[record.vm].pageCount
  }

  private func gfp(_ call: ID<VmallocCall>, _ world: borrowing World) -> GFPFlags {
    let gfp = world.vmalloc.calls[call].gfp.union(.noWarn)
    return gfp.isDisjoint(with: [.dma, .dma32]) ? gfp.union(.highMem) : gfp
  }

  private mutating func bulk(_ call: ID<VmallocCall>, _ world: borrowing World) -> Step {
    let missing = missing(call, world)
    guard missing > 0 else { return .return() }
    let asked = min(missing, world.version.vmalloc.bulkPagesMax)
    return ask(
      .call(
        .allocPagesBulk(
          .start(count: asked, gfp: gfp(call, world), node: world.vmalloc.calls[call].node))),
      then: .bulkGot(call, asked: asked))
  }

  private mutating func single(_ call: ID<VmallocCall>, _ world: borrowing World) -> Step {
    guard missing(call, world) > 0 else { return .return() }
    return ask(
      .call(
        .allocPages(
          .start(
            order: .zero, gfp: gfp(call, world), node: world.vmalloc.calls[call].node))),
      then: .singleGot(call))
  }
}

/// Writes an area's pages into the page table, whose missing tables it makes. Replies whether it
/// could.
///
/// The writes take no lock, since the addresses are the caller's; hanging in a table takes
/// `init_mm.page_table_lock`. No TLB is told: what is not present is never remembered.
///
/// Kernel: `vmap_pages_range()` → `vmap_small_pages_range_noflush()`, `__pte_alloc_kernel()`,
/// `__pmd_alloc()` (mm/vmalloc.c, mm/memory.c, 6.12).
package enum VmapPagesRange: Path {
  case start(ID<VmallocCall>)
  case written(ID<VmallocCall>)
  case pageGot(ID<VmallocCall>)
  case locked(ID<VmallocCall>, PFN)
  case installed(ID<VmallocCall>)
  case unlocked(ID<VmallocCall>)
  case lost(ID<VmallocCall>, PFN)

  package static var name: PathName { .vmap_small_pages_range_noflush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call):
      let vm = world.vmalloc.calls[call].vm
      world.vmalloc.calls[call].chunk = world.vmalloc.vms[vm].firstChunk
      return write(call, &world)
    case .written(let call), .unlocked(let call): return write(call, &world)
    case .pageGot(let call):
      guard !reply.pfn.isNone else { return .return(.bool(false)) }
      return ask(.acquire(world.vmalloc.pageTableLock), then: .locked(call, reply.pfn))
    case .locked(let call, let page):
      guard world.vmalloc.installTable(page, for: call) else {
        return ask(.release(world.vmalloc.pageTableLock), then: .lost(call, page))
      }
      return ask(.work(.tablePage), then: .installed(call))
    case .installed(let call):
      return ask(.release(world.vmalloc.pageTableLock), then: .unlocked(call))
    case .lost(let call, let page):
      return ask(.call(.freePages(.start(page, .zero))), then: .unlocked(call))
    }
  }

  /// Writes the entries of the next table, or asks for the page of a missing one.
  private mutating func write(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    let record = world.vmalloc.calls[call]
    guard record.mapped < record.pages else { return .return(.bool(true)) }
    let address = world.vmalloc.nextAddress(of: call)
    guard world.vmalloc.pageTable.missingLevel(for: address, .page) == nil else {
      return ask(
        .call(.allocPages(.start(order: .zero, gfp: tableGFP(record.gfp), node: .any))),
        then: .pageGot(call))
    }
    guard let count = world.vmalloc.mapUpToTableEnd(call) else { return .return(.bool(false)) }
    return ask(.work(.pteWrite, times: count), then: .written(call))
  }

  /// Table pages are GFP_KERNEL, limited by the scope that the caller's mask makes.
  ///
  /// Kernel: `memalloc_nofs_save()` and `memalloc_noio_save()` in `__vmalloc_area_node()` (5.17+).
  private func tableGFP(_ gfp: GFPFlags) -> GFPFlags {
    var table: GFPFlags = [.kernel, .zero]
    if !gfp.contains(.fs) { table.remove(.fs) }
    if !gfp.contains(.io) { table.remove(.io) }
    return table
  }
}

extension VmallocState {
  func nextAddress(of call: VmallocCallID) -> Address {
    vms[calls[call].vm].address + Int(calls[call].mapped) << 12
  }

  /// Hangs `page` in as the table that is missing next. Returns: false if none is by now.
  mutating func installTable(_ page: PFN, for call: VmallocCallID) -> Bool {
    let address = nextAddress(of: call)
    guard let level = pageTable.missingLevel(for: address, .page) else { return false }
    statistics.tablePages += 1
    return pageTable.install(level: level, for: address, frame: page)
  }

  /// Maps on to the end of one table. Returns: entries written; nil if one was not empty.
  mutating func mapUpToTableEnd(_ call: VmallocCallID) -> Int32? {
    let record = calls[call]
    let address = nextAddress(of: call)
    let untilEnd = Int32(512 - Int(truncatingIfNeeded: address.raw >> 12) & 511)
    let count = min(record.pages - record.mapped, untilEnd)
    var chunk = record.chunk
    for index in 0..<count {
      let page = vms.page(record.mapped + index, in: &chunk)
      guard pageTable.set(address + Int(index) << 12, to: page, .page) else { return nil }
    }
    calls[call].chunk = chunk
    calls[call].mapped += count
    return count
  }
}
