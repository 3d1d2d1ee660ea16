import Hardware
import Kernel
import Simulation

/// Reads the emulated machine's state under the names that recordings use.
extension EmulatedGuest {
  /// What a set holds: how many, on which nodes, in how many slabs, in what order of addresses.
  func stateOfSet(_ set: String, wantsRuns: Bool) -> [String: String] {
    let objects = sets[set] ?? []
    var result = ["result.held": "\(objects.count)"]
    var byNode: [Int: Int] = [:]
    var blocks: Set<Int> = []
    var runs: [(name: String, count: Int)] = []
    var (up, down) = (0, 0)
    var last: PFN?
    for object in objects {
      let (page, size) = block(of: object)
      guard !page.isNone else { continue }
      let node = machine.world.pages.node(of: page).index
      byNode[node, default: 0] += 1
      blocks.insert(machine.world.pages.map.head(of: page).index)
      let name = "n\(node).\(machine.world.pages.kind(of: page).name)"
      if runs.last?.name == name { runs[runs.count - 1].count += 1 } else { runs.append((name, 1)) }
      if let last, last + size == page { up += 1 }
      if let last, page + size == last { down += 1 }
      last = page
    }
    for (node, count) in byNode { result["result.n\(node)"] = "\(count)" }
    result["result.in_slabs"] = "\(blocks.count)"
    (result["result.up"], result["result.down"]) = ("\(up)", "\(down)")
    if wantsRuns {
      result["result.runs"] = runs.map { "\($0.name):\($0.count)" }.joined(separator: ";")
    }
    return result
  }

  /// The first page of an object, and how many its block has.
  private func block(of object: HeldObject) -> (PFN, Int) {
    let architecture = machine.world.architecture
    switch object {
    case .object(_, let address), .kmalloc(let address):
      // What kmalloc gives for no bytes is no address.
      return (address < architecture.directMap ? .none : architecture.pfn(of: address), 1)
    case .pages(let pfn, let order): return (pfn, order.pageCount)
    case .vmalloc(let address, _), .vmap(let address, _), .mapRAM(let address, _):
      return (machine.world.vmalloc.frame(of: address), 1)
    case .kvmalloc(let address, _):
      guard machine.world.vmalloc.isVmalloc(address) else {
        return (address < architecture.directMap ? .none : architecture.pfn(of: address), 1)
      }
      return (machine.world.vmalloc.frame(of: address), 1)
    }
  }

  /// What sysfs says of the caches that a list made, and vmalloc's own figures.
  func state() -> [String: String] {
    var state: [String: String] = [:]
    for (name, cache) in caches where slab == .slab {
      state.merge(arrays(name, cache)) { mine, _ in mine }
    }
    for (name, cache) in caches where slab == .slub {
      for file in machine.world.slab.figures(of: cache).files {
        state["slab.\(name).\(file.name)"] = file.text
      }
    }
    state["vmap.lazy"] = "\(machine.world.vmalloc.purge.pages)"
    state["vmap.own_areas"] = "\(machine.world.vmalloc.vms.all.liveCount)"
    state["vmap.map_ram_areas"] = "\(areasWithoutOwner + areasOfBoot)"
    state["vmap.own_pages"] = "\(machine.world.vmalloc.vms.pageCount)"
    return state
  }

  /// Areas of blocks and mappings, which have no vm_struct.
  private var areasWithoutOwner: Int {
    machine.world.vmalloc.vmallocInfo().filter { !$0.isLazy && !$0.hasOwner }.count
  }

  /// Arrays and lists of a cache of SLAB. An empty array of a CPU has no line.
  private func arrays(_ name: String, _ cache: CacheID) -> [String: String] {
    var state: [String: String] = [:]
    let figures = machine.world.slab.arrayFigures(of: cache)
    for (cpu, count) in figures.cpus.enumerated() where count > 0 {
      state["slab.\(name).cpu\(cpu)_array"] = "\(count)"
    }
    for (node, here) in figures.nodes.enumerated() {
      var text =
        "slabs \(here.slabs) partial \(here.partial) full \(here.full) free \(here.free) "
        + "free_objects \(here.freeObjects) shared \(here.shared)"
      for (other, count) in here.aliens.enumerated() where count > 0 {
        text += " alien_of_node\(other) \(count)"
      }
      state["slab.\(name).node\(node)"] = text
    }
    return state
  }

  /// What was counted since the operation began.
  func counts() -> [String: String] {
    var all: [String: String] = [:]
    for (name, count) in events.counts { all["ev.\(name)"] = "\(count)" }
    let now = machine.world.vmalloc.statistics
    func note(_ name: String, _ value: KeyPath<VmallocStatistics, UInt64>) {
      all[name] = "\(now[keyPath: value] - before[keyPath: value])"
    }
    note("vmap.areas_allocated", \.areasAllocated)
    note("vmap.lazy_frees", \.lazyFrees)
    note("vmap.purge_calls", \.purgeCalls)
    note("vmap.drain_work_runs", \.drainWorkRuns)
    // The event that carries this count is the purging thread's; a worker's is filtered out.
    let purged = now.areasPurged - before.areasPurged
    all["vmap.areas_purged"] = "\(purged - (now.areasPurgedByWork - before.areasPurgedByWork))"
    all["vmap.lazy_max_pages"] = "\(machine.world.vmalloc.purge.pagesMax)"
    note("tlb.flush_kernel_range.calls", \.flushCalls)
    note("tlb.flush_kernel_range.pages", \.flushPages)
    note("tlb.do_flush_tlb_all.cpus_run", \.flushAllCPUs)
    note("tlb.do_kernel_range_flush.cpus_run", \.rangeFlushCPUs)
    return all
  }

  /// Zones and page lists, which depend on all that the machine did before.
  func zones() -> [String: String] {
    var all: [String: String] = [:]
    for number in 0..<machine.world.pages.zones.count {
      let zone = machine.world.pages.zones[number]
      let name = "n\(zone.node.index).\(zone.kind.name)"
      all["zone_buddy_free.\(name)"] = "\(zone.freePages)"
      all["zone.\(name)"] =
        "free=\(zone.freePages) min=\(zone.mark(0)) low=\(zone.mark(1)) high=\(zone.mark(2)) "
        + "managed=\(zone.managed)"
      for type in [MigrateType.unmovable, .movable, .reclaimable] {
        let counts = (0...10).map { "\(zone.area.blockCount(Order($0), type))" }
        all["buddy.\(name).\(type.name)"] = counts.joined(separator: " ")
      }
      for cpu in 0..<cpuCount {
        all["pcp.cpu\(cpu).\(name)"] = lists(number, CPUID(cpu))
      }
    }
    return all
  }

  private func lists(_ zone: Int, _ cpu: CPUID) -> String {
    let sizing = machine.world.pages.zones[zone].sizing
    let lists = machine.world.pages.lists(zone, cpu)
    let text =
      sizing.tuning == .freeFactor
      ? "count=\(lists.count) high=\(lists.high) batch=\(sizing.batch) "
        + "free_factor=\(lists.freeFactor)"
      : "count=\(lists.count) high=\(lists.high) batch=\(sizing.batch) high_min=\(sizing.highMin) "
        + "high_max=\(sizing.highMax) alloc_factor=\(lists.allocFactor) "
        + "free_count=\(lists.freeCount) flags=\(lists.flags.rawValue)"
    let lengths = machine.world.pages.listLengths(zone, cpu).map {
      " o\($0.order).m\($0.type):\($0.count)"
    }
    return text + lengths.joined()
  }
}
