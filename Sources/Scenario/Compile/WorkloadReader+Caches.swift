import Kernel

/// What the workload has by name: caches, sets of buckets, locks.
extension WorkloadReader {
  func readCaches(_ tree: Tree) {
    guard let map = tree.map else {
      findings.add(
        .wrongKind, "`caches:` needs a mapping and has \(tree.kindName)", at: tree.span,
        label: "as in `{skb: {size: 256B}}`")
      return
    }
    guard map.count <= ScenarioLimits.cachesMax else {
      findings.add(
        .limit, "more than \(ScenarioLimits.cachesMax) caches", at: tree.span)
      return
    }
    for entry in map {
      let key = Tree(kind: .text(entry.key), span: entry.keySpan)
      guard reading.name(key, "a cache") != nil,
        let fields = reading.fields(
          entry.value, "a cache", known: Words.cache, required: ["size"]),
        let size = fields["size"].flatMap({ reading.size($0, "size", atLeast: 1) })
      else { continue }
      let align = fields["align"].map { reading.size($0, "align") } ?? 0
      guard let align else { continue }
      guard size <= 2 << 20, align <= 4096, align & (align &- 1) == 0 || align == 0 else {
        findings.add(
          .range, "a cache's objects have at most 2MiB, aligned to a power of two up to 4KiB",
          at: entry.value.span)
        continue
      }
      var cache = Program.Cache(name: entry.key, size: Int(size), align: Int(align))
      if let tree = fields["sheaf"] {
        guard let sheaf = reading.integer(tree, "sheaf", 0...4096) else { continue }
        cache.sheaf = sheaf
      }
      for flag in fields["flags"].map({ reading.list($0, "flags", orText: true) }) ?? [] {
        switch reading.word(flag, "cache flag", among: Words.cacheFlags) {
        case "hwcache-align": cache.isHardwareAligned = true
        case "reclaim-account": cache.isReclaimable = true
        case "typesafe-by-rcu": cache.isTypesafeByRCU = true
        case "ctor": cache.hasConstructor = true
        case "consistency": cache.debug.insert(.consistency)
        case "red-zone": cache.debug.insert(.redZone)
        case "poison": cache.debug.insert(.poison)
        case "store-user": cache.debug.insert(.storeUser)
        default: break
        }
      }
      builder.cachePlaces[entry.key] = builder.program.caches.count
      builder.program.caches.append(cache)
    }
  }

  /// Sets of kmalloc caches that a user has for itself.
  func readBuckets(_ tree: Tree) {
    if let version = builder.version, !version.slab.hasBuckets {
      findings.add(
        .kernel, "Linux \(version.name) has no kmem_buckets", at: tree.span,
        label: "they came with 6.11")
    }
    for item in reading.list(tree, "`buckets:`", orText: true) {
      guard let name = reading.name(item, "a set of buckets") else { continue }
      if builder.program.buckets.contains(name) {
        findings.add(.nameTwice, "two sets of buckets are called `\(name)`", at: item.span)
      } else if builder.program.buckets.count < KmallocFamily.bucketsMax {
        builder.program.buckets.append(name)
      } else {
        findings.add(
          .limit, "more than \(KmallocFamily.bucketsMax) sets of buckets", at: item.span)
      }
    }
  }

  /// `locks: [a, b]`, which are spinlocks, or `locks: {a: spinlock, m: mutex}`.
  func readLocks(_ tree: Tree) {
    guard let map = tree.map else { return readSpinlocks(tree) }
    for entry in map {
      let name = Tree(kind: .text(entry.key), span: entry.keySpan)
      let words = LockKind.allCases.map(\.text)
      guard let word = reading.word(entry.value, "a lock's kind", among: words),
        let kind = LockKind.allCases.first(where: { $0.text == word })
      else { continue }
      if kind == .localLock, let version = builder.version, !version.locks.hasLocalLock {
        findings.add(
          .kernel, "Linux \(version.name) has no local_lock", at: entry.value.span,
          label: "it came with 5.8")
      }
      addLock(name, kind)
    }
  }

  private func readSpinlocks(_ tree: Tree) {
    for item in reading.list(tree, "`locks:`", orText: true) {
      addLock(item, .spinlock)
    }
  }

  private func addLock(_ item: Tree, _ kind: LockKind) {
    guard let name = reading.name(item, "a lock") else { return }
    if builder.lockPlaces[name] != nil {
      findings.add(.nameTwice, "two locks are called `\(name)`", at: item.span)
    } else if builder.program.locks.count < ScenarioLimits.locksMax {
      builder.lockPlaces[name] = builder.program.locks.count
      builder.program.locks.append(name)
      builder.program.lockKinds.append(kind)
    } else {
      findings.add(.limit, "more than \(ScenarioLimits.locksMax) locks", at: item.span)
    }
  }
}
