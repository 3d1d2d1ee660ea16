import Hardware
import Kernel

/// What a test of lib/test_vmalloc.c does again and again, and what it builds up before.
///
/// Kernel: `fix_size_alloc_test()` and its like (lib/test_vmalloc.c; 5.10, 7.0). Each touches the
/// first byte of what it got, but for those that have it zeroed.
package enum VmallocLoop: Hashable, Sendable {
  /// An area of so many pages, mapped by 2 MiB where that is allowed and large enough.
  case fixSize(pages: Int, huge: Bool = false)
  /// One page, beside as many areas of one page as may be lazy, each second of which is gone.
  case fullFit
  /// 100 pages and one, beside 15,000 areas of one page.
  case longBusyList
  /// 1 to 100 pages.
  case randomSize
  /// 1 to 10 zeroed pages, aligned to a power of two up to 4 MiB.
  case randomSizeAlign
  /// Five zeroed pages, aligned to twice what a kernel stack is.
  case fixAlign
  case vmMapRAM(pages: Int)
  /// The same loop by vmap, and by vm_map_ram, with each line of the pages touched. Of no test of the
  /// module: N. Piggin's, for the rewrite of 2.6.28.
  case vmap(pages: Int)
  case vmMapRAMTouched(pages: Int)

  /// By the name and size that a table gives it; nil for tests that are not run.
  package init?(_ figure: String, pages: Int) {
    switch figure {
    case "fix_size": self = .fixSize(pages: pages)
    case "fix_size huge": self = .fixSize(pages: pages, huge: true)
    case "full_fit": self = .fullFit
    case "long_busy_list": self = .longBusyList
    case "random_size": self = .randomSize
    case "random_size_align": self = .randomSizeAlign
    case "fix_align": self = .fixAlign
    case "vm_map_ram": self = .vmMapRAM(pages: pages)
    default: return nil
    }
  }

  /// Pages that are lazy once a turn is over, the guard pages counted, on average.
  var lazyPages: Double {
    switch self {
    case .fixSize(let pages, _): Double(pages + 1)
    case .fullFit: 2
    case .longBusyList: 103
    case .randomSize: 51.5
    case .randomSizeAlign: 6.5
    case .fixAlign: 6
    case .vmMapRAM(let pages), .vmMapRAMTouched(let pages): Double(pages)
    case .vmap(let pages): Double(pages + 1)
    }
  }
}

/// Loops as a workload: built up, done `warmup` times, counted, done `turns` times, counted again; by
/// each thread for itself.
struct VmallocProgram {
  private(set) var program = Program()
  private static let (a, b, source, pool) = (SlotRef(0), SlotRef(1), 2, 3)
  private let build: Build
  /// Areas that the pool holds so far; where the one that is being filled begins.
  private var slotCount = Self.pool

  /// How much tests build up, and align to.
  struct Build {
    /// Areas of full_fit, of which it keeps half. Kernel: `junk_length`, twice.
    var fullFit: Int
    /// Areas of long_busy_list.
    var longBusyList = 15_000
    /// log 2 of the alignment of fix_align. Kernel: `THREAD_ALIGN << 1`.
    var threadAlignShift: UInt8 = 15
  }

  init(_ loops: [VmallocLoop], on cpus: [Int], warmup: Int, turns: Int, _ build: Build) {
    self.build = build
    program.operations = ["vmalloc", "vfree", "touch"]
    program.counters = ["marks"]
    program.sites = ["loop"]
    for loop in loops { buildUp(loop) }
    for count in [warmup, turns] {
      for loop in loops { repeated(count) { $0.turn(loop) } }
      program.code.append(.count(0))
    }
    program.code.append(.end)
    program.groups = [.init(name: "loop", first: 0, count: cpus.count)]
    program.threads = cpus.enumerated().map { index, cpu in
      .init(name: "loop/\(cpu)", cpu: cpu, group: 0, index: index, entry: 0, slotCount: slotCount)
    }
  }

  private mutating func buildUp(_ loop: VmallocLoop) {
    switch loop {
    case .fullFit:
      let first = SlotRef(slotCount)
      fill(build.fullFit)
      repeated(build.fullFit / 2) {
        $0.program.code.append(.pickNext(first, count: Int32($0.build.fullFit)))
        $0.program.code.append(.pickNext(first, count: Int32($0.build.fullFit)))
        $0.program.code.append(.free(.vfree, .picked, operation: 1))
      }
    case .longBusyList: fill(build.longBusyList)
    case .vmMapRAM(let pages), .vmMapRAMTouched(let pages), .vmap(let pages):
      allocate(.allocPages, UInt64(pages.trailingZeroBitCount), into: SlotRef(Self.source))
    default: break
    }
  }

  private mutating func fill(_ count: Int) {
    let first = SlotRef(slotCount)
    slotCount += count
    repeated(count) {
      $0.program.code.append(.pickNext(first, count: Int32(count)))
      $0.allocate(.vmalloc, 4096, into: .picked)
    }
  }

  private mutating func turn(_ loop: VmallocLoop) {
    switch loop {
    case .fixSize(let pages, let huge):
      allocate(.vmalloc, UInt64(pages) << 12, huge: huge)
      touchAndFree(Self.a)
    case .fullFit:
      allocate(.vmalloc, 4096)
      touchAndFree(Self.a)
    case .longBusyList:
      allocate(.vmalloc, 100 << 12)
      allocate(.vmalloc, 1 << 12, into: Self.b)
      touch(Self.a)
      touchAndFree(Self.b)
      program.code.append(.free(.vfree, Self.a, operation: 1))
    case .randomSize:
      allocate(.vmalloc, .uniform(from: 1, through: 100 << 12))
      touchAndFree(Self.a)
    case .randomSizeAlign: alignedAtRandom()
    case .fixAlign:
      allocate(.vmalloc, 5 << 12, gfp: [.kernel, .zero], alignShift: build.threadAlignShift)
      program.code.append(.free(.vfree, Self.a, operation: 1))
    case .vmMapRAM: mapping(.vmMapRAM, .vmUnmapRAM, stride: 1 << 30)
    case .vmMapRAMTouched: mapping(.vmMapRAM, .vmUnmapRAM, stride: 64)
    case .vmap: mapping(.vmap, .vunmap, stride: 64)
    }
  }

  private mutating func mapping(_ api: Allocation.API, _ free: FreeAPI, stride: Int32) {
    allocate(api, UInt64(Self.source))
    program.code.append(.touch(Self.a, stride: stride, operation: 2))
    program.code.append(.free(free, Self.a, operation: 1))
  }

  /// One random byte chooses both: its remainders by 23 and by 10.
  private mutating func alignedAtRandom() {
    let chooser = program.code.count
    program.code.append(.end)
    var (choice, ends) = (Choice(places: [], weights: []), [Int]())
    for byte in 0..<256 {
      choice.places.append(program.code.count)
      choice.weights.append(1)
      allocate(
        .vmalloc, UInt64(byte % 10 + 1) << 12, gfp: [.kernel, .zero],
        alignShift: UInt8(max(byte % 23, 12)))
      ends.append(program.code.count)
      program.code.append(.end)
    }
    for end in ends { program.code[end] = .jump(Int32(program.code.count)) }
    program.code[chooser] = .choose(Int32(program.choices.count))
    program.choices.append(choice)
    program.code.append(.free(.vfree, Self.a, operation: 1))
  }

  // MARK: Ops

  private mutating func allocate(
    _ api: Allocation.API, _ size: UInt64, gfp: GFPFlags = .kernel, alignShift: UInt8 = 12,
    huge: Bool = false, into slot: SlotRef = Self.a
  ) {
    allocate(
      api, .constant(size), gfp: gfp, alignShift: alignShift, huge: huge, into: slot)
  }

  private mutating func allocate(
    _ api: Allocation.API, _ size: Distribution, gfp: GFPFlags = .kernel, alignShift: UInt8 = 12,
    huge: Bool = false, into slot: SlotRef = Self.a
  ) {
    program.code.append(.allocate(Int32(program.allocations.count), into: slot))
    program.allocations.append(
      Allocation(
        api: api, size: Int32(program.distributions.count), gfp: gfp,
        vmFlags: huge ? .allowsHuge : [], alignShift: alignShift, operation: 0))
    program.distributions.append(size)
  }

  private mutating func touch(_ slot: SlotRef) {
    program.code.append(.touch(slot, stride: 1 << 30, operation: 2))
  }

  private mutating func touchAndFree(_ slot: SlotRef) {
    touch(slot)
    program.code.append(.free(.vfree, slot, operation: 1))
  }

  private mutating func repeated(_ count: Int, _ body: (inout Self) -> Void) {
    program.code.append(.repeatBegin(depth: 0, count: Int32(count)))
    let begin = Int32(program.code.count)
    body(&self)
    program.code.append(.repeatEnd(depth: 0, begin: begin))
  }
}
