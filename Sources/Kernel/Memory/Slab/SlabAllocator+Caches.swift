import Hardware
import Simulation

/// The life of caches: declared, created, first used, shut down.
extension SlabAllocator {
  /// Caches there can be, a slab's record has 16 bits for its own. Unit: caches.
  package static let cachesMax = 1 << 14

  /// Kernel: `create_kmalloc_caches()` (mm/slab_common.c, 6.12).
  mutating func createKmallocCaches(cacheLine: Int) {
    for family in KmallocFamily.allCases {
      createCaches(of: family, row: Int(family.rawValue), cacheLine)
      guard family == .normal else { continue }
      for copy in 1...KmallocFamily.copies { createCaches(of: .normal, row: copy, cacheLine) }
    }
  }

  /// The caches of a row of the table, or the normal ones where the kernel has no such row.
  private mutating func createCaches(of family: KmallocFamily, row: Int, _ cacheLine: Int) {
    let copy = family == .normal ? row : 0
    for index in classes.indices {
      let place = row * KmallocClasses.count + index
      guard exists(family), copy == 0 || settings.hasRandomCopies else {
        kmallocCaches[place] = kmallocCaches[index]
        continue
      }
      let id = declare(
        classes.name(family, index, copy: copy), objectSize: KmallocClasses.size(of: index),
        align: classes.alignment(of: index), flags: family.flags, cacheLine: cacheLine)
      guard let id else { preconditionFailure("a kmalloc class has no slab") }
      caches[id].state = .live
      kmallocCaches[place] = id
    }
  }

  /// Whether a family has caches of its own; the normal ones serve in its place.
  private func exists(_ family: KmallocFamily) -> Bool {
    switch family {
    case .normal, .dma: true
    case .reclaim: rules.hasReclaimCaches
    case .cgroup: rules.hasAccountedCaches && settings.memcg
    }
  }

  /// The cache that serves a kmalloc of 1 to `classes.cacheMax` bytes. Kernel: `kmalloc_slab()`.
  @inline(__always)
  func kmallocCache(size: Int, gfp: GFPFlags) -> CacheID {
    kmallocCaches[KmallocFamily.row(gfp) &* KmallocClasses.count &+ classes.index(of: size)]
  }

  /// A place for a cache with these sizes, for `kmem_cache_create()` to bring to life.
  ///
  /// `sheaf` is the capacity of sheaves that it asks for. Returns: `nil` where no slab can hold such
  /// an object, or the table is full. Complexity: O(1).
  package mutating func declare(
    _ name: String, objectSize: Int, align: Int = 0, flags: SlabFlags = [], sheaf: Int = 0,
    cacheLine: Int = 64
  ) -> CacheID? {
    guard align == 0 || align & (align - 1) == 0, names.count < SlabAllocator.cachesMax else {
      return nil
    }
    let flags = settings.kind == .slub ? flags.union(settings.debug) : flags
    let aligned = SlabSizing.alignment(
      requested: align, objectSize: objectSize, flags: flags, cacheLine: cacheLine,
      rules.lineAlignment(of: settings.kind))
    let id = CacheID(names.count)
    let sizing =
      settings.kind == .slob
      ? slobSizing(objectSize: objectSize, align: aligned, flags: flags)
      : settings.kind == .slab
        ? sizeArrays(
          id, objectSize: objectSize, align: aligned, flags: flags, cacheLine: cacheLine)
        : SlabSizing(
          objectSize: objectSize, align: aligned, flags: flags, sheaf: sheaf, cpuCount: cpuCount,
          rules: rules)
    guard let sizing else { return nil }
    names.append(name)
    if id.index == caches.count {
      caches.grow(to: 2 * id.index, KmemCache(sizing, flags: [], state: .none))
      layouts.grow(to: caches.count, CacheLayout(sizing, settings.kind, rules))
      counts.grow(to: caches.count * SlabAllocator.statsMax, 0)
    }
    caches[id] = KmemCache(sizing, flags: flags, state: .declared)
    layouts[id.index] = CacheLayout(sizing, settings.kind, rules)
    layouts[id.index].isDebug = !flags.isDisjoint(with: .debug)
    return id
  }

  /// Caches that a report lists, in the order they were created.
  package var liveCaches: [CacheID] {
    names.indices.map { CacheID($0) }.filter {
      caches[$0].state == .live || caches[$0].state == .shutDown
    }
  }

  /// The cache called `name`, a live one if there is any.
  package func cache(named name: String) -> CacheID? {
    let all = names.indices.filter { names[$0] == name }.map { CacheID($0) }
    return all.last { caches[$0].state == .live } ?? all.last
  }

  /// Gives a cache its records for each CPU and node, at its first use. Complexity: O(CPUs).
  mutating func activate(_ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines) {
    guard layouts[cache.index].cpus < 0 else { return }
    caches[cache].name = locks.addName(names[cache.index])
    if settings.isFreelistRandom { makeSequence(cache) }
    let firstCPU = takeCPUs()
    for cpu in 0..<cpuCount { cpus[firstCPU + cpu] = KmemCacheCPU(cpu: cpu) }
    layouts[cache.index].cpus = Int32(firstCPU)
    makeNodes(cache, &locks, &lines)
  }

  /// Gives a cache its record for each node.
  mutating func makeNodes(_ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines) {
    let firstNode = takeNodes()
    for node in 0..<nodeCount {
      nodes[firstNode + node] = .blank
      nodes[firstNode + node].listLock = locks.make(
        .listLock, name: "list_lock \(names[cache.index])/\(node)", lines: &lines, node: node)
    }
    layouts[cache.index].nodes = Int32(firstNode)
    activateSheaves(cache, &locks, &lines)
  }

  private mutating func takeCPUs() -> Int {
    if let place = unusedCPUs.popLast() { return Int(place) }
    if cpusUsed + cpuCount > cpus.count {
      cpus.grow(to: max(2 * cpus.count, cpusUsed + cpuCount), KmemCacheCPU(cpu: 0))
    }
    cpusUsed += cpuCount
    return cpusUsed - cpuCount
  }

  private mutating func takeNodes() -> Int {
    if let place = unusedNodes.popLast() { return Int(place) }
    if nodesUsed + nodeCount > nodes.count {
      nodes.grow(to: max(2 * nodes.count, nodesUsed + nodeCount), .blank)
    }
    nodesUsed += nodeCount
    return nodesUsed - nodeCount
  }

  /// Ends a cache without slabs: its records serve the next one, what it counted stays. It may be
  /// created anew.
  mutating func release(_ cache: CacheID, _ locks: inout Locks, _ lines: inout CacheLines) {
    caches[cache].state = .declared
    guard layouts[cache.index].cpus >= 0 else { return }
    for stat in SlabStat.counted {
      counts[cache.index * SlabAllocator.statsMax + stat.rawValue] = count(stat, of: cache)
    }
    if layouts[cache.index].front == .array { releaseArrays(cache, &locks, &lines) }
    releaseSheaves(cache, &locks, &lines)
    for node in 0..<nodeCount {
      locks.give(nodes[Int(layouts[cache.index].nodes) + node].listLock, lines: &lines)
    }
    if layouts[cache.index].front != .array { unusedCPUs.append(layouts[cache.index].cpus) }
    unusedNodes.append(layouts[cache.index].nodes)
    (layouts[cache.index].cpus, layouts[cache.index].nodes) = (-1, -1)
  }

  /// Draws the permutation that new freelists of a cache follow.
  ///
  /// Kernel: `cache_random_seq_create()`, `freelist_randomize()` (mm/slab_common.c, 6.12).
  mutating func makeSequence(_ cache: CacheID) {
    let count = caches[cache].sizing.objects
    // One that is created anew has its own still.
    guard count > 1, caches[cache].sequence < 0 else { return }
    var stream = RandomStream(seed: seed, name: "freelist_randomize", index: cache.index)
    if sequencesUsed + count > sequences.count {
      sequences.grow(to: max(2 * sequences.count, sequencesUsed + count), 0)
    }
    let base = sequencesUsed
    for index in 0..<count { sequences[base + index] = UInt16(index) }
    for index in stride(from: count - 1, to: 0, by: -1) {
      let other = base + stream.below(index + 1)
      (sequences[base + index], sequences[other]) = (sequences[other], sequences[base + index])
    }
    caches[cache].sequence = Int32(base)
    caches[cache].starts = stream
    sequencesUsed += count
  }

  /// What a cache has counted, over all CPUs.
  package func count(_ stat: SlabStat, of cache: CacheID) -> UInt64 {
    var total = counts[cache.index * SlabAllocator.statsMax + stat.rawValue]
    guard layouts[cache.index].cpus >= 0, SlabStat.counted.contains(stat) else { return total }
    let isFast = stat == .alloc_fastpath || stat == .free_fastpath
    if layouts[cache.index].front == .array {
      return isFast ? total + arrayCount(stat, of: cache) : total
    }
    let isAlloc = stat == .alloc_fastpath || stat == .alloc_pcs
    if isFast {
      for cpu in 0..<cpuCount {
        let mine = cpus[self.cpu(cache, CPUID(cpu))]
        total += UInt64(isAlloc ? mine.allocFast : mine.freeFast)
      }
    }
    // From 7.0 on the kernel counts what sheaves serve as fast, in 6.18 by a name of its own.
    let ofSheaves: [SlabStat] =
      rules.sheaves == .all ? [.alloc_fastpath, .free_fastpath] : [.alloc_pcs, .free_pcs]
    guard layouts[cache.index].front == .sheaf, ofSheaves.contains(stat) else { return total }
    for cpu in 0..<cpuCount {
      let mine = sheaves.cpus[self.cpu(cache, CPUID(cpu))]
      total += UInt64(isAlloc ? mine.allocFast : mine.freeFast)
    }
    return total
  }
}
