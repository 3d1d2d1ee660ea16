import Kernel

/// Steps that allocate or free the objects of several slots with one call.
extension Body {
  /// `kmem_cache_alloc_bulk: {cache: skb, as: [a, b, c]}`, or `as:` a pool.
  func allocateBulk(_ fields: Tree, _ span: Span) -> Bool {
    guard let cacheTree = fields["cache"], let cache = builder.cache(cacheTree),
      let tree = fields["as"], let targets = several(tree, "`as`"),
      let gfp = flags("kmem_cache_alloc_bulk", fields, span)
    else { return false }
    let name = "kmem_cache_alloc_bulk(\(builder.program.caches[cache].name),\(targets.count))"
    let index = builder.bulk(
      targets.map(\.slot), cache: cache, gfp: gfp, operation: builder.operation(name, span),
      site: site(fields, span))
    emit(.allocateBulk(index))
    onFailure(fields["on-failure"], .bulk(Int(index)), byDefault: "continue")
    for target in targets { noteFilled(target.name, target.slot, .kmemCacheFree, cache: cache) }
    return true
  }

  /// `kmem_cache_free_bulk: {cache: skb, objects: [a, b, c]}`, `kfree_bulk: {objects: pool}`.
  func freeBulk(_ name: String, _ fields: Tree, _ span: Span) -> Bool {
    guard let tree = fields["objects"], let targets = several(tree, "`objects`") else {
      return false
    }
    var cache: Int?
    if let tree = fields["cache"] {
      guard let known = builder.cache(tree) else { return false }
      cache = known
    }
    let label = cache.map { "\(builder.program.caches[$0].name)," } ?? ""
    let index = builder.bulk(
      targets.map(\.slot), cache: cache, gfp: [],
      operation: builder.operation("\(name)(\(label)\(targets.count))", span), site: 0)
    emit(.freeBulk(index))
    for target in targets { noteEmptied(target.slot) }
    return false
  }

  /// The objects of a list, or all of a pool of this thread.
  private func several(_ tree: Tree, _ what: String) -> [(name: String?, slot: SlotRef)]? {
    if let name = tree.text, let pool = slots[name], pool.isPool {
      guard pool.count <= ScenarioLimits.bulkMax else {
        findings.add(
          .limit, "a bulk call of more than \(ScenarioLimits.bulkMax) objects", at: tree.span)
        return nil
      }
      return (0..<pool.count).map { (name: nil, slot: SlotRef(pool.index + $0)) }
    }
    let trees = reading.list(tree, what, orText: true)
    guard (1...ScenarioLimits.bulkMax).contains(trees.count) else {
      if tree.list != nil {
        findings.add(
          .range, "a bulk call is for one to \(ScenarioLimits.bulkMax) objects", at: tree.span)
      }
      return nil
    }
    var found: [(name: String?, slot: SlotRef)] = []
    for item in trees {
      guard let slot = slot(item, what) else { return nil }
      guard slot != .picked else {
        findings.add(
          .misplaced, "`picked` may be another thread's: a bulk call takes objects of its own",
          at: item.span)
        return nil
      }
      found.append((name: item.text, slot: slot))
    }
    return found
  }
}
