import Hardware
import Simulation

/// A `vm_struct` and its addresses. Replies whether both were had.
///
/// Kernel: `__get_vm_area_node()` (mm/vmalloc.c, 6.12).
package enum GetVMArea: Path {
  case start(ID<VmallocCall>)
  case objectGot(ID<VmallocCall>)
  case areaGot(ID<VmallocCall>)
  case undone

  package static var name: PathName { .__get_vm_area_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call):
      guard !world.cpus[cpu].preemptCount.inInterrupt else {
        world.complain(
          .badContext,
          "vmalloc in interrupt context is BUG_ON(in_interrupt()): allocate before,"
            + " or use kmalloc with GFP_ATOMIC", on: cpu)
        return .return(.bool(false))
      }
      let record = world.vmalloc.calls[call]
      let gfp = record.gfp.intersection(.reclaimMask).union(.zero)
      return ask(
        .call(.kmalloc(.start(size: 64, gfp: gfp, node: record.node))), then: .objectGot(call))
    case .objectGot(let call):
      guard reply.address != .null else { return .return(.bool(false)) }
      var vm = VmStruct()
      vm.object = reply.address
      vm.isModule = world.vmalloc.calls[call].flags.contains(.module)
      world.vmalloc.calls[call].vm = world.vmalloc.vms.all.take(vm)
      return ask(.call(world.vmalloc.addressSearch(call)), then: .areaGot(call))
    case .areaGot(let call):
      guard !reply.bool else { return .return(.bool(true)) }
      let vm = world.vmalloc.calls[call].vm
      let object = world.vmalloc.vms[vm].object
      world.vmalloc.vms.give(vm)
      return ask(.call(.kfree(.start(object))), then: .undone)
    case .undone: return .return(.bool(false))
    }
  }
}

/// Addresses for an area: from the pool of this CPU's vmap node, else from the free tree; then
/// into the busy tree of the node that the address names. Replies whether there were any.
///
/// Kernel: `alloc_vmap_area()`, `node_alloc()`, `preload_this_cpu_lock()` (mm/vmalloc.c, 6.12).
/// Not modelled: the notifiers of an overflow, KASAN shadows.
package enum AllocVmapArea: Path {
  case start(ID<VmallocCall>)
  case poolLocked(ID<VmallocCall>)
  case poolUnlocked(ID<VmallocCall>)
  case objectGot(ID<VmallocCall>)
  case spareGot(ID<VmallocCall>)
  case spareKept(ID<VmallocCall>)
  case freeLocked(ID<VmallocCall>)
  case cut(ID<VmallocCall>, usedUp: VmapAreaID)
  case dropped(ID<VmallocCall>)
  case freeUnlocked(ID<VmallocCall>)
  case purged(ID<VmallocCall>)
  case busyLocked(ID<VmallocCall>)
  case inserted(ID<VmallocCall>)
  case busyUnlocked
  case failed

  package static var name: PathName { .alloc_vmap_area }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let call): return begin(call, &world, cpu)
    case .poolLocked(let call):
      let record = world.vmalloc.calls[call]
      world.vmalloc.calls[call].area =
        world.vmalloc.takePooled(record, from: record.poolNode) ?? .none
      let lock = world.vmalloc.poolLock(record.poolNode)
      return ask(.release(lock), then: .poolUnlocked(call))
    case .poolUnlocked(let call):
      guard world.vmalloc.calls[call].area.isNone else {
        world.vmalloc.statistics.poolHits += 1
        return lockBusy(call, &world, cpu)
      }
      return getObject(call, &world)
    case .objectGot(let call):
      guard reply.address != .null else { return .return(.bool(false)) }
      let area = world.vmalloc.areas.pool.take(
        VmapArea(start: 0, end: 0, object: reply.address))
      world.vmalloc.calls[call].area = area
      return getSpare(call, &world, cpu)
    case .spareGot(let call):
      guard reply.address == .null || world.vmalloc.preload[cpu.index].isNone else {
        // Another task of this CPU was quicker.
        let free = Frame.kmemCacheFree(.start(world.vmalloc.areaCache, reply.address))
        return ask(.call(free), then: .spareKept(call))
      }
      if reply.address != .null {
        world.vmalloc.preload[cpu.index] = world.vmalloc.areas.pool.take(
          VmapArea(start: 0, end: 0, object: reply.address))
      }
      return ask(.acquire(world.vmalloc.freeVmapArea), then: .freeLocked(call))
    case .spareKept(let call):
      return ask(.acquire(world.vmalloc.freeVmapArea), then: .freeLocked(call))
    case .freeLocked(let call): return cutOut(call, &world, cpu)
    case .cut(let call, let usedUp):
      guard !usedUp.isNone else { return unlockFree(call, &world, cpu) }
      return ask(.call(world.vmalloc.drop(usedUp)), then: .dropped(call))
    case .dropped(let call): return unlockFree(call, &world, cpu)
    case .freeUnlocked(let call):
      guard world.vmalloc.areas[world.vmalloc.calls[call].area].end == 0 else {
        return lockBusy(call, &world, cpu)
      }
      return overflow(call, &world, cpu)
    case .purged(let call): return getSpare(call, &world, cpu)
    case .busyLocked(let call):
      let visited = world.vmalloc.insertBusy(call)
      world.traceUsedPages()
      return ask(.work(.treeStep, times: visited), then: .inserted(call))
    case .inserted(let call):
      let start = world.vmalloc.areas[world.vmalloc.calls[call].area].start
      let lock = world.vmalloc.busyLock(world.vmalloc.nodes.node(of: start))
      return ask(.release(lock), then: .busyUnlocked)
    case .busyUnlocked: return .return(.bool(true))
    case .failed: return .return(.bool(false))
    }
  }

  private mutating func begin(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    if world.maySleep(call) {
      world.mightSleep(on: cpu, "vmalloc may sleep: allocate before taking the lock")
    }
    // Pools hold addresses of the full range alone.
    let isModule = world.vmalloc.calls[call].flags.contains(.module)
    let node = isModule ? .none : world.vmalloc.nodes.node(ofCPU: cpu.index)
    world.vmalloc.calls[call].poolNode = node
    let size = world.vmalloc.calls[call].areaSize
    // Looked at without the lock first, as the kernel does.
    guard !node.isNone, world.vmalloc.nodes.pooled(size, in: node) > 0 else {
      return getObject(call, &world)
    }
    return ask(.acquire(world.vmalloc.poolLock(node)), then: .poolLocked(call))
  }

  private mutating func getObject(_ call: ID<VmallocCall>, _ world: inout World) -> Step {
    world.vmalloc.statistics.poolMisses += 1
    return ask(.call(allocation(call, world)), then: .objectGot(call))
  }

  private func allocation(_ call: ID<VmallocCall>, _ world: borrowing World) -> Frame {
    let record = world.vmalloc.calls[call]
    return .kmemCacheAlloc(
      .start(
        cache: world.vmalloc.areaCache, gfp: record.gfp.intersection(.reclaimMask),
        node: record.node))
  }

  /// Sees to it that a middle cut finds a spare area, then locks the free tree.
  private mutating func getSpare(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.vmalloc.preload[cpu.index].isNone else {
      return ask(.acquire(world.vmalloc.freeVmapArea), then: .freeLocked(call))
    }
    return ask(.call(allocation(call, world)), then: .spareGot(call))
  }

  private mutating func cutOut(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let spare = world.vmalloc.preload[cpu.index]
    let (visited, cut) = world.vmalloc.cutFree(call, spare: spare)
    if cut?.fit == .middle { world.vmalloc.preload[cpu.index] = .none }
    return ask(
      .work(.treeStep, times: visited), then: .cut(call, usedUp: cut?.usedUp ?? .none))
  }

  /// To 5.4 one lock guards free and busy areas, and is kept.
  private mutating func unlockFree(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let hasAddresses = world.vmalloc.areas[world.vmalloc.calls[call].area].end > 0
    guard !world.version.vmalloc.hasFreeLock, hasAddresses else {
      return ask(.release(world.vmalloc.freeVmapArea), then: .freeUnlocked(call))
    }
    noteAllocation(call, &world, cpu)
    let visited = world.vmalloc.insertBusy(call)
    world.traceUsedPages()
    return ask(.work(.treeStep, times: visited), then: .inserted(call))
  }

  private func noteAllocation(_ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID) {
    let record = world.vmalloc.areas[world.vmalloc.calls[call].area]
    world.vmalloc.statistics.areasAllocated += 1
    world.trace(
      .allocVmapArea, on: cpu, a: record.start, b: record.size, c: world.vmalloc.calls[call].align)
  }

  private mutating func lockBusy(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    noteAllocation(call, &world, cpu)
    let record = world.vmalloc.areas[world.vmalloc.calls[call].area]
    let lock = world.vmalloc.busyLock(world.vmalloc.nodes.node(of: record.start))
    return ask(.acquire(lock), then: .busyLocked(call))
  }

  /// No room: purges everything once and tries again. Kernel: the label `overflow`.
  private mutating func overflow(
    _ call: ID<VmallocCall>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let record = world.vmalloc.calls[call]
    world.trace(.allocVmapArea, on: cpu, a: 0, b: record.areaSize, c: 1 << 63 | record.align)
    guard world.maySleep(call) else {
      return ask(.call(world.vmalloc.drop(record.area)), then: .failed)
    }
    guard record.hasPurged else {
      world.vmalloc.calls[call].hasPurged = true
      world.vmalloc.statistics.overflows += 1
      return ask(.call(.reclaimAndPurge(.start)), then: .purged(call))
    }
    if !record.gfp.contains(.noWarn) {
      world.warn(world.exhaustion(record), on: cpu)
    }
    return ask(.call(world.vmalloc.drop(record.area)), then: .failed)
  }
}

extension World {
  /// Whether a call sleeps where it has to: all do, before masks that may not block are served.
  func maySleep(_ call: ID<VmallocCall>) -> Bool {
    vmalloc.calls[call].gfp.allowsBlocking || !version.vmalloc.servesAtomicTasks
  }

  /// What the kernel prints when a range has no addresses left, by release.
  func exhaustion(_ call: VmallocCall) -> String {
    let (lower, upper) = vmalloc.range(of: call)
    return switch version.vmalloc.exhaustion {
    case .outOfSpace:
      "allocation failed: out of vmalloc space - use vmalloc=<size> to increase size."
    case .useVmalloc:
      "vmap allocation for size \(call.areaSize) failed: use vmalloc=<size> to increase size"
    case .rangeRestricted:
      "vmalloc_node_range for size \(call.areaSize) failed: Address range restricted to"
        + " \(hex(Address(lower))) - \(hex(Address(upper)))"
    }
  }
}

extension VmallocState {
  /// The call that finds addresses, by release.
  func addressSearch(_ call: VmallocCallID) -> Frame {
    store == .freeTree ? .allocVmapArea(.start(call)) : .allocVmapAreaWalk(.start(call))
  }

  /// Where the addresses of `call` may lie, as the kernel is given them: its `VMALLOC_END` of x86-64
  /// is the last byte, so that the last page is never used.
  func range(of call: VmallocCall) -> (lower: UInt64, upper: UInt64) {
    let isModule = call.flags.contains(.module)
    return isModule ? (modules.start.raw, modules.end.raw) : (start.raw, limit)
  }

  mutating func takePooled(_ call: VmallocCall, from node: VmapNodeID) -> VmapAreaID? {
    nodes.takePooled(call.areaSize, align: call.align, from: node, &areas)
  }

  /// Cuts the addresses of `call` out of the free tree; its area's end stays 0 if there are none.
  mutating func cutFree(
    _ call: VmallocCallID, spare: VmapAreaID
  ) -> (visited: Int32, cut: VmapAreas.Cut?) {
    let (area, size) = (calls[call].area, calls[call].areaSize)
    let (lower, upper) = range(of: calls[call])
    let cut = areas.cut(
      size, align: calls[call].align, from: lower, upper: upper, of: &free, spare: spare)
    guard let cut else { return (Int32(free.count.bitWidth - free.count.leadingZeroBitCount), nil) }
    (areas[area].start, areas[area].end) = (cut.start, cut.start + size)
    return (cut.visited, cut)
  }

  /// Ties the area to its vm_struct and makes it findable.
  mutating func insertBusy(_ call: VmallocCallID) -> Int32 {
    let record = calls[call]
    areas[record.area].vm = record.vm
    areas[record.area].poolNode = record.poolNode
    let start = Address(areas[record.area].start)
    calls[call].address = start
    if !record.vm.isNone {
      vms[record.vm].address = start
      vms[record.vm].sizePages = record.areaPages
    }
    usedPages += Int(areas[record.area].size >> 12)
    if isVmalloc(start) {
      highestPage = max(highestPage, Int((areas[record.area].end - self.start.raw) >> 12))
    }
    let home = nodes.node(of: areas[record.area].start)
    return areas.insert(record.area, into: &nodes[home].busy)
  }

  /// Forgets an area that is in no structure. Returns: the call that frees its object. The first
  /// area of all, the whole free range, was there before there were caches, and has none.
  mutating func drop(_ area: VmapAreaID) -> Frame {
    let object = areas[area].object
    areas.pool.give(area)
    return object == .null ? .kfree(.start(.null)) : .kmemCacheFree(.start(areaCache, object))
  }
}
