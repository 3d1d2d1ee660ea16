import Hardware
import Simulation

/// Takes an area out of use: unlinked, unmapped, put among the lazy ones; perhaps starts a drain.
///
/// Replies with the number of its `vm_struct`, or -1 where there is no such area.
///
/// Kernel: `remove_vm_area()` (mm/vmalloc.c, 6.12).
package enum RemoveVMArea: Path {
  case start(Address)
  case removed
  case found(Address)
  case done(vm: VmStructID)

  package static var name: PathName { .remove_vm_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      guard world.version.vmalloc.store != .list else {
        return ask(.call(.removeVMAreaFromList(.start(address))), then: .removed)
      }
      return ask(.call(.findUnlinkVmapArea(.start(address))), then: .found(address))
    case .removed: return .return(reply)
    case .found:
      guard reply.number >= 0 else { return .return(.number(-1)) }
      let area = VmapAreaID(reply.number)
      let vm = world.vmalloc.areas[area].vm
      guard !vm.isNone else { return .return(.number(-1)) }
      world.vmalloc.areas[area].vm = .none
      return ask(.call(.freeUnmapVmapArea(.start(area))), then: .done(vm: vm))
    case .done(let vm): return .return(.number(vm.index))
    }
  }
}

/// Finds the area that begins at an address and takes it out of its node's tree. The address says
/// which node to look in first; an area is in another only if the address lies inside it.
///
/// To 6.2 it stays in the tree, to be unlinked under a second hold of the lock.
///
/// Replies with its number, or -1. Kernel: `find_unlink_vmap_area()` (mm/vmalloc.c, 6.12),
/// `find_vmap_area()` (mm/vmalloc.c, 6.1).
package enum FindUnlinkVmapArea: Path {
  case start(Address)
  case busyLocked(Address, VmapNodeID)
  case searched(Address, VmapAreaID, VmapNodeID)
  case nextNode(Address, VmapNodeID)
  case unlinked(VmapAreaID)

  package static var name: PathName { .find_unlink_vmap_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      let node = world.vmalloc.nodes.node(of: address.raw)
      return ask(.acquire(world.vmalloc.busyLock(node)), then: .busyLocked(address, node))
    case .busyLocked(let address, let node):
      let (area, visited) = world.vmalloc.unlinkBusy(
        address.raw, node, stays: !world.version.vmalloc.unlinksAtOnce)
      return ask(
        .work(.treeStep, times: max(visited, 1)),
        then: .searched(address, area ?? .none, node))
    case .searched(let address, let area, let node):
      let lock = world.vmalloc.busyLock(node)
      guard area.isNone else { return ask(.release(lock), then: .unlinked(area)) }
      return ask(.release(lock), then: .nextNode(address, node))
    case .nextNode(let address, let node):
      let next = VmapNodeID((node.index + 1) % world.vmalloc.nodes.count)
      guard next != world.vmalloc.nodes.node(of: address.raw) else { return .return(.number(-1)) }
      return ask(.acquire(world.vmalloc.busyLock(next)), then: .busyLocked(address, next))
    case .unlinked(let area): return .return(.number(area.index))
    }
  }
}

/// Clears the entries of an area that nobody finds any more, and makes it lazy.
///
/// Kernel: `free_unmap_vmap_area()` → `vunmap_range_noflush()` (mm/vmalloc.c, 6.12).
package enum FreeUnmapVmapArea: Path {
  case start(VmapAreaID)
  case cleared(VmapAreaID)
  case done

  package static var name: PathName { .free_unmap_vmap_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let area):
      guard !world.version.vmalloc.unmapsLate else {
        return ask(.call(.freeVmapAreaNoflush(.start(area))), then: .done)
      }
      let record = world.vmalloc.areas[area]
      let pages = Int32(truncatingIfNeeded: record.size >> 12)
      return ask(
        .call(.vunmapRange(.start(Address(record.start), pages: pages))), then: .cleared(area))
    case .cleared(let area):
      return ask(.call(.freeVmapAreaNoflush(.start(area))), then: .done)
    case .done: return .return()
    }
  }
}

/// Clears the entries of one table after the other.
///
/// Kernel: `vunmap_range_noflush()` (mm/vmalloc.c, 6.12).
package enum VunmapRange: Path {
  case start(Address, pages: Int32)

  package static var name: PathName { .vunmap_range_noflush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    guard case .start(let address, let pages) = self, pages > 0 else { return .return() }
    let clear = world.vmalloc.pageTable.clearPages(from: address, count: Int(pages))
    let rest = Self.start(address + clear.seen << 12, pages: pages - Int32(clear.seen))
    return ask(.work(.pteClear, times: Int32(max(clear.looked, 1))), then: rest)
  }
}

/// Puts an unmapped area among those that wait for a purge, and has them purged when there are too
/// many: by a worker, or, to 5.17, itself, if nobody else does.
///
/// To 5.1 the area stays in its tree meanwhile; from 5.11 to 6.8 those that touch become
/// one.
///
/// Kernel: `free_vmap_area_noflush()` (mm/vmalloc.c, 6.12), `try_purge_vmap_area_lazy()` (mm/vmalloc.c; 3.10, 5.17).
package enum FreeVmapAreaNoflush: Path {
  case start(VmapAreaID)
  case busyLocked(VmapAreaID)
  case unlinked(VmapAreaID)
  case busyUnlocked(VmapAreaID)
  case lineHere(VmapAreaID)
  case lazyLocked(VmapAreaID, isOver: Bool)
  case inserted(VmapNodeID, isOver: Bool)
  case merged(needless: VmapAreaID, isOver: Bool)
  case lazyUnlocked(isOver: Bool)
  case drainQueued
  case triedPurge
  case purged
  case done

  package static var name: PathName { .free_vmap_area_noflush }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    let rules = world.version.vmalloc
    switch self {
    case .start(let area):
      guard !rules.unlinksAtOnce, rules.store == .freeTree else {
        return ask(.touch(world.vmalloc.lazyLine), then: .lineHere(area))
      }
      return ask(.acquire(world.vmalloc.walkLock), then: .busyLocked(area))
    case .busyLocked(let area):
      world.vmalloc.areas.remove(area, from: &world.vmalloc.nodes[VmapNodeID(0)].busy)
      return ask(.work(.treeStep), then: .unlinked(area))
    case .unlinked(let area):
      return ask(.release(world.vmalloc.walkLock), then: .busyUnlocked(area))
    case .busyUnlocked(let area):
      return ask(.touch(world.vmalloc.lazyLine), then: .lineHere(area))
    case .lineHere(let area): return count(area, &world, cpu)
    case .lazyLocked(let area, let isOver): return insert(area, isOver, &world, cpu)
    case .merged(let needless, let isOver):
      guard needless.isNone else {
        let next = world.vmalloc.areas[needless].next
        let call = Step.call(world.vmalloc.drop(needless))
        return ask(call, then: .merged(needless: next, isOver: isOver))
      }
      let lock = world.vmalloc.lazyLock(VmapNodeID(0))
      return ask(.release(lock), then: .lazyUnlocked(isOver: isOver))
    case .inserted(let node, let isOver):
      return ask(.release(world.vmalloc.lazyLock(node)), then: .lazyUnlocked(isOver: isOver))
    case .lazyUnlocked(let isOver): return isOver ? startPurge(&world, cpu) : .return()
    case .triedPurge:
      guard reply.bool else { return .return() }
      let purge: Frame =
        rules.store == .freeTree
        ? .purgeVmapAreaLazy(.start(isFull: false)) : .purgeLazyWalk(.start)
      return ask(.call(purge), then: .purged)
    case .purged: return ask(.release(world.vmalloc.vmapPurge), then: .done)
    case .drainQueued, .done: return .return()
    }
  }

  private mutating func count(
    _ area: VmapAreaID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let isOver = world.vmalloc.addLazy(area)
    world.traceLazyPages()
    guard world.version.vmalloc.store == .freeTree else {
      world.vmalloc.pushLazy(area)
      traceFree(area, &world, cpu)
      return ask(.work(.listEdit), then: .lazyUnlocked(isOver: isOver))
    }
    let node = world.vmalloc.nodes.lazyNode(of: world.vmalloc.areas[area])
    guard world.version.vmalloc.lazyStore != .lockless else {
      // Kernel: `llist_add(&va->purge_list, &vmap_purge_list)`, beside the count.
      _ = world.vmalloc.insertLazy(area, node)
      traceFree(area, &world, cpu)
      return ask(.work(.listEdit), then: .lazyUnlocked(isOver: isOver))
    }
    let lock = world.vmalloc.lazyLock(node)
    return ask(.acquire(lock), then: .lazyLocked(area, isOver: isOver))
  }

  private mutating func insert(
    _ area: VmapAreaID, _ isOver: Bool, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let node = world.vmalloc.nodes.lazyNode(of: world.vmalloc.areas[area])
    traceFree(area, &world, cpu)
    guard world.version.vmalloc.lazyStore == .ofNode else {
      let (needless, visited) = world.vmalloc.mergeLazy(area, node)
      return ask(
        .work(.treeStep, times: visited), then: .merged(needless: needless, isOver: isOver))
    }
    let visited = world.vmalloc.insertLazy(area, node)
    return ask(.work(.treeStep, times: visited), then: .inserted(node, isOver: isOver))
  }

  private func traceFree(_ area: VmapAreaID, _ world: inout World, _ cpu: CPUID) {
    let purge = world.vmalloc.purge
    world.trace(
      .freeVmapAreaNoflush, on: cpu, a: world.vmalloc.areas[area].start, b: UInt64(purge.pages),
      c: UInt64(purge.pagesMax))
  }

  private mutating func startPurge(_ world: inout World, _ cpu: CPUID) -> Step {
    switch world.version.vmalloc.purger {
    case .eachFree: return .return()
    case .underSpinlock, .underMutex:
      return ask(.tryAcquire(world.vmalloc.vmapPurge), then: .triedPurge)
    case .workerUntilFew, .workerOnce:
      guard !world.vmalloc.purge.drainIsPending else { return .return() }
      world.vmalloc.purge.drainIsPending = true
      return ask(.queueWork(.drainVmapArea, on: cpu), then: .drainQueued)
    }
  }
}

extension VmallocState {
  /// Kernel: `__find_vmap_area()` and `unlink_va()`, under one hold of the busy lock (6.3+).
  mutating func unlinkBusy(
    _ address: UInt64, _ node: VmapNodeID, stays: Bool
  ) -> (area: VmapAreaID?, visited: Int32) {
    let (found, visited) = areas.find(address, in: nodes[node].busy)
    guard let area = found, !areas[area].isLazy else { return (nil, visited) }
    if !stays { areas.remove(area, from: &nodes[node].busy) }
    return (area, visited)
  }

  /// Returns: whether there are too many lazy pages now.
  mutating func addLazy(_ area: VmapAreaID) -> Bool {
    statistics.lazyFrees += 1
    usedPages -= Int(areas[area].size >> 12)
    return purge.add(pages: Int(areas[area].size >> 12))
  }

  /// Merges an area with the lazy ones that touch it. Returns: areas needed no more, a list.
  mutating func mergeLazy(
    _ area: VmapAreaID, _ node: VmapNodeID
  ) -> (needless: VmapAreaID, visited: Int32) {
    areas[area].vm = .none
    let merge = areas.mergeOrAdd(area, into: &nodes[node].lazy)
    var list = VmapAreaID.none
    for area in [merge.needless.0, merge.needless.1] where !area.isNone {
      areas[area].next = list
      list = area
    }
    return (list, max(merge.visited, 1))
  }

  mutating func insertLazy(_ area: VmapAreaID, _ node: VmapNodeID) -> Int32 {
    areas[area].vm = .none
    return areas.insert(area, into: &nodes[node].lazy)
  }
}
