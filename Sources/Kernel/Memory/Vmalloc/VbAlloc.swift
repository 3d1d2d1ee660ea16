import Hardware
import Simulation

/// Addresses out of a block: the first of this CPU's that has room, or a new one.
///
/// Kernel: `vb_alloc()` (mm/vmalloc.c, 6.12).
package enum VbAlloc: Path {
  case start(ID<VmallocCall>)
  case locked(ID<VmallocCall>, ID<VmapBlock>)
  case queueLocked(Address, ID<VmapBlock>)
  case queueUnlocked(Address, ID<VmapBlock>)
  case unlocked(Address)
  case missed(ID<VmallocCall>, ID<VmapBlock>)
  case newBlock

  package static var name: PathName { .vb_alloc }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call):
      return look(call, from: world.vmalloc.blocks.queues[cpu.index].first, &world)
    case .locked(let call, let block): return take(call, block, &world)
    case .queueLocked(let address, let block):
      let lock = world.vmalloc.blocks.queues[Int(world.vmalloc.blocks[block].cpu)].lock
      return ask(.release(lock), then: .queueUnlocked(address, block))
    case .queueUnlocked(let address, let block):
      return ask(.release(world.vmalloc.blocks[block].lock), then: .unlocked(address))
    case .unlocked(let address): return .return(.address(address))
    case .missed(let call, let block):
      // What it was waited for is gone: the list is looked through anew.
      world.finishDrop(block)
      return look(call, from: world.vmalloc.blocks.queues[cpu.index].first, &world)
    case .newBlock: return .return(reply)
    }
  }

  private mutating func look(
    _ call: ID<VmallocCall>, from block: ID<VmapBlock>, _ world: inout World
  ) -> Step {
    let pages = world.vmalloc.calls[call].blockPages
    let block = world.vmalloc.blocks.withRoom(pages, from: block)
    guard !block.isNone else {
      return ask(.call(.newVmapBlock(.start(call))), then: .newBlock)
    }
    return ask(.acquire(world.vmalloc.blocks[block].lock), then: .locked(call, block))
  }

  private mutating func take(
    _ call: ID<VmallocCall>, _ block: ID<VmapBlock>, _ world: inout World
  ) -> Step {
    let record = world.vmalloc.blocks[block]
    let pages = world.vmalloc.calls[call].blockPages
    guard let first = world.vmalloc.blocks.take(pages, of: block) else {
      return ask(.release(record.lock), then: .missed(call, block))
    }
    let start = Address(world.vmalloc.areas[record.area].start)
    let address = start + Int(first) << 12
    guard world.vmalloc.blocks[block].free == 0 else {
      return ask(.release(record.lock), then: .unlocked(address))
    }
    let queueLock = world.vmalloc.blocks.queues[Int(record.cpu)].lock
    return ask(.acquire(queueLock), then: .queueLocked(address, block))
  }
}

/// A new block, and the first pages of it. Replies with their address, or null.
///
/// Kernel: `new_vmap_block()` (mm/vmalloc.c, 6.12).
package enum NewVmapBlock: Path {
  case start(ID<VmallocCall>)
  case objectGot(ID<VmallocCall>)
  case areaGot(ID<VmallocCall>, inner: ID<VmallocCall>)
  case queueLocked(ID<VmapBlock>)
  case queueUnlocked(ID<VmapBlock>)
  case undone

  package static var name: PathName { .new_vmap_block }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call):
      let bytes = world.vmalloc.blocks.recordBytes(world.version.vmalloc)
      return ask(
        .call(.kmalloc(.start(size: bytes, gfp: .kernel, node: .any))), then: .objectGot(call))
    case .objectGot(let call):
      guard reply.address != .null else { return .return(.address(.null)) }
      let pages = world.vmalloc.blocks.pageCount
      var area = VmallocCall(
        pages: pages, gfp: .kernel, node: .any, flags: .noGuard,
        alignShift: UInt8(12 + pages.trailingZeroBitCount))
      area.object = reply.address
      let inner = world.vmalloc.calls.take(area)
      return ask(
        .call(world.vmalloc.addressSearch(inner)), then: .areaGot(call, inner: inner))
    case .areaGot(let call, let inner):
      let (area, object) = (world.vmalloc.calls[inner].area, world.vmalloc.calls[inner].object)
      world.vmalloc.calls.give(inner)
      guard reply.bool else { return ask(.call(.kfree(.start(object))), then: .undone) }
      let block = world.makeBlock(area, object, world.vmalloc.calls[call].blockPages, on: cpu)
      let lock = world.vmalloc.blocks.queues[cpu.index].lock
      return ask(.acquire(lock), then: .queueLocked(block))
    case .queueLocked(let block):
      let owner = Int(world.vmalloc.blocks[block].cpu)
      world.vmalloc.blocks.list(block, of: owner)
      return ask(
        .release(world.vmalloc.blocks.queues[owner].lock), then: .queueUnlocked(block))
    case .queueUnlocked(let block):
      return .return(.address(world.vmalloc.start(of: block)))
    case .undone: return .return(.address(.null))
    }
  }
}

/// Unmaps pages of a block; with the last of them the block goes.
///
/// Kernel: `vb_free()` (mm/vmalloc.c, 6.12).
package enum VbFree: Path {
  case start(Address, pages: Int32)
  case found(Address, pages: Int32)
  case unmapped(ID<VmapBlock>, first: Int32, pages: Int32)
  case locked(ID<VmapBlock>, first: Int32, pages: Int32)
  case unlocked(ID<VmapBlock>)
  case done

  package static var name: PathName { .vb_free }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address, let pages):
      // The block is found by its address, without a lock.
      return ask(.work(.vmapLine, times: 2), then: .found(address, pages: pages))
    case .found(let address, let pages):
      let block = world.vmalloc.block(at: address)
      guard !block.isNone else {
        world.complain(
          .badFree, "vm_unmap_ram() of \(hex(address)), which is in no block", on: cpu)
        return .return()
      }
      let first = Int32((address.raw - world.vmalloc.start(of: block).raw) >> 12)
      return ask(
        .call(.vunmapRange(.start(address, pages: pages))),
        then: .unmapped(block, first: first, pages: VmallocCall.blockPages(of: pages)))
    case .unmapped(let block, let first, let pages):
      let lock = world.vmalloc.blocks[block].lock
      return ask(.acquire(lock), then: .locked(block, first: first, pages: pages))
    case .locked(let block, let first, let pages):
      let isSpent = world.vmalloc.blocks.give(pages, at: first, to: block)
      let lock = world.vmalloc.blocks[block].lock
      return isSpent
        ? ask(.release(lock), then: .unlocked(block)) : ask(.release(lock), then: .done)
    case .unlocked(let block):
      return ask(.call(.freeVmapBlock(.start(block))), then: .done)
    case .done: return .return()
    }
  }
}

/// Frees a block's area lazily, and its record after a grace period.
///
/// Kernel: `free_vmap_block()` (mm/vmalloc.c, 6.12).
package enum FreeVmapBlock: Path {
  case start(ID<VmapBlock>)
  case busyLocked(ID<VmapBlock>)
  case unlinked(ID<VmapBlock>)
  case unlocked(ID<VmapBlock>)
  case areaFreed(Address)
  case done

  package static var name: PathName { .free_vmap_block }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let block):
      guard world.version.vmalloc.unlinksAtOnce else { return freeArea(block, &world) }
      let lock = world.vmalloc.busyLock(world.vmalloc.busyNode(of: block))
      return ask(.acquire(lock), then: .busyLocked(block))
    case .busyLocked(let block):
      let node = world.vmalloc.busyNode(of: block)
      let area = world.vmalloc.blocks[block].area
      world.vmalloc.areas.remove(area, from: &world.vmalloc.nodes[node].busy)
      return ask(.work(.treeStep), then: .unlinked(block))
    case .unlinked(let block):
      let lock = world.vmalloc.busyLock(world.vmalloc.busyNode(of: block))
      return ask(.release(lock), then: .unlocked(block))
    case .unlocked(let block): return freeArea(block, &world)
    case .areaFreed(let object):
      return ask(
        .call(.kvfreeCallRCU(.start(object, mightSleep: false))), then: .done)
    case .done: return .return()
    }
  }

  private mutating func freeArea(_ block: ID<VmapBlock>, _ world: inout World) -> Step {
    let record = world.vmalloc.blocks[block]
    world.dropBlock(block)
    return ask(
      .call(.freeVmapAreaNoflush(.start(record.area))), then: .areaFreed(record.object))
  }
}

extension VmallocCall {
  /// What a mapping takes of a block: a power of two. Unit: pages. Kernel: `get_order()`.
  var blockPages: Int32 { VmallocCall.blockPages(of: pages) }
  static func blockPages(of pages: Int32) -> Int32 {
    pages <= 1 ? 1 : 1 << (Int32.bitWidth - (pages - 1).leadingZeroBitCount)
  }
}

extension VmallocState {
  func start(of block: ID<VmapBlock>) -> Address { Address(areas[blocks[block].area].start) }

  func busyNode(of block: ID<VmapBlock>) -> VmapNodeID {
    nodes.node(of: areas[blocks[block].area].start)
  }

  /// The block around an address. Kernel: `xa_load()` of `addr_to_vb_idx()`.
  func block(at address: Address) -> ID<VmapBlock> {
    let size = UInt64(blocks.pageCount) << 12
    let start = address.raw & ~(size - 1)
    guard let area = areas.find(start, in: nodes[nodes.node(of: start)].busy).area else {
      return .none
    }
    return areas[area].block
  }
}

extension World {
  mutating func makeBlock(
    _ area: VmapAreaID, _ object: Address, _ taken: Int32, on cpu: CPUID
  ) -> ID<VmapBlock> {
    var block = VmapBlock()
    (block.area, block.object, block.cpu) = (area, object, Int32(cpu.index))
    block.free = vmalloc.blocks.pageCount - taken
    block.dirtyMin = vmalloc.blocks.pageCount
    block.lock = locks.make(.vmapBlock, named: vmalloc.blocks.lockName, line: lines.make())
    let id = vmalloc.blocks.all.take(block)
    vmalloc.areas[area].block = id
    return id
  }

  mutating func dropBlock(_ block: ID<VmapBlock>) {
    vmalloc.areas[vmalloc.blocks[block].area].block = .none
    vmalloc.blocks[block].area = .none
    vmalloc.blocks[block].isDropped = true
    finishDrop(block)
  }

  /// Gives the record of a dropped block back as soon as nobody has its lock.
  mutating func finishDrop(_ block: ID<VmapBlock>) {
    let record = vmalloc.blocks[block]
    guard record.isDropped, !locks.isHeld(record.lock) else { return }
    locks.give(record.lock, lines: &lines)
    vmalloc.blocks.all.give(block)
  }
}
