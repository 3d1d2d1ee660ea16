import Hardware
import Simulation

/// Makes the addresses of lazily freed areas free: one flush of all TLBs for all of them.
///
/// The caller holds `vmap_purge_lock`. Replies with the number of areas purged. In turn, as the
/// kernel: each node's pools decay and its lazy areas are detached; one flush for the union of
/// all; then node by node the areas go back to pools or to the free tree, some by workers.
///
/// Kernel: `__purge_vmap_area_lazy()` (mm/vmalloc.c, 6.12; since 6.9).
package enum PurgeVmapAreaLazy: Path {
  case start(isFull: Bool)
  case node(VmapNodeID)
  case poolLocked(VmapNodeID)
  case decayed(VmapNodeID)
  case dropping(VmapNodeID, needless: VmapAreaID)
  case lazyLocked(VmapNodeID)
  case isDecayed(VmapNodeID)
  case flushed
  case purged(VmapNodeID)
  case helperQueued(VmapNodeID)
  case helped(VmapNodeID)

  package static var name: PathName { .__purge_vmap_area_lazy }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let isFull):
      world.vmalloc.purge.begin(isFull: isFull)
      world.vmalloc.statistics.purgeCalls += 1
      return decay(VmapNodeID(0), &world, cpu)
    case .node(let node):
      guard world.vmalloc.nodes[node].pooledAreas > 0 else { return detach(node, &world, cpu) }
      return ask(.acquire(world.vmalloc.poolLock(node)), then: .poolLocked(node))
    case .poolLocked(let node):
      world.vmalloc.decay(node)
      return ask(.release(world.vmalloc.poolLock(node)), then: .decayed(node))
    case .decayed(let node):
      let visited = max(world.vmalloc.purge.decay.visited, 1)
      let needless = world.vmalloc.purge.decay.needless
      return ask(
        .work(.treeStep, times: visited), then: .dropping(node, needless: needless))
    case .dropping(let node, let needless):
      guard needless.isNone else {
        let next = world.vmalloc.areas[needless].next
        let call = Step.call(world.vmalloc.drop(needless))
        return ask(call, then: .dropping(node, needless: next))
      }
      let list = world.vmalloc.purge.decay.tree.first
      return ask(.call(.reclaimListGlobal(.start(list))), then: .isDecayed(node))
    case .lazyLocked(let node):
      world.vmalloc.detachLazy(node)
      return ask(.release(world.vmalloc.lazyLock(node)), then: .isDecayed(node))
    case .isDecayed(let node): return detach(node, &world, cpu)
    case .flushed:
      world.vmalloc.purge.setHelpers()
      return purge(from: 0, &world, cpu)
    case .purged(let node), .helperQueued(let node):
      return purge(from: node.index + 1, &world, cpu)
    case .helped(let node): return waitForHelpers(from: node.index + 1, &world, cpu)
    }
  }

  /// Looks at all pools of a node: 256 list heads of 24 bytes.
  private mutating func decay(
    _ node: VmapNodeID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard node.index < world.vmalloc.nodes.count else { return flush(&world, cpu) }
    guard world.vmalloc.nodes.count > 1 else { return detach(node, &world, cpu) }
    return ask(.work(.vmapLine, times: 256 * 24 / 64), then: .node(node))
  }

  /// Detaches what is lazy in a node, if it is not detached yet, and goes on to the next.
  private mutating func detach(
    _ node: VmapNodeID, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.vmalloc.nodes[node].lazy.count > 0, !world.vmalloc.purge.nodes.contains(node)
    else { return decay(VmapNodeID(node.index + 1), &world, cpu) }
    return ask(.acquire(world.vmalloc.lazyLock(node)), then: .lazyLocked(node))
  }

  private mutating func flush(_ world: inout World, _ cpu: CPUID) -> Step {
    let purge = world.vmalloc.purge
    guard purge.nodes.count > 0 else { return finish(&world, cpu) }
    let pages = UInt32(clamping: (purge.end - purge.start) >> 12)
    let range = FlushTLBKernelRange.start(Address(purge.start), pages: pages)
    return ask(.call(.flushTLBKernelRange(range)), then: .flushed)
  }

  /// Purges the next node, or has the worker of a CPU do it.
  ///
  /// Only a worker with nothing else to do is asked: there is one a CPU, and this very purge may
  /// run in it, or wait for its mutex there. Linux would start another.
  private mutating func purge(
    from index: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard let node = world.vmalloc.purge.nodes.next(from: index) else {
      return waitForHelpers(from: 0, &world, cpu)
    }
    let helper = CPUID(node.index)
    guard world.vmalloc.purge.helpers > 0, world.work.isIdle(on: helper) else {
      return ask(.call(.purgeVmapNode(.start(node))), then: .purged(node))
    }
    world.vmalloc.purge.helpers -= 1
    world.vmalloc.purge.helped.insert(node)
    return ask(.queueWork(.purgeVmapNode(node), on: helper), then: .helperQueued(node))
  }

  private mutating func waitForHelpers(
    from index: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard let node = world.vmalloc.purge.helped.next(from: index) else {
      return finish(&world, cpu)
    }
    return ask(
      .call(.flushWork(.start(.purgeVmapNode(node), on: CPUID(node.index)))),
      then: .helped(node))
  }

  private func finish(_ world: inout World, _ cpu: CPUID) -> Step {
    let purge = world.vmalloc.purge
    world.trace(
      .purgeVmapAreaLazy, on: cpu, a: purge.start, b: purge.end, c: UInt64(purge.purgedAreas))
    world.vmalloc.statistics.areasPurged += UInt64(purge.purgedAreas)
    return .return(.number(purge.purgedAreas))
  }
}

/// Gives the areas that a purge detached from one node back to its pools, the rest to the tree.
///
/// Kernel: `purge_vmap_node()` (mm/vmalloc.c, 6.12), where each area that goes to a pool takes the
/// pool lock once; here a few do together.
package enum PurgeVmapNode: Path {
  case start(VmapNodeID)
  case locked(VmapNodeID)
  case given(VmapNodeID)
  case unlocked(VmapNodeID)
  case lineHere(VmapNodeID)
  case done

  /// Areas that one hold of the pool lock gives back.
  static let areasPerHold: Int32 = 16

  package static var name: PathName { .purge_vmap_node }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let node), .unlocked(let node):
      guard world.vmalloc.nodes[node].purging.isNone else {
        return ask(.acquire(world.vmalloc.poolLock(node)), then: .locked(node))
      }
      return ask(.touch(world.vmalloc.lazyLine), then: .lineHere(node))
    case .locked(let node):
      let count = world.vmalloc.giveBack(node, limit: PurgeVmapNode.areasPerHold)
      return ask(.work(.listEdit, times: 2 * count), then: .given(node))
    case .given(let node):
      return ask(.release(world.vmalloc.poolLock(node)), then: .unlocked(node))
    case .lineHere(let node):
      let list = world.vmalloc.endPurge(of: node)
      world.traceLazyPages()
      return ask(.call(.reclaimListGlobal(.start(list))), then: .done)
    case .done: return .return()
    }
  }
}

/// Gives a list of areas back to the free tree, under one hold of its lock.
///
/// Kernel: `reclaim_list_global()` (mm/vmalloc.c, 6.12); what merging makes needless is freed
/// under the lock there too.
package enum ReclaimListGlobal: Path {
  case start(VmapAreaID)
  case locked(VmapAreaID)
  case merged(needless: VmapAreaID)
  case done

  package static var name: PathName { .reclaim_list_global }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let list):
      guard !list.isNone else { return .return() }
      return ask(.acquire(world.vmalloc.freeVmapArea), then: .locked(list))
    case .locked(let list):
      let (needless, visited) = world.vmalloc.mergeAll(list)
      return ask(.work(.treeStep, times: visited), then: .merged(needless: needless))
    case .merged(let needless):
      guard !needless.isNone else {
        return ask(.release(world.vmalloc.freeVmapArea), then: .done)
      }
      let next = world.vmalloc.areas[needless].next
      let call = Step.call(world.vmalloc.drop(needless))
      return ask(call, then: .merged(needless: next))
    case .done: return .return()
    }
  }
}

extension LazyPurge {
  mutating func setHelpers() {
    helpers = LazyMax.helpers(lazyPages: pages, lazyMax: pagesMax, nodesWithWork: nodes.count)
  }
}

extension VmallocState {
  /// Lets a node's pools decay; `purge.decay` holds what is to be given to the free tree.
  mutating func decay(_ node: VmapNodeID) {
    purge.decay = nodes.decay(node, isFull: purge.isFull, &areas)
    statistics.areasDecayed += UInt64(purge.decay.taken)
  }

  mutating func detachLazy(_ node: VmapNodeID) {
    guard let span = nodes.detachLazy(node, &areas) else { return }
    purge.add(node, from: span.start, to: span.end)
  }

  mutating func giveBack(_ node: VmapNodeID, limit: Int32) -> Int32 {
    nodes.purge(node, isFull: purge.isFull, limit: limit, &areas)
  }

  /// Kernel: `atomic_long_sub(nr_purged_pages, &vmap_lazy_nr)`. Returns: `local_list`.
  mutating func endPurge(of node: VmapNodeID) -> VmapAreaID {
    purge.pages -= nodes[node].purgedPages
    purge.purgedAreas += Int(nodes[node].purgedAreas)
    return nodes.takeGlobal(of: node)
  }

  /// Merges a list (by `next`) into the free tree. Returns: areas needed no more, a list too.
  mutating func mergeAll(_ list: VmapAreaID) -> (needless: VmapAreaID, visited: Int32) {
    var (area, needless, visited) = (list, VmapAreaID.none, Int32(0))
    while !area.isNone {
      let next = areas[area].next
      let merge = areas.mergeOrAdd(area, into: &free)
      visited += merge.visited
      for area in [merge.needless.0, merge.needless.1] where !area.isNone {
        areas[area].next = needless
        needless = area
      }
      area = next
    }
    return (needless, max(visited, 1))
  }
}
