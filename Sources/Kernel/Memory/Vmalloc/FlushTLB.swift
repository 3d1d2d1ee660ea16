import Hardware
import Simulation

/// Makes every CPU forget a range of kernel addresses, and waits until all have.
///
/// Up to 33 pages each CPU forgets page by page, above that everything; before 3.15, everything.
///
/// Kernel: `flush_tlb_kernel_range()` (arch/x86/mm/tlb.c, 6.12). Not modelled: PTI's second copy.
package enum FlushTLBKernelRange: Path {
  case start(Address, pages: UInt32)
  /// Less than a page, for what is remembered of the way to it.
  case tableOf(Address)
  case done

  package static var name: PathName { .flush_tlb_kernel_range }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let pages):
      world.vmalloc.statistics.flushCalls += 1
      world.vmalloc.statistics.flushPages += UInt64(pages)
      let function: CallFunction =
        pages > world.version.vmalloc.flushCeiling
        ? .flushTLBAll : .flushTLBRange(address, pages: UInt8(pages))
      return ask(.call(.onEachCPU(.start(function))), then: .done)
    case .tableOf(let address):
      world.vmalloc.statistics.flushCalls += 1
      return ask(.call(.onEachCPU(.start(.flushTLBRange(address, pages: 1)))), then: .done)
    case .done: return .return()
    }
  }
}

/// One CPU forgets everything. Kernel: `do_flush_tlb_all()` (arch/x86/mm/tlb.c, 6.12).
package enum DoFlushTLBAll: Path {
  case start
  case flushed

  package static var name: PathName { .do_flush_tlb_all }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return ask(.work(.tlbFlushAll), then: .flushed)
    case .flushed:
      world.counters.add(.nr_tlb_remote_flush_received)
      world.vmalloc.statistics.flushAllCPUs += 1
      world.tlbs.flushAll(on: cpu.index)
      return .return()
    }
  }
}

/// One CPU forgets a few pages. Kernel: `do_kernel_range_flush()` (arch/x86/mm/tlb.c, 6.12).
package enum DoKernelRangeFlush: Path {
  case start(Address, pages: UInt8)
  case flushed(Address, pages: UInt8)

  package static var name: PathName { .do_kernel_range_flush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let pages):
      return ask(
        .work(.invlpg, times: Int32(pages)), then: .flushed(address, pages: pages))
    case .flushed(let address, let pages):
      world.counters.add(.nr_tlb_local_flush_one, UInt64(pages))
      world.vmalloc.statistics.rangeFlushCPUs += 1
      for page in 0..<Int(pages) { world.tlbs.flushOne(address + page << 12, on: cpu.index) }
      return .return()
    }
  }
}
