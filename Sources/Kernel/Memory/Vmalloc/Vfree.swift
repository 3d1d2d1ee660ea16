import Hardware
import Simulation

/// Gives an area back: unmapped at once, its addresses later, its pages now, one by one.
///
/// In an interrupt, or with bottom halves off, it only puts the address on this CPU's list for
/// `DelayedVfreeWork`. With preemption off it complains, and goes on.
///
/// Kernel: `vfree()`, `vfree_atomic()` (mm/vmalloc.c, 6.12).
/// Not modelled: VM_FLUSH_RESET_PERMS, memcg accounting.
package enum Vfree: Path {
  case start(Address)
  case listed(Address)
  case queued
  case removed(Address)
  case freeing(VmStructID, taken: Int32)
  case resched(VmStructID, taken: Int32)
  case pagesCounted(VmStructID)
  case arrayFreed(VmStructID)
  case done

  package static var name: PathName { .vfree }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address): return begin(address, &world, cpu)
    case .listed(let address):
      world.vmalloc.statistics.deferredFrees += 1
      guard world.vmalloc.deferred.push(address, on: cpu.index) else { return .return() }
      return ask(.queueWork(.delayedVfree, on: cpu), then: .queued)
    case .queued, .done: return .return()
    case .removed(let address):
      guard reply.number >= 0 else { return complain(address, &world, cpu) }
      return freePage(VmStructID(reply.number), 0, &world)
    case .freeing(let vm, let taken):
      return ask(.condResched, then: .resched(vm, taken: taken))
    case .resched(let vm, let taken): return freePage(vm, taken, &world)
    case .pagesCounted(let vm):
      let array = world.vmalloc.vms[vm].pagesArray
      guard world.vmalloc.isVmalloc(array) else {
        return ask(.call(.kfree(.start(array))), then: .arrayFreed(vm))
      }
      return ask(.call(.vfree(.start(array))), then: .arrayFreed(vm))
    case .arrayFreed(let vm):
      let object = world.vmalloc.vms[vm].object
      world.vmalloc.vms.give(vm)
      return ask(.call(.kfree(.start(object))), then: .done)
    }
  }

  private mutating func begin(
    _ address: Address, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    if world.cpus[cpu].preemptCount.inNMI {
      world.complain(.badContext, "vfree in an NMI is BUG_ON(in_nmi())", on: cpu)
      return .return()
    }
    guard !world.cpus[cpu].preemptCount.inInterrupt else {
      return address == .null
        ? .return() : ask(.work(.listEdit), then: .listed(address))
    }
    world.mightSleep(on: cpu, "vfree may sleep: free after the lock, or use vfree_atomic")
    guard address != .null else { return .return() }
    guard world.vmalloc.isVmalloc(address) else { return complain(address, &world, cpu) }
    guard address.raw & 4095 == 0 else {
      world.complain(.badFree, "Trying to vfree() bad address \(hex(address))", on: cpu)
      return .return()
    }
    return ask(.call(.removeVMArea(.start(address))), then: .removed(address))
  }

  private mutating func freePage(
    _ vm: VmStructID, _ taken: Int32, _ world: inout World
  ) -> Step {
    guard let page = world.vmalloc.vms.takePage(of: vm, taken: taken) else {
      return ask(.touch(world.vmalloc.pageCountLine), then: .pagesCounted(vm))
    }
    return ask(
      .call(.freePages(.start(page, .zero))), then: .freeing(vm, taken: taken + 1))
  }

  /// Kernel: `WARN(1, "Trying to vfree() nonexistent vm area")`; the rest of the path is left out.
  private func complain(_ address: Address, _ world: inout World, _ cpu: CPUID) -> Step {
    let text = "Trying to vfree() nonexistent vm area \(hex(address))"
    if !world.vmalloc.isVmalloc(address) {
      world.complain(
        .wrongFreeFunction,
        text + ": it is no vmalloc address. Use kfree() for what kmalloc returned, or kvfree()"
          + " where it may be either.", on: cpu)
    } else if world.vmalloc.isLazy(address.raw) {
      world.complain(.doubleFree, text + ": it was freed and waits for a purge", on: cpu)
    } else {
      world.complain(.badFree, text, on: cpu)
    }
    return .return()
  }
}

/// An address as the kernel prints it.
func hex(_ address: Address) -> String { "0x" + String(address.raw, radix: 16) }

/// Takes an area out of use: unlinked, unmapped, put among the lazy ones; perhaps starts a drain.
///
/// Replies with the number of its `vm_struct`, or -1 where there is no such area.
///
/// Kernel: `remove_vm_area()` → `find_unlink_vmap_area()`, `free_unmap_vmap_area()` →
/// `vunmap_range_noflush()`, `free_vmap_area_noflush()` (mm/vmalloc.c, 6.12).
package enum RemoveVMArea: Path {
  case start(Address)
  case busyLocked(Address, VmapNodeID)
  case searched(Address, VmapAreaID, VmapNodeID)
  case nextNode(Address, VmapNodeID)
  case unlinked(VmapAreaID, cleared: Int32)
  case lineHere(VmapAreaID)
  case lazyLocked(VmapAreaID, isOver: Bool)
  case inserted(VmapNodeID, vm: VmStructID, isOver: Bool)
  case lazyUnlocked(VmStructID, isOver: Bool)
  case drainQueued(VmStructID)

  package static var name: PathName { .remove_vm_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      let node = world.vmalloc.nodes.node(of: address.raw)
      return ask(.acquire(world.vmalloc.busyLock(node)), then: .busyLocked(address, node))
    case .busyLocked(let address, let node): return search(address, node, &world)
    case .searched(let address, let area, let node):
      let lock = world.vmalloc.busyLock(node)
      guard area.isNone else { return ask(.release(lock), then: .unlinked(area, cleared: 0)) }
      return ask(.release(lock), then: .nextNode(address, node))
    case .nextNode(let address, let node):
      let next = VmapNodeID((node.index + 1) % world.vmalloc.nodes.count)
      guard next != world.vmalloc.nodes.node(of: address.raw) else { return .return(.number(-1)) }
      return ask(.acquire(world.vmalloc.busyLock(next)), then: .busyLocked(address, next))
    case .unlinked(let area, let cleared): return unmap(area, cleared, &world)
    case .lineHere(let area):
      let isOver = world.vmalloc.addLazy(area)
      world.traceLazyPages()
      let node = world.vmalloc.nodes.lazyNode(of: world.vmalloc.areas[area])
      let lock = world.vmalloc.lazyLock(node)
      return ask(.acquire(lock), then: .lazyLocked(area, isOver: isOver))
    case .lazyLocked(let area, let isOver): return insert(area, isOver, &world, cpu)
    case .inserted(let node, let vm, let isOver):
      return ask(
        .release(world.vmalloc.lazyLock(node)), then: .lazyUnlocked(vm, isOver: isOver))
    case .lazyUnlocked(let vm, let isOver):
      guard isOver, !world.vmalloc.purge.drainIsPending else { return .return(.number(vm.index)) }
      world.vmalloc.purge.drainIsPending = true
      return ask(.queueWork(.drainVmapArea, on: cpu), then: .drainQueued(vm))
    case .drainQueued(let vm): return .return(.number(vm.index))
    }
  }

  private mutating func search(
    _ address: Address, _ node: VmapNodeID, _ world: inout World
  ) -> Step {
    let (area, visited) = world.vmalloc.unlinkBusy(address.raw, node)
    return ask(
      .work(.treeStep, times: max(visited, 1)), then: .searched(address, area ?? .none, node))
  }

  /// Clears the entries of one table after the other, the guard page's too.
  private mutating func unmap(
    _ area: VmapAreaID, _ cleared: Int32, _ world: inout World
  ) -> Step {
    let record = world.vmalloc.areas[area]
    let left = Int(record.size >> 12) - Int(cleared)
    guard left > 0 else { return ask(.touch(world.vmalloc.lazyLine), then: .lineHere(area)) }
    let from = Address(record.start) + Int(cleared) << 12
    let seen = Int32(world.vmalloc.pageTable.clearPages(from: from, count: left).seen)
    return ask(.work(.pteClear, times: seen), then: .unlinked(area, cleared: cleared + seen))
  }

  private mutating func insert(
    _ area: VmapAreaID, _ isOver: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let record = world.vmalloc.areas[area]
    let node = world.vmalloc.nodes.lazyNode(of: record)
    let visited = world.vmalloc.insertLazy(area, node)
    let purge = world.vmalloc.purge
    world.trace(
      .freeVmapAreaNoflush, on: cpu, a: record.start, b: UInt64(purge.pages),
      c: UInt64(purge.pagesMax))
    return ask(
      .work(.treeStep, times: visited),
      then: .inserted(node, vm: record.vm, isOver: isOver))
  }
}

extension VmallocState {
  /// Kernel: `__find_vmap_area()` and `unlink_va()`, under one hold of the busy lock (6.3+).
  mutating func unlinkBusy(
    _ address: UInt64, _ node: VmapNodeID
  ) -> (area: VmapAreaID?, visited: Int32) {
    let (area, visited) = areas.find(address, in: nodes[node].busy)
    if let area { areas.remove(area, from: &nodes[node].busy) }
    return (area, visited)
  }

  /// Returns: whether there are too many lazy pages now.
  mutating func addLazy(_ area: VmapAreaID) -> Bool {
    statistics.lazyFrees += 1
    return purge.add(pages: Int(areas[area].size >> 12))
  }

  mutating func insertLazy(_ area: VmapAreaID, _ node: VmapNodeID) -> Int32 {
    areas[area].vm = .none
    return areas.insert(area, into: &nodes[node].lazy)
  }
}

/// Frees what interrupts left on this CPU's list. Kernel: `delayed_vfree_work()` (6.12).
package enum DelayedVfreeWork: Path {
  case start
  case next(ID<VfreeDeferred.Entry>)

  package static var name: PathName { .delayed_vfree_work }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start: return free(world.vmalloc.deferred.takeAll(of: cpu.index), &world)
    case .next(let entry): return free(entry, &world)
    }
  }

  private mutating func free(_ entry: ID<VfreeDeferred.Entry>, _ world: inout World) -> Step {
    guard !entry.isNone else { return .return() }
    let (address, next) = world.vmalloc.deferred.take(entry)
    return ask(.call(.vfree(.start(address))), then: .next(next))
  }
}
