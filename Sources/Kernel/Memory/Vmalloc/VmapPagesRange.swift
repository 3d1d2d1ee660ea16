import Hardware
import Simulation

/// Writes an area's pages into the page table, whose missing tables it makes. Replies whether it
/// could.
///
/// The writes take no lock, since the addresses are the caller's; hanging in a table takes
/// `init_mm.page_table_lock`. arm64 must wait until an entry is seen, each time or
/// once a mapping. No TLB is told: what is not present is never remembered. But where a 2 MiB page
/// takes the place of a table of small ones, all must forget the way to that table.
///
/// Kernel: `vmap_pages_range()` → `vmap_small_pages_range_noflush()`, `__pte_alloc_kernel()`,
/// `__pmd_alloc()`, `vmap_try_huge_pmd()` (mm/vmalloc.c, mm/memory.c, 6.12), `pmd_free_pte_page()`
/// (arch/x86/mm/pgtable.c, 6.12).
package enum VmapPagesRange: Path {
  case start(ID<VmallocCall>)
  case written(ID<VmallocCall>)
  case waited
  case pageGot(ID<VmallocCall>)
  case locked(ID<VmallocCall>, PFN)
  case installed(ID<VmallocCall>)
  case unlocked(ID<VmallocCall>)
  case lost(ID<VmallocCall>, PFN)
  /// A table of small pages is out of the way.
  case flushed(ID<VmallocCall>, table: PFN)

  package static var name: PathName { .vmap_small_pages_range_noflush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call):
      if world.vmalloc.calls[call].source.isNone {
        let vm = world.vmalloc.calls[call].vm
        world.vmalloc.calls[call].chunk = world.vmalloc.vms[vm].firstChunk
      }
      return write(call, &world)
    case .written(let call):
      let record = world.vmalloc.calls[call]
      guard record.mapped == record.pages, world.waitsForPTEsOnce else {
        return write(call, &world)
      }
      return ask(.work(.pteWriteBarrier), then: .waited)
    case .waited: return .return(.bool(true))
    case .unlocked(let call): return write(call, &world)
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
    case .flushed(let call, let table): return freeTable(table, call, &world, cpu)
    }
  }

  /// Writes the entries of the next table, or asks for the page of a missing one.
  private mutating func write(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    let record = world.vmalloc.calls[call]
    guard record.mapped < record.pages else { return .return(.bool(true)) }
    let address = world.vmalloc.nextAddress(of: call)
    let size = record.leafSize
    guard world.vmalloc.pageTable.missingLevel(for: address, size) == nil else {
      return ask(
        .call(.allocPages(.start(order: .zero, gfp: tableGFP(record.gfp, world), node: .any))),
        then: .pageGot(call))
    }
    if size == .huge, let table = world.vmalloc.pageTable.removeTable(for: address) {
      let flush = FlushTLBKernelRange.tableOf(address)
      return ask(.call(.flushTLBKernelRange(flush)), then: .flushed(call, table: table))
    }
    guard let count = world.vmalloc.mapUpToTableEnd(call) else { return .return(.bool(false)) }
    return ask(
      .work(world.waitsForEachPTE ? .pteWriteBarrier : .pteWrite, times: count),
      then: .written(call))
  }

  /// Gives the page of a table back, at once or by a worker.
  private mutating func freeTable(
    _ table: PFN, _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !table.isNone else { return write(call, &world) }
    guard world.version.vmalloc.freesTablesLater else {
      return ask(.call(.freePages(.start(table, .zero))), then: .unlocked(call))
    }
    world.pages.chain(table, before: world.vmalloc.tablesToFree)
    let wasEmpty = world.vmalloc.tablesToFree.isNone
    world.vmalloc.tablesToFree = table
    guard wasEmpty else { return write(call, &world) }
    return ask(.queueWork(.freeKernelTables, on: cpu), then: .unlocked(call))
  }

  /// Table pages are GFP_KERNEL, limited by the scope that the caller's mask makes: of one that may
  /// not block they come from the reserves.
  ///
  /// Kernel: `memalloc_nofs_save()` and `memalloc_noio_save()` in `__vmalloc_area_node()` (5.17),
  /// `memalloc_apply_gfp_scope()` (mm/vmalloc.c, 7.0).
  private func tableGFP(_ gfp: GFPFlags, _ world: borrowing World) -> GFPFlags {
    var table: GFPFlags = [.kernel, .zero]
    guard world.version.vmalloc.honoursMask else { return table }
    guard gfp.allowsBlocking || !world.version.vmalloc.servesAtomicTasks else {
      return table.subtracting(.directReclaim).union(.memAlloc)
    }
    if !gfp.contains(.fs) { table.remove(.fs) }
    if !gfp.contains(.io) { table.remove(.io) }
    return table
  }
}

/// Frees the pages of tables that 2 MiB pages took the place of.
///
/// Kernel: `kernel_pgtable_work_func()` (mm/pgtable-generic.c, 6.19).
package enum FreeKernelTables: Path {
  case start
  case next(PFN)

  package static var name: PathName { .kernel_pgtable_work_func }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    var table = PFN.none
    switch self {
    case .start: (table, world.vmalloc.tablesToFree) = (world.vmalloc.tablesToFree, .none)
    case .next(let next): table = next
    }
    guard !table.isNone else { return .return() }
    let next = world.pages.next(of: table)
    return ask(.call(.freePages(.start(table, .zero))), then: .next(next))
  }
}

extension World {
  /// Whether an entry is waited for before it may be used, each or all of a mapping: on arm64.
  fileprivate var waitsForEachPTE: Bool {
    architecture.name == .arm64 && version.flush.waitsForEachPTE
  }
  fileprivate var waitsForPTEsOnce: Bool {
    architecture.name == .arm64 && !version.flush.waitsForEachPTE
  }
}

extension VmallocCall {
  var leafSize: PageTable.LeafSize { order == .zero ? .page : .huge }
}

extension VmallocState {
  func nextAddress(of call: VmallocCallID) -> Address {
    let record = calls[call]
    let start = record.vm.isNone ? record.address : vms[record.vm].address
    return start + Int(record.mapped) << 12
  }

  /// Hangs `page` in as the table that is missing next. Returns: false if none is by now.
  mutating func installTable(_ page: PFN, for call: VmallocCallID) -> Bool {
    let address = nextAddress(of: call)
    guard let level = pageTable.missingLevel(for: address, calls[call].leafSize) else {
      return false
    }
    statistics.tablePages += 1
    return pageTable.install(level: level, for: address, frame: page)
  }

  /// Maps on to the end of one table, or one large page. Returns: entries written; nil if one was
  /// not empty.
  mutating func mapUpToTableEnd(_ call: VmallocCallID) -> Int32? {
    let record = calls[call]
    let address = nextAddress(of: call)
    if record.order > .zero { return mapHuge(call, at: address) }
    let untilEnd = Int32(512 - Int(truncatingIfNeeded: address.raw >> 12) & 511)
    let count = min(record.pages - record.mapped, untilEnd)
    for index in 0..<count {
      let page = takeFrame(of: call, record.mapped + index)
      guard pageTable.set(address + Int(index) << 12, to: page, .page) else { return nil }
    }
    calls[call].mapped += count
    return count
  }

  /// The frame of page number `index`, which follows the one read before.
  private mutating func takeFrame(of call: VmallocCallID, _ index: Int32) -> PFN {
    guard calls[call].source.isNone else { return calls[call].source + Int(index) }
    var chunk = calls[call].chunk
    let page = vms.page(index, in: &chunk)
    calls[call].chunk = chunk
    return page
  }

  private mutating func mapHuge(_ call: VmallocCallID, at address: Address) -> Int32? {
    let mapped = calls[call].mapped
    let pages = Int32(calls[call].order.pageCount)
    let first = takeFrame(of: call, mapped)
    for index in 1..<pages { _ = takeFrame(of: call, mapped + index) }
    guard pageTable.set(address, to: first, .huge) else { return nil }
    calls[call].mapped += pages
    return 1
  }
}
