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
      return (0..<pool.count).map { (nil, SlotRef(pool.index + $0)) }
    }
    let trees = reading.list(tree, what, orText: true)
    guard !trees.isEmpty, trees.count <= ScenarioLimits.bulkMax else { return nil }
    let found = trees.compactMap { item in slot(item, what).map { (item.text, $0) } }
    return found.count == trees.count ? found : nil
  }
}
