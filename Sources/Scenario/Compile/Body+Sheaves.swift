import Kernel

/// Steps of prefilled sheaves: `kmem_cache_prefill_sheaf: {cache: node, n: 12, as: nodes}`, then
/// `kmem_cache_alloc_from_sheaf: {sheaf: nodes, as: one}` where an allocation must not fail.
extension Body {
  func prefillSheaf(_ fields: Tree, _ span: Span) -> Bool {
    let name = "kmem_cache_prefill_sheaf"
    checkRelease(name, span)
    guard let tree = fields["cache"], let cache = builder.cache(tree),
      let count = objectCount(fields), let target = fields["as"],
      let slot = sheaf(target, wantsFilled: false), let gfp = flags(name, fields, span)
    else { return false }
    let label = "\(name)(\(builder.program.caches[cache].name),\(count))"
    guard
      let index = allocation(
        .prefillSheaf, UInt64(count), gfp, cache, label, fields, span)
    else { return false }
    emit(.allocate(Int32(index), into: slot))
    onFailure(fields["on-failure"], .allocation(index), byDefault: "continue")
    noteFilled(target.text, slot, .returnSheaf, cache: cache)
    return true
  }

  func refillSheaf(_ fields: Tree, _ span: Span) -> Bool {
    let name = "kmem_cache_refill_sheaf"
    guard let count = objectCount(fields), let tree = fields["sheaf"],
      let slot = sheaf(tree), let cache = tree.text.flatMap({ slots[$0]?.cache }),
      let gfp = flags(name, fields, span)
    else { return false }
    let label = "\(name)(\(builder.program.caches[cache].name),\(count))"
    guard
      let index = allocation(
        .prefillSheaf, UInt64(count), gfp, cache, label, fields, span)
    else { return false }
    emit(.refillSheaf(Int32(index), slot))
    onFailure(fields["on-failure"], .allocation(index), byDefault: "continue")
    return false
  }

  func allocateFromSheaf(_ fields: Tree, _ span: Span) -> Bool {
    let name = "kmem_cache_alloc_from_sheaf"
    guard let tree = fields["sheaf"], sheaf(tree) != nil,
      let known = tree.text.flatMap({ slots[$0] }), let cache = known.cache,
      let target = fields["as"], let slot = slot(target, "`as`")
    else { return false }
    let label = "\(name)(\(builder.program.caches[cache].name))"
    guard
      let index = allocation(
        .allocFromSheaf, UInt64(known.index), .kernel, cache, label, fields, span)
    else { return false }
    emit(.allocate(Int32(index), into: slot))
    onFailure(fields["on-failure"], .allocation(index), byDefault: "continue")
    noteFilled(target.text, slot, .kmemCacheFree, cache: cache)
    return true
  }

  func returnSheaf(_ fields: Tree, _ span: Span) -> Bool {
    guard let tree = fields["sheaf"], let slot = sheaf(tree),
      let cache = tree.text.flatMap({ slots[$0]?.cache })
    else { return false }
    let name = "\(FreeAPI.returnSheaf.text)(\(builder.program.caches[cache].name))"
    emit(.free(.returnSheaf, slot, operation: builder.operation(name, span)))
    noteEmptied(slot)
    return false
  }

  /// The slot of a sheaf that a step names; nil after a finding.
  private func sheaf(_ tree: Tree, wantsFilled: Bool = true) -> SlotRef? {
    guard let name = reading.text(tree, "a sheaf") else { return nil }
    guard sheaves.contains(name) else {
      findings.unknown(
        .unknownName, "sheaf", name, among: sheaves.sorted(), at: tree.span,
        notes: ["sheaves get their names with `kmem_cache_prefill_sheaf: {…, as: NAME}`"])
      return nil
    }
    guard let slot = slot(tree, "a sheaf", maySheaf: true) else { return nil }
    guard !wantsFilled || slots[name]?.cache != nil else {
      findings.add(
        .misplaced, "no step before this one fills `\(name)`", at: tree.span,
        notes: ["`kmem_cache_prefill_sheaf` comes first"])
      return nil
    }
    return slot
  }

  private func objectCount(_ fields: Tree) -> Int? {
    fields["n"].flatMap { reading.integer($0, "n", 1...ScenarioLimits.bulkMax) }
  }

  private func checkRelease(_ name: String, _ span: Span) {
    guard let version = builder.version, version.slab.sheaves == .none else { return }
    findings.add(
      .kernel, "Linux \(version.name) has no \(name)", at: span, label: "it came with 6.18")
  }

  /// The place of a call among the program's; nil after a finding.
  private func allocation(
    _ api: Allocation.API, _ size: UInt64, _ gfp: GFPFlags, _ cache: Int, _ label: String,
    _ fields: Tree, _ span: Span
  ) -> Int? {
    guard builder.program.allocations.count < ScenarioLimits.allocationsMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.allocationsMax) allocating steps", at: span)
      return nil
    }
    builder.program.allocations.append(
      Allocation(
        api: api, size: builder.place(of: .constant(size)), gfp: gfp, cache: Int32(cache),
        operation: builder.operation(label, span), site: site(fields, span)))
    return builder.program.allocations.count - 1
  }
}
