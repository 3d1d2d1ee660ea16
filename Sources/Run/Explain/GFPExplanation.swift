import Kernel

/// What a GFP mask lets an allocation do, flag by flag and as a whole.
extension Explanation {
  /// - Parameter text: flags as in C: `GFP_ATOMIC`, `GFP_KERNEL|__GFP_ZERO`.
  /// - Returns: nil where a word is no flag.
  package init?(gfp text: String) {
    let words = text.split { "| ,+".contains($0) }.map { String($0) }
    var flags: GFPFlags = []
    for word in words {
      guard let known = GFPFlags.names.first(where: { $0.name == word.uppercased() }) else {
        return nil
      }
      flags.formUnion(known.flags)
    }
    guard !words.isEmpty else { return nil }
    self.init("gfp \(text)", words.joined(separator: " | "))
    facts = Explanation.rights(flags)
    var table = Table(["flag", "meaning"])
    for (name, flag) in GFPFlags.names
    where name.hasPrefix("__") && flag.rawValue.nonzeroBitCount == 1 && flags.contains(flag) {
      table.rows.append([.text(name), .text(meaning(of: flag))])
    }
    tables = [table]
    self.text = [Explanation.advice(flags)]
  }

  /// Every spelling there is.
  package static var allGFP: Explanation {
    var found = Explanation("gfp", "GFP flags")
    var table = Table(["flag", "bits", "meaning"])
    for (name, flags) in GFPFlags.names {
      let members = GFPFlags.names.filter {
        $0.name.hasPrefix("__") && $0.flags.rawValue.nonzeroBitCount == 1
          && flags.contains($0.flags)
      }
      let text =
        name.hasPrefix("__") && members.count == 1
        ? meaning(of: flags) : members.map { String($0.name.dropFirst(6)) }.joined(separator: ", ")
      table.rows.append([.text(name), .text("0x" + String(flags.rawValue, radix: 16)), .text(text)])
    }
    found.tables = [table]
    return found
  }

  private static func rights(_ flags: GFPFlags) -> [Fact] {
    func yes(_ value: Bool) -> Value { .text(value ? "yes" : "no") }
    let reserve =
      switch (flags.contains(.high), flags.allowsBlocking) {
      case (true, false): "to 3/8 of min"
      case (true, true): "to half of min"
      case (false, _): "to min"
      }
    return [
      Fact("bits", .text("0x" + String(flags.rawValue, radix: 16)), "", "6.12's positions"),
      Fact("may sleep", yes(flags.allowsBlocking), "", "never allow it in atomic context"),
      Fact("wakes kswapd", yes(flags.contains(.kswapdReclaim))),
      Fact("may start I/O", yes(flags.contains(.io))),
      Fact("may enter file systems", yes(flags.contains(.fs))),
      // Kernel: the reserves of `__zone_watermark_ok()` (mm/page_alloc.c, 6.12).
      Fact(
        "reserves", .text(flags.contains(.memAlloc) ? "all" : reserve), "",
        "how far below the watermark it may take"),
      Fact(
        "highest zone",
        .text(ZoneKind(flags.subtracting(flags.contains(.movable) ? [] : .highMem)).name),
        "", "on 64 bits; HighMem on 32 where the mask allows it"),
      Fact("migrate type", .text("\(MigrateType(flags))")),
      Fact("zeroed", yes(flags.contains(.zero))),
      Fact("kmalloc caches", .text(KmallocFamily(flags).prefix + "*")),
      Fact("warns when it fails", yes(!flags.contains(.noWarn))),
      Fact("only the node asked for", yes(flags.contains(.thisNode))),
    ]
  }

  private static func advice(_ flags: GFPFlags) -> String {
    flags.allowsBlocking
      ? "For process context without spinlocks. In hardirq, softirq, under a spinlock or with "
        + "interrupts off use GFP_ATOMIC or GFP_NOWAIT."
      : "May be used anywhere but in NMIs. It does not wait, so it fails sooner: have a way to go "
        + "on without the memory."
  }
}

private func meaning(of flag: GFPFlags) -> String {
  switch flag {
  case .dma: "from zone DMA: the lowest 16 MiB"
  case .highMem: "high memory will do, where there is any"
  case .dma32: "from below 4 GiB"
  case .movable: "the pages can be moved: grouped with their like"
  case .reclaimable: "a shrinker can free it: grouped with its like"
  case .high: "high priority: may go below the min watermark"
  case .io: "reclaim may start I/O"
  case .fs: "reclaim may call into file systems"
  case .zero: "filled with zeros"
  case .directReclaim: "may sleep: reclaims memory itself"
  case .kswapdReclaim: "wakes kswapd when the zone is low"
  case .write: "will be dirtied: spread over zones"
  case .noWarn: "no warning when it fails"
  case .retryMayFail: "tries hard, short of killing tasks, then fails"
  case .noFail: "cannot fail: tries for ever"
  case .noRetry: "gives up after one light try to reclaim"
  case .memAlloc: "may use all reserves: for who frees more"
  case .comp: "a compound page: its tails know their head"
  case .noMemAlloc: "never uses reserves"
  case .hardWall: "only nodes of the task's cpuset"
  case .thisNode: "only from the node asked for, without fallback"
  case .account: "charged to a memory cgroup: kmalloc-cg-*"
  default: ""
  }
}
