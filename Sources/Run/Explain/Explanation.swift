import Kernel

/// What `kmemu explain` says of a topic: sentences, facts and tables, as plain values.
package struct Explanation: Sendable, Equatable {
  package enum Value: Sendable, Equatable {
    case number(Int)
    case text(String)
  }
  package struct Fact: Sendable, Equatable {
    package var name: String
    package var value: Value
    /// `pages`, `KiB`; empty where there is none.
    package var unit: String
    package var remark: String
    package init(_ name: String, _ value: Value, _ unit: String = "", _ remark: String = "") {
      (self.name, self.value, self.unit, self.remark) = (name, value, unit, remark)
    }
  }
  package struct Table: Sendable, Equatable {
    package var heads: [String]
    package var rows: [[Value]] = []
    package init(_ heads: [String]) { self.heads = heads }
  }

  package var topic: String
  package var title: String
  /// Kernel and machine it holds for; empty where it holds for all.
  package var kernel = ""
  package var machine = ""
  package var text: [String] = []
  package var facts: [Fact] = []
  package var tables: [Table] = []

  package init(_ topic: String, _ title: String) { (self.topic, self.title) = (topic, title) }

  /// The topics there are, with what each tells. Codes are topics too.
  package static let topics: [(name: String, title: String)] = [
    ("slabs", "order, objects and lists of every kmalloc class"),
    ("cache NAME", "the same of one cache: cache kmalloc-256"),
    ("pcp", "batch and limits of the per-CPU page lists, by zone"),
    ("watermarks", "min, low and high of each zone, and what is kept from whom"),
    ("vmalloc", "address range, lazy_max_pages, nodes"),
    ("address ADDR", "where a kernel address leads: address 0xffff888000100000"),
    ("gfp FLAGS", "what a GFP flag allows: gfp GFP_ATOMIC"),
    ("errors", "every error code"),
    ("CODE", "one error code: S104, T108, V107"),
  ]
}

/// Derived constants of a kernel on a machine.
package struct Explainer: Sendable {
  let boot: Boot
  private let machineText: String

  package init(_ boot: Boot) {
    self.boot = boot
    machineText =
      "\(boot.machine.source): \(boot.cpuCount) CPU\(boot.cpuCount == 1 ? "" : "s"), "
      + "\(boot.nodeCount) node\(boot.nodeCount == 1 ? "" : "s")"
  }

  func explanation(_ topic: String, _ title: String) -> Explanation {
    var found = Explanation(topic, title)
    (found.kernel, found.machine) = (boot.version.name, machineText)
    return found
  }
}

extension Explainer {
  private static let slabHeads = [
    "cache", "object", "size", "align", "order", "objects", "cpu_partial", "slabs", "min_partial",
  ]

  /// Every kmalloc class. Kernel: `create_kmalloc_caches()`, `calculate_sizes()`.
  package func slabs() -> Explanation {
    var found = explanation("slabs", "kmalloc classes")
    let classes = KmallocClasses(
      minimum: boot.architecture.kmallocMin, kind: boot.config.slab, rules: boot.version.slab)
    var table = Explanation.Table(Explainer.slabHeads)
    table.rows = classes.indices.compactMap { row(classes.name(.normal, $0), classes, $0) }
    found.tables = [table]
    found.text = [
      "The order is the smallest that wastes at most a sixteenth (then an eighth, a quarter, a half) "
        + "and holds 4 * (fls(\(boot.cpuCount)) + 1) objects, up to order 3. `slabs` is what a CPU's "
        + "partial list may hold: twice cpu_partial over the objects of a slab.",
      "A request of more than \(classes.cacheMax) bytes goes to the page allocator, in powers of "
        + "two of pages.",
    ]
    return found
  }

  private func row(
    _ name: String, _ classes: KmallocClasses, _ index: Int
  ) -> [Explanation.Value]? {
    let size = KmallocClasses.size(of: index)
    let sizing = SlabSizing(
      objectSize: size, align: classes.alignment(of: index), cpuCount: boot.cpuCount,
      rules: boot.version.slab)
    return sizing.map { row(name, $0) }
  }

  private func row(_ name: String, _ sizing: SlabSizing) -> [Explanation.Value] {
    let numbers = [
      sizing.objectSize, sizing.size, sizing.align, sizing.order.index, sizing.objects,
      sizing.cpuPartial, sizing.cpuPartialSlabs, sizing.minPartial,
    ]
    return [.text(name)] + numbers.map { .number($0) }
  }

  /// One cache that exists at boot; nil, and the names there are, where there is none.
  package func cache(_ name: String) -> Explanation? {
    let machine = Machine(boot)
    guard let cache = machine.world.slab.cache(named: name) else { return nil }
    let sizing = machine.world.slab.caches[cache].sizing
    var found = explanation("cache \(name)", name)
    let rules = boot.version.slab
    let derivation = CacheDerivation(
      sizing: sizing, flags: machine.world.slab.caches[cache].flags, rules: rules,
      cpuCount: boot.cpuCount, pageSize: boot.architecture.pageSize)
    let waste = sizing.order.pageCount * boot.architecture.pageSize - sizing.objects * sizing.size
    func fact(_ name: String, _ value: Int, _ unit: String, _ remark: String) -> Explanation.Fact {
      .init(name, .number(value), unit, remark)
    }
    found.facts = [
      fact("object_size", sizing.objectSize, "B", ""),
      fact("align", sizing.align, "B", derivation.alignment),
      fact("slab_size", sizing.size, "B", derivation.size),
    ]
    guard boot.config.slab == .slub else {
      found.text = [
        "Order, objects and limits of \(boot.config.slab.name.uppercased()) follow other rules."
      ]
      return found
    }
    found.facts += [
      fact("min_objects", derivation.wantedObjects, "objects", derivation.wanted),
      fact("order", sizing.order.index, "", derivation.order),
      fact("min_order", sizing.minOrder.index, "", "holds one object; tried where that one fails"),
      fact("objs_per_slab", sizing.objects, "objects", derivation.objects),
      fact("waste", waste, "B", "at the end of a slab"),
      fact("min_partial", sizing.minPartial, "slabs", derivation.minPartial),
      fact("cpu_partial", sizing.cpuPartial, "objects", derivation.cpuPartial),
      fact(
        "cpu_partial_slabs", rules.cpuPartialUnit == .slabs ? sizing.cpuPartialSlabs : 0, "slabs",
        derivation.cpuPartialSlabs),
      fact("sheaf_capacity", sizing.sheafCapacity, "objects", derivation.sheaf),
    ]
    found.text = [
      "A node keeps min_partial slabs before it gives empty ones back. "
        + (rules.sheaves == .all
          ? "Each CPU has two sheaves, a node's barn at most ten full ones."
          : "Each CPU has one slab, and up "
            + "to the limit above on its own list.")
    ]
    return found
  }

  /// The names of caches that exist at boot.
  package var cacheNames: [String] {
    let machine = Machine(boot)
    return machine.world.slab.liveCaches.map { machine.world.slab.names[$0.index] }
  }

  // MARK: Zones

  /// Per-CPU page lists. Kernel: `zone_set_pageset_high_and_batch()`.
  package func pageLists() -> Explanation {
    let machine = Machine(boot)
    var found = explanation("pcp", "per-CPU page lists")
    var table = Explanation.Table(["node", "zone", "managed", "batch", "high_min", "high_max"])
    for number in 0..<machine.world.pages.zones.count {
      let zone = machine.world.pages.zones[number]
      table.rows.append([
        .number(zone.node.index), .text(zone.kind.name), .number(zone.managed),
        .number(Int(zone.sizing.batch)), .number(Int(zone.sizing.highMin)),
        .number(Int(zone.sizing.highMax)),
      ])
    }
    found.tables = [table]
    found.text = [
      "Pages of one CPU's lists of one zone. `batch` pages are fetched or given back at a time; "
        + "`high` tunes itself between high_min and high_max. Lists hold blocks of order 0 to 3, "
        + "and of order 9.",
      "batch is a quarter of managed/1024 (256 at most), half as much again, rounded down to a "
        + "power of two, less one; high_min is the low watermark over the CPUs of the node, high_max "
        + "an eighth of the zone over them; both at least four batches.",
    ]
    return found
  }

  /// Kernel: `__setup_per_zone_wmarks()`, `setup_per_zone_lowmem_reserve()`.
  package func watermarks() -> Explanation {
    let machine = Machine(boot)
    var found = explanation("watermarks", "watermarks of zones")
    var table = Explanation.Table(["node", "zone", "managed", "min", "low", "high", "promo"])
    let kinds = ZoneKind.all(of: boot.architecture)
    var reserves = Explanation.Table(["node", "zone"] + kinds.map(\.name))
    for number in 0..<machine.world.pages.zones.count {
      let zone = machine.world.pages.zones[number]
      let name: [Explanation.Value] = [.number(zone.node.index), .text(zone.kind.name)]
      let marks = [zone.managed, zone.marks.min, zone.marks.low, zone.marks.high, zone.marks.promo]
      table.rows.append(name + marks.map { .number($0) })
      reserves.rows.append(name + kinds.map { .number(zone.reserve[Int($0.rawValue)]) })
    }
    found.tables = [table, reserves]
    found.text = [
      "Pages. Below `low` kswapd is woken; a request that may wait goes no lower than `min`, "
        + "GFP_ATOMIC to three eighths of it.",
      "The second table: pages that a zone keeps back from requests which could have been met "
        + "from a higher zone (lowmem_reserve_ratio).",
    ]
    return found
  }

  // MARK: vmalloc

  /// Kernel: `lazy_max_pages()`, `vmap_init_nodes()` (mm/vmalloc.c).
  package func vmalloc() -> Explanation {
    let machine = Machine(boot)
    var found = explanation("vmalloc", "vmalloc")
    func hexadecimal(_ value: UInt64) -> Explanation.Value {
      .text("0x" + String(value, radix: 16))
    }
    let architecture = boot.architecture
    let size = architecture.vmallocEnd.raw - architecture.vmallocStart.raw
    found.facts = [
      .init("VMALLOC_START", hexadecimal(architecture.vmallocStart.raw)),
      .init("VMALLOC_END", hexadecimal(architecture.vmallocEnd.raw - 1)),
      size < 1 << 30
        ? .init("size", .number(Int(size >> 20)), "MiB")
        : .init("size", .number(Int(size >> 30)), "GiB"),
      .init("MODULES_VADDR", hexadecimal(architecture.modulesStart.raw)),
      .init("MODULES_END", hexadecimal(architecture.modulesEnd.raw - 1)),
      .init(
        "lazy_max_pages", .number(machine.world.vmalloc.purge.pagesMax), "pages",
        "fls(CPUs) * 32 MiB: a free that passes it starts a purge"),
      .init(
        "nr_vmap_nodes", .number(machine.world.vmalloc.nodes.count), "",
        "each with a busy tree, a lazy list and pools"),
      .init(
        "page_array", .number(architecture.pageSize / architecture.pointerSize), "pages",
        "larger areas have their page array from vmalloc too"),
    ]
    found.text = [
      "Each area has a guard page behind it, which counts as lazy too. A purge is one flush of the "
        + "whole range on every CPU."
    ]
    return found
  }
}
