import Hardware
import Simulation

/// The pages of an area, written down in its `vm_struct`: fewer than asked for if it must be.
///
/// Small pages come one by one to 5.12; then a hundred at a time where a node is named, from 5.17 on
/// for all, and one by one once the bulk allocator gave fewer; pages of
/// 2 MiB come block by block. From 6.19 on larger blocks than are mapped are tried before, the
/// largest that fits what is missing, without trying hard; one that cannot be had lowers what is
/// tried for good. All blocks are split into small pages, which vfree gives back one by one.
///
/// Kernel: `vm_area_alloc_pages()` (mm/vmalloc.c, 6.12; large orders first: 7.0).
package enum VmAreaAllocPages: Path {
  case start(ID<VmallocCall>)
  case largeGot(ID<VmallocCall>, Order)
  case largeSplit(ID<VmallocCall>)
  case bulkGot(ID<VmallocCall>, asked: Int32)
  case nextBulk(ID<VmallocCall>)
  case singleGot(ID<VmallocCall>)
  case singleSplit(ID<VmallocCall>)
  case nextSingle(ID<VmallocCall>)

  package static var name: PathName { .vm_area_alloc_pages }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call), .largeSplit(let call): return large(call, &world)
    case .largeGot(let call, let order):
      guard !reply.pfn.isNone else {
        world.vmalloc.calls[call].orderMax = Order(order.index - 1)
        return large(call, &world)
      }
      return split(reply.pfn, order, call, then: .largeSplit(call), &world)
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
    case .nextBulk(let call): return bulk(call, world)
    case .nextSingle(let call): return single(call, world)
    case .singleGot(let call):
      guard !reply.pfn.isNone else { return .return() }
      let order = world.vmalloc.calls[call].order
      guard order == .zero else {
        return split(reply.pfn, order, call, then: .singleSplit(call), &world)
      }
      world.vmalloc.vms.append(reply.pfn, to: world.vmalloc.calls[call].vm)
      return yield(call, &world)
    case .singleSplit(let call): return yield(call, &world)
    }
  }

  private mutating func yield(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    guard world.vmalloc.calls[call].gfp.allowsBlocking else { return single(call, world) }
    return ask(.condResched, then: .nextSingle(call))
  }

  private func missing(_ call: ID<VmallocCall>, _ world: borrowing World) -> Int32 {
    let record = world.vmalloc.calls[call]
    return record.pages - world.vmalloc.vms[record.vm].pageCount
  }

  private func gfp(_ call: ID<VmallocCall>, _ world: borrowing World) -> GFPFlags {
    let record = world.vmalloc.calls[call]
    var gfp = record.gfp.union(.noWarn)
    if record.order > .zero { gfp.remove(.noFail) }
    return gfp.isDisjoint(with: [.dma, .dma32]) ? gfp.union(.highMem) : gfp
  }

  /// Asks for the largest block that fits what is missing, or goes on with what is mapped as one.
  private mutating func large(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    let (record, missing) = (world.vmalloc.calls[call], missing(call, world))
    guard missing > 0 else { return .return() }
    let order = min(record.orderMax, Order(Int32.bitWidth - 1 - missing.leadingZeroBitCount))
    guard world.version.vmalloc.triesLargeOrders, order > record.order else {
      return record.order == .zero && world.usesBulk(record)
        ? bulk(call, world) : single(call, world)
    }
    let gfp = gfp(call, world).subtracting([.directReclaim, .noFail])
    return ask(
      .call(.allocPages(.start(order: order, gfp: gfp, node: record.node))),
      then: .largeGot(call, order))
  }

  private mutating func split(
    _ block: PFN, _ order: Order, _ call: ID<VmallocCall>, then place: Self, _ world: inout World
  ) -> Step {
    world.pages.split(block, order)
    let vm = world.vmalloc.calls[call].vm
    for page in 0..<order.pageCount { world.vmalloc.vms.append(block + page, to: vm) }
    // A write of each page's reference count, in records of 64 bytes: a line a page. Kernel:
    // `split_page()` (mm/page_alloc.c, 6.12).
    return ask(.work(.vmapLine, times: Int32(order.pageCount)), then: place)
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
    let record = world.vmalloc.calls[call]
    return ask(
      .call(
        .allocPages(.start(order: record.order, gfp: gfp(call, world), node: record.node))),
      then: .singleGot(call))
  }
}

extension World {
  /// Whether small pages come from the bulk allocator.
  func usesBulk(_ call: VmallocCall) -> Bool {
    switch version.vmalloc.bulkUse {
    case .none: false
    case .ofNode: call.node != .any
    case .all: true
    }
  }
}
