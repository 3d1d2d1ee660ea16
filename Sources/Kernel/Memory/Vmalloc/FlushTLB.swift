import Hardware
import Simulation

/// Makes every CPU forget a range of kernel addresses, and waits until all have.
///
/// How depends on the core. x86 interrupts all others, and each forgets up to 33 pages one by one,
/// above that everything (before 3.15 always); AMD's later cores are told by a broadcast and
/// interrupted by nobody. Arm broadcasts too: pages, or everything where there are too many; its
/// oldest core with more than one CPU interrupts, page by page however many there are.
///
/// Kernel: `flush_tlb_kernel_range()` (arch/x86/mm/tlb.c, 6.12, 6.18; arch/arm64/include/asm/tlbflush.h,
/// 6.12, 6.13; arch/arm/kernel/smp_tlb.c, 6.12).
package enum FlushTLBKernelRange: Path {
  /// `everything` pages are all there are.
  case start(Address, pages: UInt32)
  /// Less than a page, for what is remembered of the way to it.
  case tableOf(Address)
  /// A broadcast was sent: now for the wait that makes it true.
  case sent(Address, pages: UInt32)
  case awaited(Address, pages: UInt32)
  case answered(Address, pages: UInt32)
  case done

  static let everything = UInt32.max

  package static var name: PathName { .flush_tlb_kernel_range }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let pages):
      world.vmalloc.statistics.flushCalls += 1
      world.vmalloc.statistics.flushPages += UInt64(pages)
      return begin(address, world.flushedOneByOne(pages) ? pages : Self.everything, &world)
    case .tableOf(let address):
      world.vmalloc.statistics.flushCalls += 1
      return begin(address, 1, &world)
    case .sent(let address, let pages):
      guard world.architecture.name.isARM else {
        return ask(.work(.tlbsync), then: .answered(address, pages: pages))
      }
      return ask(.work(.tlbiSync), then: .awaited(address, pages: pages))
    case .awaited(let address, let pages):
      let others = Int32(world.layout.cpuCount)
      return ask(
        .work(.tlbiSyncCpu, times: others), then: .answered(address, pages: pages))
    case .answered(let address, let pages):
      world.tlbs.flushEverywhere(
        address, pages: Int(pages), everything: pages == Self.everything)
      guard world.cpuModel.hasErratum798181, world.version.flush.mendsErratum798181 else {
        return .return()
      }
      return ask(.call(.onEachCPU(.start(.nothing))), then: .done)
    case .done: return .return()
    }
  }

  private mutating func begin(
    _ address: Address, _ pages: UInt32, _ world: inout World
  ) -> Step {
    guard let operations = world.broadcastOperations(pages) else {
      let function: CallFunction =
        pages == Self.everything ? .flushTLBAll : .flushTLBRange(address, pages: pages)
      return ask(.call(.onEachCPU(.start(function))), then: .done)
    }
    world.vmalloc.statistics.broadcastOperations += UInt64(operations)
    let kind: Work = world.architecture.name.isARM ? .tlbi : .invlpgb
    return ask(.work(kind, times: operations), then: .sent(address, pages: pages))
  }
}

extension World {
  /// Whether a range is forgotten page by page.
  fileprivate func flushedOneByOne(_ pages: UInt32) -> Bool {
    switch architecture.name {
    case .x86_64, .x86_32: pages <= version.flush.ceiling
    case .arm32: true
    case .arm64:
      if version.flush.usesRangeTLBI {
        cpuModel.broadcast == .tlbi(ranges: true)
          ? pages <= 32 << 16 : pages < version.flush.tlbiMax
      } else {
        pages <= version.flush.tlbiMax
      }
    }
  }

  /// Instructions that a broadcast of `pages` takes; nil where interrupts do it.
  fileprivate func broadcastOperations(_ pages: UInt32) -> Int32? {
    switch cpuModel.broadcast {
    case .none: return nil
    case .invlpgb(let most):
      guard version.flush.usesINVLPGB, architecture.name == .x86_64 else { return nil }
      return pages == FlushTLBKernelRange.everything
        ? 1 : (Int32(pages) + Int32(most) - 1) / Int32(most)
    case .tlbi(let hasRanges):
      guard pages != FlushTLBKernelRange.everything else { return 1 }
      guard hasRanges, version.flush.usesRangeTLBI, architecture.name == .arm64 else {
        return Int32(pages)
      }
      return FlushRules.rangeOperations(pages)
    }
  }
}

extension FlushRules {
  /// Instructions for a range: one for an odd page, and one for each digit of the rest in base 32.
  ///
  /// Kernel: `__flush_tlb_range_op()` (arch/arm64/include/asm/tlbflush.h, 6.13).
  package static func rangeOperations(_ pages: UInt32) -> Int32 {
    var (count, rest) = (Int32(pages & 1), pages >> 1)
    while rest > 0 {
      if rest & 31 != 0 { count += 1 }
      rest >>= 5
    }
    return count
  }
}

/// One CPU forgets everything. Kernel: `do_flush_tlb_all()` (arch/x86/mm/tlb.c, 6.12).
package enum DoFlushTLBAll: Path {
  case start
  case flushed

  package static var name: PathName { .do_flush_tlb_all }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      return ask(.ahead(world.cpuModel.hasINVPCID ? .tlbFlushAll : .cr4Toggle), then: .flushed)
    case .flushed:
      world.counters.add(.nr_tlb_remote_flush_received)
      world.vmalloc.statistics.flushAllCPUs += 1
      world.tlbs.flushAll(on: cpu.index)
      return .return()
    }
  }
}

/// One CPU forgets a few pages; under PTI those that it knows from running processes as well.
///
/// Kernel: `do_kernel_range_flush()`, `flush_tlb_one_user()` (arch/x86/mm/tlb.c, 6.12).
package enum DoKernelRangeFlush: Path {
  case start(Address, pages: UInt32)
  case copyOfProcess(Address, pages: UInt32)
  case flushed(Address, pages: UInt32)

  package static var name: PathName { .do_kernel_range_flush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let pages):
      return ask(
        .work(.invlpg, times: Int32(pages)),
        then: world.hasPTI
          ? .copyOfProcess(address, pages: pages) : .flushed(address, pages: pages))
    case .copyOfProcess(let address, let pages):
      return ask(
        .work(.invpcidOne, times: Int32(pages)), then: .flushed(address, pages: pages))
    case .flushed(let address, let pages):
      world.counters.add(.nr_tlb_local_flush_one, UInt64(pages))
      world.vmalloc.statistics.rangeFlushCPUs += 1
      world.tlbs.flushRange(address, pages: Int(pages), on: cpu.index)
      return .return()
    }
  }
}
