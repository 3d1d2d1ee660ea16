import Run

/// Slab caches as tools/mm/slabinfo shows them, and allocations by call site as perf kmem does.
extension TextReport {
  /// tools/mm/slabinfo's columns: objects in use, their size, the slabs' memory; slabs, partial
  /// ones, those of CPUs; objects a slab, order; how many of the slabs are partial, how much of the
  /// memory is used by objects.
  var slabinfo: String? {
    let used = result.caches.filter { $0.slabs > 0 }
    guard !used.isEmpty else { return nil }
    let pageSize = 4096
    func space(_ cache: RunResult.Cache) -> Int { cache.slabs * pageSize << cache.order }
    let sorted = used.sorted { (space($1), $0.name) < (space($0), $1.name) }
    let (rows, rest) = shortened(sorted, to: 8, of: "caches with slabs")
    var table = FigureTable(
      "slabs",
      ["objects", "objsize", "space", "slabs/part/cpu", "O/S", "O", "%Fr", "%Ef", "flags"],
      words: [8])
    for cache in rows {
      let bytes = space(cache)
      table.rows.append(
        (
          cache.name,
          [
            Figures.count(cache.activeObjects), "\(cache.objectSize)",
            TextLayout.bytes(UInt64(bytes)),
            "\(cache.slabs)/\(cache.partial)/\(cache.cpuSlabs)", "\(cache.objectsPerSlab)",
            "\(cache.order)", "\(cache.partial * 100 / max(cache.slabs, 1))",
            "\(cache.activeObjects * cache.objectSize * 100 / max(bytes, 1))", cache.flags,
          ]
        ))
    }
    let merged = rows.filter { !$0.aliases.isEmpty }
      .map { "\($0.name) is \($0.aliases.joined(separator: ", ")) too" }
    let pages = TextLayout.bytes(UInt64(result.slabPages * pageSize))
    table.footer =
      rest + ["\(pages) in all"]
      + merged.flatMap {
        Figures.wrapped($0, width: 78).split(separator: "\n").map(String.init)
      }
    return table.text(paint)
  }

  /// SLOB's lists, which no kernel file shows: how much of their pages is free and in how many
  /// pieces, and how far a search goes.
  var slob: String? {
    guard let slob = result.slob, result.slabPages > 0 else { return nil }
    var table = FigureTable(
      "SLOB's pages", ["pages", "free", "%Fr", "holes", "largest", "misses", "pages/search"])
    for list in slob.lists where list.pages > 0 || list.searches > 0 {
      let limit =
        switch list.name {
        case "small": "small, below 256 B"
        case "medium": "medium, below 1 KiB"
        case "large": "large"
        default: "on the one list"
        }
      let searches = Double(list.searches)
      table.rows.append(
        (
          limit,
          [
            Figures.count(list.pages), TextLayout.bytes(UInt64(list.freeBytes)),
            "\(list.freeBytes * 100 / max(list.pages * 4096, 1))", Figures.count(list.holes),
            TextLayout.bytes(UInt64(list.largestHole)),
            searches > 0 ? Figures.percent(Double(list.misses), of: searches) : "-",
            searches > 0 ? Figures.short(Double(list.pagesPassed) / searches) : "-",
          ]
        ))
    }
    let full = Figures.count(slob.fullPages)
    table.rows.append(("full, on no list", [full, "-", "-", "-", "-", "-", "-"]))
    return table.text(paint)
  }

  /// perf kmem's columns by caller, and how the calls went: the share that no slow path served, of
  /// new slabs, of frees on another CPU; mean latency and lifetime.
  var callSites: String? {
    guard !result.callSites.isEmpty else { return nil }
    let sorted = result.callSites.sorted {
      ($1.allocatedBytes, $0.name) < ($0.allocatedBytes, $1.name)
    }
    let (rows, rest) = shortened(sorted, to: 10, of: "call sites")
    var table = FigureTable(
      "call sites",
      ["calls", "asked B", "waste", "fast", "new slab", "remote", "latency", "lifetime"])
    for site in rows {
      let calls = Double(site.allocations)
      func share(_ part: UInt64, _ whole: Double) -> String {
        whole > 0 ? Figures.percent(Double(part), of: whole) : "-"
      }
      table.rows.append(
        (
          site.name,
          [
            Figures.count(site.allocations), Figures.short(Double(site.requestedBytes)),
            share(site.wastedBytes, Double(site.allocatedBytes)),
            share(site.allocations - min(site.allocations, site.slowPath), calls),
            share(site.newSlabs, calls), share(site.crossCpuFrees, Double(site.frees)),
            Figures.time(site.latencyNs.mean),
            site.frees > 0 ? Figures.time(site.lifetimeNs.mean) : "-",
          ]
        ))
    }
    let left = result.callSites.filter { $0.liveObjects > 0 }
    let objects = left.reduce(0) { $0 + $1.liveObjects }
    let leaked = left.reduce(0) { $0 + $1.leakedObjects }
    var footer = rest
    if objects > 0 {
      footer.append(
        "\(Figures.count(objects)) objects live at the end, \(Figures.count(leaked)) of them leaked"
      )
    }
    table.footer = footer
    return table.text(paint)
  }
}
