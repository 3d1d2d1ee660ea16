import Simulation

/// What sysfs and /proc/slabinfo show of a cache. For reports: O(slabs), never on a hot path.
///
/// Kernel: `show_slab_objects()`, `slabs_cpu_partial_show()`, `get_slabinfo()` (mm/slub.c, 6.12).
package struct SlabFigures: Equatable, Sendable {
  /// Objects as the kernel counts them: those of a CPU's slabs and lists all count as used.
  package var objects: [Int]
  package var totalObjects: [Int]
  package var slabs: [Int]
  /// Current slabs and CPU lists; a CPU with a list but without a current slab is left out, as the
  /// kernel does.
  package var cpuSlabs: [Int]
  package var partial: [Int]
  package var objectsPartial: [Int]
  /// Slabs of each CPU's partial list.
  package var slabsCPUPartial: [Int]
  /// The free objects of these: from 5.16 an estimate, half of each slab.
  package var objectsCPUPartial: [Int]

  /// A figure as sysfs prints it: `636 N0=636`.
  package static func text(_ byNode: [Int]) -> String {
    let parts = byNode.enumerated().filter { $0.element != 0 }.map { "N\($0.offset)=\($0.element)" }
    return (["\(byNode.reduce(0, +))"] + parts).joined(separator: " ")
  }

  /// As sysfs prints `slabs_cpu_partial`: `32(2) C2=32(2)`, objects and slabs.
  package var slabsCPUPartialText: String {
    let (objects, slabs) = (objectsCPUPartial.reduce(0, +), slabsCPUPartial.reduce(0, +))
    let parts = slabsCPUPartial.indices.filter { slabsCPUPartial[$0] != 0 }
      .map { "C\($0)=\(objectsCPUPartial[$0])(\(slabsCPUPartial[$0]))" }
    return (["\(objects)(\(slabs))"] + parts).joined(separator: " ")
  }

  /// The files of /sys/kernel/slab/NAME that tell the state, by their names, as they read.
  package var files: [(name: String, text: String)] {
    [
      ("objects", SlabFigures.text(objects)), ("total_objects", SlabFigures.text(totalObjects)),
      ("slabs", SlabFigures.text(slabs)), ("cpu_slabs", SlabFigures.text(cpuSlabs)),
      ("partial", SlabFigures.text(partial)),
      ("objects_partial", SlabFigures.text(objectsPartial)),
      ("slabs_cpu_partial", slabsCPUPartialText),
    ]
  }
}

/// A row of /proc/slabinfo. Kernel: `struct slabinfo` (mm/slab.h, 6.12).
package struct SlabInfo: Equatable, Sendable {
  package var name: String
  package var activeObjects: Int
  package var objects: Int
  /// From one object to the next. Unit: bytes.
  package var objectSize: Int
  package var objectsPerSlab: Int
  package var pagesPerSlab: Int
  package var slabs: Int
}

extension SlabAllocator {
  /// Complexity: O(CPUs + slabs on node lists).
  package func figures(of cache: CacheID) -> SlabFigures {
    let none = [Int](repeating: 0, count: nodeCount)
    var figures = SlabFigures(
      objects: none, totalObjects: none, slabs: none, cpuSlabs: none, partial: none,
      objectsPartial: none, slabsCPUPartial: [Int](repeating: 0, count: cpuCount),
      objectsCPUPartial: [Int](repeating: 0, count: cpuCount))
    guard layouts[cache.index].cpus >= 0 else { return figures }
    guard layouts[cache.index].front != .array else {
      for (node, here) in arrayFigures(of: cache).nodes.enumerated() {
        figures.slabs[node] = here.slabs
        figures.partial[node] = here.partial
        figures.totalObjects[node] = here.slabs * caches[cache].sizing.objects
        figures.objects[node] = figures.totalObjects[node] - here.freeObjects
        figures.objectsPartial[node] =
          (here.partial + here.free) * caches[cache].sizing.objects - here.freeObjects
      }
      return figures
    }
    for node in 0..<nodeCount {
      let here = nodes[self.node(cache, NodeID(node))]
      var free = 0
      var next = here.first
      while !next.isNone {
        let slab = slabs[next]
        free += Int(slab.objects) - Int(slab.inuse)
        figures.objectsPartial[node] += Int(slab.inuse)
        next = slab.next
      }
      figures.partial[node] = Int(here.partialCount)
      figures.slabs[node] = Int(here.slabCount)
      figures.totalObjects[node] = Int(here.objectCount)
      figures.objects[node] = Int(here.objectCount) - free
    }
    for cpu in 0..<cpuCount {
      let mine = cpus[self.cpu(cache, CPUID(cpu))]
      let listed = mine.partial.isNone ? 0 : slabs[mine.partial].slabsOfList
      figures.slabsCPUPartial[cpu] = listed
      figures.objectsCPUPartial[cpu] =
        rules.cpuPartialUnit == .objects && listed > 0
        ? slabs[mine.partial].objectsOfList : listed * caches[cache].sizing.objects / 2
      guard !mine.slab.isNone else { continue }
      figures.cpuSlabs[Int(slabs[mine.slab].node)] += 1
      if !mine.partial.isNone { figures.cpuSlabs[Int(slabs[mine.partial].node)] += listed }
    }
    return figures
  }

  /// A cache as /proc/slabinfo shows it.
  package func info(of cache: CacheID) -> SlabInfo {
    let (figures, sizing) = (figures(of: cache), caches[cache].sizing)
    return SlabInfo(
      name: names[cache.index], activeObjects: figures.objects.reduce(0, +),
      objects: figures.totalObjects.reduce(0, +), objectSize: sizing.size,
      objectsPerSlab: sizing.objects, pagesPerSlab: sizing.order.pageCount,
      slabs: figures.slabs.reduce(0, +))
  }

  /// Objects that are allocated: handed out and not yet given back. Complexity: O(objects).
  package func allocatedCount(of cache: CacheID) -> Int {
    var count = 0
    for id in 0..<slabsUsed where slabs[id].objects > 0 && slabs[id].cacheID == cache {
      for index in 0..<slabs[id].objects where isTaken(ID(id), index) { count += 1 }
    }
    return count
  }

  /// Pages of live slabs, of the caches that reclaim can shrink and of the others.
  ///
  /// Kernel: vmstat's nr_slab_reclaimable and nr_slab_unreclaimable; large blocks not included.
  package func slabPages(reclaimable: Bool) -> Int {
    var pages = 0
    for id in 0..<slabsUsed where slabs[id].objects > 0 {
      let flags = caches[slabs[id].cacheID].flags
      if flags.contains(.reclaimAccount) == reclaimable { pages += slabs[id].order.pageCount }
    }
    return pages
  }
}
