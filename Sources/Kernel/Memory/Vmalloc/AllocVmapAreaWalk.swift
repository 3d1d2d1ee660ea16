import Hardware
import Simulation

/// Addresses for an area by a walk over those that are there, before 5.2. Replies whether there were
/// any.
///
/// To 2.6.27 the walk goes over the list of what is in use, under its write lock, and there is no
/// record beside the `vm_struct`. After it, over the tree, in which lazily freed areas stay until
/// they are purged; without room all of them are, once.
///
/// Kernel: `__get_vm_area_node()` (mm/vmalloc.c, 2.6.27), `alloc_vmap_area()` (mm/vmalloc.c; 2.6.28,
/// 4.19). Not modelled: readers of vmlist_lock, the notifiers of an overflow.
package enum AllocVmapAreaWalk: Path {
  case start(ID<VmallocCall>)
  case objectGot(ID<VmallocCall>)
  case locked(ID<VmallocCall>)
  case searched(ID<VmallocCall>)
  case inserted(ID<VmallocCall>)
  case unlocked(ID<VmallocCall>)
  case purged(ID<VmallocCall>)
  case failed

  package static var name: PathName { .alloc_vmap_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call): return begin(call, &world, cpu)
    case .objectGot(let call):
      guard reply.address != .null else { return .return(.bool(false)) }
      return lock(call, reply.address, &world)
    case .purged(let call):
      return ask(.acquire(world.vmalloc.walkLock), then: .locked(call))
    case .locked(let call):
      let visited = world.vmalloc.findHole(for: call)
      return ask(.work(.treeStep, times: max(visited, 1)), then: .searched(call))
    case .searched(let call):
      let record = world.vmalloc.calls[call]
      guard world.vmalloc.areas[record.area].end > 0 else {
        return ask(.release(world.vmalloc.walkLock), then: .unlocked(call))
      }
      let visited = world.vmalloc.insertBusy(call)
      world.vmalloc.search.note(found: record.area)
      let isList = world.version.vmalloc.store == .list
      return ask(.work(.treeStep, times: isList ? 1 : visited), then: .inserted(call))
    case .inserted(let call):
      return ask(.release(world.vmalloc.walkLock), then: .unlocked(call))
    case .unlocked(let call): return end(call, &world, cpu)
    case .failed: return .return(.bool(false))
    }
  }

  private mutating func begin(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.mightSleep(on: cpu, "vmalloc may sleep: allocate before taking the lock")
    guard world.version.vmalloc.store != .list else { return lock(call, .null, &world) }
    let record = world.vmalloc.calls[call]
    let size = UInt32(world.version.vmalloc.areaBytes)
    let gfp = record.gfp.intersection(.reclaimMask)
    return ask(
      .call(.kmalloc(.start(size: size, gfp: gfp, node: record.node))), then: .objectGot(call))
  }

  private mutating func lock(
    _ call: ID<VmallocCall>, _ object: Address, _ world: inout World
  ) -> Step {
    world.vmalloc.calls[call].area = world.vmalloc.areas.pool.take(
      VmapArea(start: 0, end: 0, object: object))
    return ask(.acquire(world.vmalloc.walkLock), then: .locked(call))
  }

  private mutating func end(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let record = world.vmalloc.calls[call]
    let area = world.vmalloc.areas[record.area]
    guard area.end == 0 else {
      world.vmalloc.statistics.areasAllocated += 1
      world.trace(.allocVmapArea, on: cpu, a: area.start, b: area.size, c: record.align)
      return .return(.bool(true))
    }
    world.trace(.allocVmapArea, on: cpu, a: 0, b: record.areaSize, c: 1 << 63 | record.align)
    guard record.hasPurged || world.version.vmalloc.store == .list else {
      world.vmalloc.calls[call].hasPurged = true
      world.vmalloc.statistics.overflows += 1
      return ask(.call(.reclaimAndPurge(.start)), then: .purged(call))
    }
    if !record.gfp.contains(.noWarn) {
      world.warn(world.exhaustion(record), on: cpu)
    }
    world.vmalloc.areas.pool.give(record.area)
    return ask(.call(.kfree(.start(area.object))), then: .failed)
  }
}

/// Takes an area of the list out of use, flushed at once and by itself, all under the list's lock.
///
/// Replies as `RemoveVMArea`. Kernel: `remove_vm_area()` → `__remove_vm_area()` →
/// `unmap_vm_area()` (mm/vmalloc.c, 2.6.27).
package enum RemoveVMAreaFromList: Path {
  case start(Address)
  case locked(Address)
  case searched(VmapAreaID)
  case cleared(VmapAreaID)
  case flushed(VmapAreaID)
  case unlocked(vm: Int32)

  package static var name: PathName { .remove_vm_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let address):
      return ask(.acquire(world.vmalloc.walkLock), then: .locked(address))
    case .locked(let address):
      let (area, visited) = world.vmalloc.findInList(address.raw)
      return ask(.work(.treeStep, times: max(visited, 1)), then: .searched(area))
    case .searched(let area):
      guard !area.isNone else {
        return ask(.release(world.vmalloc.walkLock), then: .unlocked(vm: -1))
      }
      let record = world.vmalloc.areas[area]
      let pages = Int32(truncatingIfNeeded: record.size >> 12)
      return ask(
        .call(.vunmapRange(.start(Address(record.start), pages: pages))), then: .cleared(area))
    case .cleared(let area):
      let record = world.vmalloc.areas[area]
      let flush = FlushTLBKernelRange.start(
        Address(record.start), pages: UInt32(truncatingIfNeeded: record.size >> 12))
      return ask(.call(.flushTLBKernelRange(flush)), then: .flushed(area))
    case .flushed(let area):
      let vm = world.vmalloc.areas[area].vm
      world.vmalloc.areas.remove(area, from: &world.vmalloc.nodes[VmapNodeID(0)].busy)
      world.vmalloc.areas.pool.give(area)
      return ask(
        .release(world.vmalloc.walkLock), then: .unlocked(vm: Int32(vm.index)))
    case .unlocked(let vm): return .return(.number(Int(vm)))
    }
  }
}

/// Takes all lazily freed areas out of the tree for good, after one flush for all of them.
///
/// The caller holds the purge lock. Replies with their number. To 4.9 they are found by a look at
/// every area there is; to 2.6.36 their page table entries are cleared only now.
///
/// Kernel: `__purge_vmap_area_lazy()` (mm/vmalloc.c; 2.6.28, 3.10, 4.19).
package enum PurgeLazyWalk: Path {
  case start
  case looked
  case unmapped(VmapAreaID)
  case flushed
  case locked
  case erased
  case unlocked
  case freed(VmapAreaID)

  package static var name: PathName { .__purge_vmap_area_lazy }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      world.vmalloc.purge.begin(isFull: false)
      world.vmalloc.statistics.purgeCalls += 1
      let all = world.vmalloc.nodes[VmapNodeID(0)].busy.count
      let looked = world.version.vmalloc.purger == .underSpinlock ? all : 1
      return ask(.work(.treeStep, times: max(looked, 1)), then: .looked)
    case .looked:
      world.vmalloc.detachLazyList()
      return unmap(world.vmalloc.purging, &world)
    case .unmapped(let area): return unmap(world.vmalloc.areas[area].nextLazy, &world)
    case .flushed: return ask(.acquire(world.vmalloc.walkLock), then: .locked)
    case .locked:
      let visited = world.vmalloc.eraseDetached()
      return ask(.work(.treeStep, times: max(visited, 1)), then: .erased)
    case .erased: return ask(.release(world.vmalloc.walkLock), then: .unlocked)
    case .unlocked: return free(world.vmalloc.purging, &world, cpu)
    case .freed(let next): return free(next, &world, cpu)
    }
  }

  private mutating func unmap(_ area: VmapAreaID, _ world: inout World) -> Step {
    guard world.version.vmalloc.unmapsLate, !area.isNone else { return flush(&world) }
    let record = world.vmalloc.areas[area]
    let pages = Int32(truncatingIfNeeded: record.size >> 12)
    return ask(
      .call(.vunmapRange(.start(Address(record.start), pages: pages))), then: .unmapped(area))
  }

  private mutating func flush(_ world: inout World) -> Step {
    let purge = world.vmalloc.purge
    guard !world.vmalloc.purging.isNone else { return .return(.number(0)) }
    let pages = UInt32(clamping: (purge.end - purge.start) >> 12)
    let range = FlushTLBKernelRange.start(Address(purge.start), pages: pages)
    return ask(.call(.flushTLBKernelRange(range)), then: .flushed)
  }

  /// The records go after a grace period. Kernel: `call_rcu()`, `kfree_rcu()` of a vmap_area.
  private mutating func free(
    _ area: VmapAreaID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard !area.isNone else {
      let purge = world.vmalloc.purge
      world.vmalloc.purging = .none
      world.vmalloc.statistics.areasPurged += UInt64(purge.purgedAreas)
      world.trace(
        .purgeVmapAreaLazy, on: cpu, a: purge.start, b: purge.end, c: UInt64(purge.purgedAreas))
      return .return(.number(purge.purgedAreas))
    }
    let record = world.vmalloc.areas[area]
    world.vmalloc.areas.pool.give(area)
    return ask(
      .call(.kvfreeCallRCU(.start(record.object, mightSleep: false))),
      then: .freed(record.nextLazy))
  }
}

extension VmallocState {
  /// The lock of all areas: vmlist_lock, vmap_area_lock.
  var walkLock: LockID { busyLock(VmapNodeID(0)) }

  /// Looks for addresses for `call`; its area's end stays 0 where there are none. Returns: the
  /// areas visited.
  mutating func findHole(for call: VmallocCallID) -> Int32 {
    let record = calls[call]
    let (lower, upper) = range(of: record)
    let request = HoleSearch.Request(
      size: record.areaSize, align: record.align, lower: lower, upper: upper,
      gap: leavesGap ? 4096 : 0)
    let tree = nodes[VmapNodeID(0)].busy
    let found: (start: UInt64?, visited: Int32) =
      switch store {
      case .list: HoleSearch.fromHead(request, in: tree, areas)
      case .walk: HoleSearch.down(request, in: tree, areas)
      case .cachedWalk, .freeTree: search.fromCache(request, in: tree, areas)
      }
    guard let place = found.start else { return found.visited }
    (areas[record.area].start, areas[record.area].end) = (place, place + record.areaSize)
    return found.visited
  }

  /// The area that begins at an address, and how many areas are before it. Complexity: O(log areas);
  /// the kernel's is O(areas).
  func findInList(_ address: UInt64) -> (area: VmapAreaID, visited: Int32) {
    let tree = nodes[VmapNodeID(0)].busy
    guard let area = areas.find(address, in: tree).area, areas[area].start == address else {
      return (.none, tree.count)
    }
    var (visited, before) = (Int32(1), areas[area].previous)
    while !before.isNone {
      visited += 1
      before = areas[before].previous
    }
    return (area, visited)
  }

  /// Makes a lazily freed area wait; it stays in the tree.
  mutating func pushLazy(_ area: VmapAreaID) {
    areas[area].vm = .none
    areas[area].isLazy = true
    areas[area].nextLazy = lazyList
    lazyList = area
  }

  /// Takes what is lazy by now for this purge.
  mutating func detachLazyList() {
    (purging, lazyList) = (lazyList, .none)
    var area = purging
    while !area.isNone {
      purge.start = min(purge.start, areas[area].start)
      purge.end = max(purge.end, areas[area].end)
      purge.purgedAreas += 1
      area = areas[area].nextLazy
    }
  }

  /// Takes the detached areas out of the tree. Returns: tree steps.
  mutating func eraseDetached() -> Int32 {
    var (area, visited) = (purging, Int32(0))
    while !area.isNone {
      search.note(leaving: area, areas)
      purge.pages -= Int(areas[area].size >> 12)
      areas.remove(area, from: &nodes[VmapNodeID(0)].busy)
      visited += 2
      area = areas[area].nextLazy
    }
    return visited
  }
}
