import Kernel

/// Steps that make, use and free objects.
extension Body {
  /// What a step's name says about its allocation.
  private struct Kind {
    var api: Allocation.API
    var free: FreeAPI
    var zeroes = false
    var flags: VmallocFlags = []
    var gfp: GFPFlags = []
  }

  private static let kinds: [String: Kind] = [
    "kmalloc": Kind(api: .kmalloc, free: .kfree),
    "kzalloc": Kind(api: .kmalloc, free: .kfree, zeroes: true),
    "kmem_buckets_alloc": Kind(api: .kmalloc, free: .kfree),
    "kcalloc": Kind(api: .kmalloc, free: .kfree, zeroes: true),
    "kmalloc_array": Kind(api: .kmalloc, free: .kfree),
    "kmalloc_node": Kind(api: .kmalloc, free: .kfree),
    "kzalloc_node": Kind(api: .kmalloc, free: .kfree, zeroes: true),
    "kcalloc_node": Kind(api: .kmalloc, free: .kfree, zeroes: true),
    "kmalloc_array_node": Kind(api: .kmalloc, free: .kfree),
    "krealloc": Kind(api: .krealloc, free: .kfree),
    "krealloc_array": Kind(api: .krealloc, free: .kfree),
    "kmem_cache_alloc": Kind(api: .kmemCacheAlloc, free: .kmemCacheFree),
    "kmem_cache_zalloc": Kind(api: .kmemCacheAlloc, free: .kmemCacheFree, zeroes: true),
    "kmem_cache_alloc_node": Kind(api: .kmemCacheAlloc, free: .kmemCacheFree),
    "alloc_pages": Kind(api: .allocPages, free: .freePages),
    "__get_free_pages": Kind(api: .allocPages, free: .freePages),
    "vmalloc": Kind(api: .vmalloc, free: .vfree),
    "vzalloc": Kind(api: .vmalloc, free: .vfree, zeroes: true),
    "__vmalloc": Kind(api: .vmalloc, free: .vfree, flags: .checksMask),
    "vmalloc_node": Kind(api: .vmalloc, free: .vfree),
    "vzalloc_node": Kind(api: .vmalloc, free: .vfree, zeroes: true),
    "__vmalloc_node": Kind(api: .vmalloc, free: .vfree),
    "vmalloc_user": Kind(api: .vmalloc, free: .vfree, zeroes: true),
    "vmalloc_32": Kind(api: .vmalloc, free: .vfree, gfp: .dma32),
    "module_alloc": Kind(api: .vmalloc, free: .vfree, flags: .module),
    "vmalloc_huge": Kind(api: .vmalloc, free: .vfree, flags: [.allowsHuge, .checksMask]),
    "vrealloc": Kind(api: .vrealloc, free: .vfree),
    "kvrealloc": Kind(api: .kvrealloc, free: .kvfree),
    "vmap": Kind(api: .vmap, free: .vunmap),
    "vm_map_ram": Kind(api: .vmMapRAM, free: .vmUnmapRAM),
    "kvcalloc": Kind(api: .kvmalloc, free: .kvfree, zeroes: true),
    "kvmalloc_array": Kind(api: .kvmalloc, free: .kvfree),
    "kvmalloc_node": Kind(api: .kvmalloc, free: .kvfree),
    "kvmalloc": Kind(api: .kvmalloc, free: .kvfree),
    "kvzalloc": Kind(api: .kvmalloc, free: .kvfree, zeroes: true),
    "kmem_cache_prefill_sheaf": Kind(api: .prefillSheaf, free: .returnSheaf),
    "kmem_cache_alloc_from_sheaf": Kind(api: .allocFromSheaf, free: .kmemCacheFree),
  ]

  /// For every object that allocating steps under `tree` name: the function that frees it.
  static func findFrees(in tree: Tree, _ frees: inout [String: ProgramBuilder.Free]) {
    switch tree.kind {
    case .list(let list): for item in list { findFrees(in: item, &frees) }
    case .map(let map):
      for entry in map {
        let target = entry.value["as"] ?? entry.value["object"]
        if entry.key == "kmem_cache_alloc_bulk" {
          let from = entry.value["cache"]?.text.map { "(\($0))" } ?? ""
          for object in entry.value["as"]?.list?.compactMap(\.text) ?? [] {
            frees[object] = ProgramBuilder.Free(
              api: .kmemCacheFree, operation: FreeAPI.kmemCacheFree.text + from)
          }
        }
        if let kind = kinds[entry.key], let object = target?.text {
          let from = entry.value["cache"]?.text.map { "(\($0))" } ?? ""
          frees[object] = ProgramBuilder.Free(api: kind.free, operation: kind.free.text + from)
        }
        findFrees(in: entry.value, &frees)
      }
    case .text, .nothing: break
    }
  }

  func allocate(_ name: String, _ fields: Tree, _ span: Span) -> Bool {
    guard let kind = Self.kinds[name] else { return false }
    let mask = flags(name, fields, span)
    let place = fields["node"].map { builder.node($0) } ?? .some(.any)
    var cache: Int?
    var buckets: Int?
    var count: UInt64? = 1
    let size: Distribution?
    let label: String
    switch kind.api {
    case .kmemCacheAlloc:
      cache = fields["cache"].flatMap { builder.cache($0) }
      size = cache == nil ? nil : .constant(0)
      label = cache.map { builder.program.caches[$0].name } ?? ""
    case .allocPages:
      let order = fields["order"].flatMap { reading.integer($0, "order", 0...63) }
      size = order.map { .constant(UInt64($0)) }
      label = order.map { "\($0)" } ?? ""
    case .vmap, .vmMapRAM:
      let source = fields["pages"].flatMap { pagesToMap($0) }
      size = source.map { .constant(UInt64($0)) }
      label = fields["pages"]?.text ?? ""
    default:
      size = fields["size"].flatMap { builder.size($0, "size") }
      if let tree = fields["n"] { count = reading.unsigned(tree, "n") }
      let elements = fields["n"] == nil ? "" : "\(count ?? 0),"
      label = size.map { elements + SizeName.of($0) } ?? ""
      if let tree = fields["buckets"] {
        guard let number = builder.buckets(tree) else { return false }
        buckets = number
      }
    }
    var alignShift: UInt8 = 12
    if let tree = fields["align"] {
      guard let shift = alignment(tree) else { return false }
      alignShift = shift
    }
    checkRelease(kind.api, name, span)
    // No elements are no bytes: the kernel answers ZERO_SIZE_PTR.
    let isNothing = count == 0
    let target = fields["as"] ?? fields["object"]
    guard let target, let slot = slot(target, "`as`"), var gfp = mask, let place, let count,
      let size
    else { return false }
    if kind.api == .kmalloc {
      if case .constant = size {} else { gfp.insert(.runTimeSize) }
      if let buckets { gfp.formUnion([.runTimeSize, .buckets(buckets)]) }
    }
    guard builder.program.allocations.count < ScenarioLimits.allocationsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.allocationsMax) allocating steps", at: span)
      return false
    }
    let index = builder.program.allocations.count
    builder.program.allocations.append(
      Allocation(
        api: kind.api, size: builder.place(of: isNothing ? .constant(0) : size),
        count: isNothing ? 1 : count,
        gfp: (kind.zeroes ? gfp.union(.zero) : gfp).union(kind.gfp), place: place,
        cache: Int32(cache ?? -1), vmFlags: kind.flags, alignShift: alignShift,
        operation: builder.operation("\(name)(\(label))", span),
        site: site(fields, span)))
    emit(
      Body.reallocating.contains(name)
        ? .reallocate(Int32(index), slot) : .allocate(Int32(index), into: slot))
    onFailure(fields["on-failure"], .allocation(index), byDefault: "continue")
    noteFilled(target.text, slot, kind.free, cache: cache)
    return true
  }

  /// The slot of the block of pages that a mapping maps, of the thread's own; nil after a finding.
  private func pagesToMap(_ tree: Tree) -> Int? {
    guard slot(tree, "`pages`") != nil else { return nil }
    guard let known = tree.text.flatMap({ slots[$0] }), known.isFilled,
      known.freeAPI == .freePages
    else {
      findings.add(
        .misplaced, "`\(tree.text ?? "")` is no block of pages of this thread's own",
        at: tree.span, notes: ["`alloc_pages: {order: 4, as: NAME}` makes one"])
      return nil
    }
    return known.index
  }

  /// Log 2 of an alignment, a page at least; nil after a finding.
  private func alignment(_ tree: Tree) -> UInt8? {
    guard let bytes = reading.size(tree, "align", atLeast: 1) else { return nil }
    guard bytes & (bytes - 1) == 0, bytes <= 1 << 30 else {
      findings.add(.range, "align is a power of two, at most 1GiB", at: tree.span)
      return nil
    }
    return UInt8(max(12, bytes.trailingZeroBitCount))
  }

  /// Calls that the release does not have.
  private func checkRelease(_ api: Allocation.API, _ name: String, _ span: Span) {
    guard let rules = builder.version?.vmalloc else { return }
    switch api {
    case .vmMapRAM where rules.store == .list: missing(name, since: "2.6.28", span)
    case .kvrealloc where rules.reallocation == .none: missing(name, since: "5.15", span)
    case .vrealloc where rules.reallocation != .byAllocators: missing(name, since: "6.12", span)
    default: break
    }
  }

  private func missing(_ name: String, since release: String, _ span: Span) {
    findings.add(
      .kernel, "Linux \(builder.version?.name ?? "") has no \(name)", at: span,
      label: "it came with \(release)")
  }

  func flags(_ name: String, _ fields: Tree, _ span: Span) -> GFPFlags? {
    if let tree = fields["gfp"] { return builder.gfp(tree) }
    if !isTask, Words.step(name)?.keys.contains("gfp") == true {
      findings.add(
        .missingKey, "`\(name)` in a handler needs `gfp:`", at: span,
        notes: ["handlers may not sleep: GFP_ATOMIC or GFP_NOWAIT keep the kernel's rules"])
      return nil
    }
    return .kernel
  }

  func free(_ api: FreeAPI, _ fields: Tree, _ span: Span) -> Bool {
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    var name = api.text
    if api == .kmemCacheFree {
      let known = tree.text.flatMap { slots[$0] }?.cache
      if let cacheTree = fields["cache"], let cache = builder.cache(cacheTree) {
        if let known, known != cache {
          findings.add(
            .unknownName,
            "`\(tree.text ?? "")` comes from the cache `\(builder.program.caches[known].name)`",
            at: cacheTree.span)
        }
        name += "(\(builder.program.caches[cache].name))"
      } else if let known {
        name += "(\(builder.program.caches[known].name))"
      }
    }
    if let tree = fields["offset"] {
      guard let offset = offset(tree) else { return false }
      emit(.freeAt(api, slot, offset: offset, operation: builder.operation(name, span)))
      return false
    }
    emit(.free(api, slot, operation: builder.operation(name, span)))
    noteEmptied(slot)
    return false
  }

  /// `kfree_rcu`, where the release has it.
  func freeLater(_ api: FreeAPI, _ fields: Tree, _ span: Span) -> Bool {
    if let version = builder.version, version.slab.kfreeRCU == .none {
      missing(api.text, since: "3.0", span)
    }
    return free(api, fields, span)
  }

  /// `vfree_atomic`, where the release has it.
  func freeAtomically(_ fields: Tree, _ span: Span) -> Bool {
    if let version = builder.version, !version.vmalloc.hasVfreeAtomic {
      missing(FreeAPI.vfreeAtomic.text, since: "4.10", span)
    }
    return free(.vfreeAtomic, fields, span)
  }

  /// The name of the call site: its own, or the thread's and the line.
  func site(_ fields: Tree, _ span: Span) -> Int16 {
    if let tree = fields["site"], let name = reading.name(tree, "a call site") {
      builder.program.followsSites = true
      return builder.site(name)
    }
    return builder.site("\(name):\(span.line)")
  }

  func ksize(_ fields: Tree, _ span: Span) -> Bool {
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    emit(.ksize(slot, operation: builder.operation("ksize", span)))
    return false
  }

  func forget(_ fields: Tree) -> Bool {
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    emit(.forget(slot))
    noteEmptied(slot)
    return false
  }

  func touch(_ fields: Tree, _ span: Span) -> Bool {
    var stride: UInt64 = 4096
    if let tree = fields["stride"] {
      guard let bytes = reading.size(tree, "stride", atLeast: 1) else { return false }
      stride = bytes
    }
    guard let tree = fields["object"], let slot = slot(tree, "`object`") else { return false }
    guard stride <= 1 << 30 else {
      findings.add(.range, "stride is at most 1GiB", at: fields["stride"]?.span)
      return false
    }
    let operation = builder.operation("touch", span)
    guard let at = fields["at"] else {
      emit(.touch(slot, stride: Int32(stride), operation: operation))
      return false
    }
    guard fields["stride"] == nil else {
      findings.add(
        .range, "`at: random` is one access: it has no stride", at: fields["stride"]?.span)
      return false
    }
    guard let place = reading.text(at, "`at`") else { return false }
    guard place == "random" else {
      findings.unknown(.unknownName, "place", place, among: ["random"], at: at.span)
      return false
    }
    emit(.touch(slot, stride: Op.atRandom, operation: operation))
    return false
  }

  func cacheStep(_ name: String, _ fields: Tree, _ span: Span) -> Bool {
    guard let tree = fields["cache"], let cache = builder.cache(tree) else { return false }
    let operation = builder.operation("\(name)(\(builder.program.caches[cache].name))", span)
    switch name {
    case "kmem_cache_create":
      builder.program.caches[cache].isMadeAtStart = false
      emit(.cacheCreate(Int32(cache), operation: operation))
    case "kmem_cache_shrink": emit(.cacheShrink(Int32(cache), operation: operation))
    default: emit(.cacheDestroy(Int32(cache), operation: operation))
    }
    return true
  }
}
