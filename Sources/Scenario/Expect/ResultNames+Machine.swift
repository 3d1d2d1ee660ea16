import Kernel
import Run

/// Names of what the machine did, beside the workload's own operations.
extension ResultNames {
  /// Slabs, zones, vmalloc.
  func memory(_ parts: [String], _ text: String) -> ResultName? {
    switch (parts[0], parts.count) {
    case ("slub", 2): return slub(parts[1], text)
    case ("slab", 2):
      guard parts[1] == "pages" else { return nil }
      return ResultName(text: text, dimension: .number) { Double($0.slabPages) }
    case ("slob", 3): return slob(parts[1], parts[2], text)
    case ("sites", 3): return site(parts[1], parts[2], text)
    case ("caches", 3): return cache(parts[1], parts[2], text)
    case ("zones", 2):
      return pages(parts[1], text) { _ in true }
    case ("zones", 4):
      guard let node = Int(parts[1]) else { return nil }
      let zone = parts[2]
      return pages(parts[3], text) { $0.node == node && $0.zone == zone }
    case ("vmalloc", 2):
      guard Self.vmalloc.contains(parts[1]) else { return nil }
      let field = parts[1]
      return ResultName(text: text, dimension: .number) { result in
        switch field {
        case "areas": Double(result.vmalloc.areas)
        case "lazy_pages": Double(result.vmalloc.lazyPages)
        case "lazy_max_pages": Double(result.vmalloc.lazyMaxPages)
        case "purges": Double(result.vmalloc.purges)
        default: Double(result.vmalloc.pages)
        }
      }
    default: return nil
    }
  }

  /// A figure of one of SLOB's lists; 0 where another allocator runs, so that a scenario can be
  /// tried on both.
  private func slob(_ list: String, _ field: String, _ text: String) -> ResultName? {
    guard Self.slobLists.contains(list), Self.slobFields.contains(field) else { return nil }
    let isSize = field == "free" || field == "largest_hole"
    return ResultName(text: text, dimension: isSize ? .size : .number) { result in
      guard let list = result.slob?.lists.first(where: { $0.name == list }) else { return 0 }
      return switch field {
      case "pages": Double(list.pages)
      case "free": Double(list.freeBytes)
      case "holes": Double(list.holes)
      case "largest_hole": Double(list.largestHole)
      case "searches": Double(list.searches)
      default: Double(list.misses)
      }
    }
  }

  /// A figure of a call site.
  private func site(_ name: String, _ field: String, _ text: String) -> ResultName? {
    guard sites.contains(name), Self.siteFields.contains(field) else { return nil }
    let isSize = ["requested", "allocated", "wasted"].contains(field)
    return ResultName(text: text, dimension: isSize ? .size : .number) { result in
      guard let site = result.callSites.first(where: { $0.name == name }) else { return 0 }
      return switch field {
      case "allocations": Double(site.allocations)
      case "failed": Double(site.failed)
      case "requested": Double(site.requestedBytes)
      case "allocated": Double(site.allocatedBytes)
      case "wasted": Double(site.wastedBytes)
      case "slow_path": Double(site.slowPath)
      case "new_slabs": Double(site.newSlabs)
      case "frees": Double(site.frees)
      case "cross_cpu_frees": Double(site.crossCpuFrees)
      case "live": Double(site.liveObjects)
      default: Double(site.leakedObjects)
      }
    }
  }

  /// A SLUB statistic summed over all caches; `alloc` and `free` are fast and slow path together.
  private func slub(_ name: String, _ text: String) -> ResultName? {
    let wanted: [String]
    switch name {
    case "alloc": wanted = ["alloc_fastpath", "alloc_slowpath"]
    case "free": wanted = ["free_fastpath", "free_slowpath"]
    default:
      guard Self.slubStats.contains(name) else { return nil }
      wanted = [name]
    }
    return ResultName(text: text, dimension: .number) { result in
      result.caches.reduce(0.0) { sum, cache in
        wanted.reduce(sum) { $0 + Double(cache.stats[$1] ?? 0) }
      }
    }
  }

  private func cache(_ name: String, _ field: String, _ text: String) -> ResultName? {
    guard hasCache(name), Self.cacheFields.contains(field) else { return nil }
    let isSize = field == "object_size" || field == "slab_size"
    return ResultName(text: text, dimension: isSize ? .size : .number) { result in
      guard
        let cache = result.caches.first(where: {
          $0.name == name || $0.aliases.contains(name)
        })
      else { return nil }
      switch field {
      case "object_size": return Double(cache.objectSize)
      case "slab_size": return Double(cache.slabSize)
      case "objects_per_slab": return Double(cache.objectsPerSlab)
      case "order": return Double(cache.order)
      case "slabs": return Double(cache.slabs)
      case "active_objects": return Double(cache.activeObjects)
      case "objects": return Double(cache.objects)
      default: return Double(cache.partial)
      }
    }
  }

  private func pages(
    _ field: String, _ text: String, where isMeant: @escaping @Sendable (RunResult.Zone) -> Bool
  ) -> ResultName? {
    guard ["free_pages", "managed_pages", "present_pages"].contains(field) else { return nil }
    return ResultName(text: text, dimension: .number) { result in
      let zones = result.zones.filter(isMeant)
      guard !zones.isEmpty else { return nil }
      return zones.reduce(0.0) { sum, zone in
        switch field {
        case "free_pages": sum + Double(zone.freePages)
        case "managed_pages": sum + Double(zone.managedPages)
        default: sum + Double(zone.presentPages)
        }
      }
    }
  }

  /// TLBs, locks, interrupts, CPU time.
  func hardware(_ parts: [String], _ text: String) -> ResultName? {
    switch (parts[0], parts.count) {
    case ("tlb", 2): return tlb(parts[1], text)
    case ("tlb", 3):
      guard parts[1] == "wait", Self.tlbWaits.contains(parts[2]) else { return nil }
      let field = parts[2]
      return ResultName(text: text, dimension: .time) { result in
        let (wait, mean) = (result.tlb.waitNs, result.tlb.partsNs)
        return switch field {
        case "mean": wait.mean * 1000
        case "max": wait.max * 1000
        case "send": mean.send * 1000
        case "travel": mean.travel * 1000
        case "masked": mean.masked * 1000
        case "handler": mean.handler * 1000
        default: mean.ack * 1000
        }
      }
    case ("locks", 2): return lock(nil, parts[1], text)
    case ("locks", 3) where ["wait", "hold"].contains(parts[1]):
      return lock(nil, "\(parts[1]).\(parts[2])", text)
    case ("locks", 3...):
      let field = parts.dropFirst(2).joined(separator: ".")
      return lock(parts[1], field, text)
    case ("interrupts", 2): return interrupts(parts[1], text)
    case ("interrupts", 3) where parts[1] == "run_queue_wait":
      guard ["mean", "max"].contains(parts[2]) else { return nil }
      let isMean = parts[2] == "mean"
      return ResultName(text: text, dimension: .time) {
        (isMean ? $0.interrupts.runQueueWaitNs.mean : $0.interrupts.runQueueWaitNs.max) * 1000
      }
    case ("cpu_time", 2):
      let key = "\(parts[1])_ns"
      guard TimeCategory.allCases.contains(where: { $0.key == key }) else { return nil }
      return ResultName(text: text, dimension: .time) { $0.cpuTime[key].map { Double($0) * 1000 } }
    default: return nil
    }
  }

  private func tlb(_ field: String, _ text: String) -> ResultName? {
    guard Self.tlb.contains(field) else { return nil }
    return ResultName(text: text, dimension: .number) { result in
      switch field {
      case "shootdowns": Double(result.tlb.shootdowns)
      case "ipis_sent": Double(result.tlb.ipisSent)
      case "ipis_received": Double(result.tlb.ipisReceived)
      case "flush_all": Double(result.tlb.flushAll)
      case "flush_one": Double(result.tlb.flushOne)
      case "slowest_cpu": Double(result.tlb.slowestCpu)
      default: Double(result.tlb.broadcasts)
      }
    }
  }

  private func interrupts(_ field: String, _ text: String) -> ResultName? {
    guard Self.interrupts.contains(field) else { return nil }
    return ResultName(text: text, dimension: .number) { result in
      switch field {
      case "call_function": Double(result.interrupts.callFunction)
      case "device": Double(result.interrupts.device)
      case "softirqs": Double(result.interrupts.softirqs)
      case "ksoftirqd_wakeups": Double(result.interrupts.ksoftirqdWakeups)
      default: Double(result.interrupts.contextSwitches)
      }
    }
  }

  /// One lock of the workload's, the kernel's of a kind (`list_lock` is that of every cache and
  /// node), or all locks together where `name` is nil.
  private func lock(_ name: String?, _ field: String, _ text: String) -> ResultName? {
    guard name.map({ hasLock($0) }) ?? true, Self.lockFields.contains(field) else { return nil }
    // A mean over all locks would weigh a lock taken once like one taken a million times.
    let isOne = name.map { hasOwnLock($0) } ?? false
    if !isOne, field.hasSuffix("mean") { return nil }
    let isCount = !field.hasPrefix("wait") && !field.hasPrefix("hold")
    return ResultName(text: text, dimension: isCount ? .number : .time) { result in
      let locks = result.locks.filter { lock in
        guard let name else { return true }
        return lock.name == name || !isOne && lock.name.hasPrefix("\(name) ")
      }
      let values = locks.map { Self.lockValue($0, field) }
      return field.hasSuffix("max") ? values.max() ?? 0 : values.reduce(0, +)
    }
  }

  private static func lockValue(_ lock: RunResult.Lock, _ field: String) -> Double {
    switch field {
    case "acquisitions": Double(lock.acquisitions)
    case "contended": Double(lock.contended)
    case "depth_max": Double(lock.depthMax)
    case "cross_node": Double(lock.crossNode)
    case "wait.total": lock.waitNs.total * 1000
    case "wait.mean": lock.waitNs.mean * 1000
    case "wait.max": lock.waitNs.max * 1000
    case "hold.total": lock.holdNs.total * 1000
    case "hold.mean": lock.holdNs.mean * 1000
    default: lock.holdNs.max * 1000
    }
  }

  // MARK: Names of caches

  /// The release's names of its kmalloc caches, the normal ones first.
  static func kmallocCaches(of version: KernelVersion, _ config: KernelConfig) -> [String] {
    let classes = KmallocClasses(
      minimum: Boot.kmallocMin(version, config), kind: config.slab, rules: version.slab)
    let copies = config.randomKmallocCaches ? KmallocFamily.copies : 0
    let normal = (0...copies).flatMap { copy in
      classes.indices.map { classes.name(.normal, $0, copy: copy) }
    }
    let others = KmallocFamily.allCases.dropFirst().flatMap { family in
      classes.indices.map { classes.name(family, $0) }
    }
    return normal + others
  }
  /// Names of the caches of a workload's buckets: `msg_msg-64`.
  static func bucketCaches(
    of program: Program, _ version: KernelVersion, _ config: KernelConfig
  ) -> [String] {
    let classes = KmallocClasses(
      minimum: Boot.kmallocMin(version, config), kind: config.slab, rules: version.slab)
    return program.buckets.flatMap { name in
      classes.indices.map { "\(name)-\(KmallocClasses.short(KmallocClasses.size(of: $0)))" }
    }
  }
}
